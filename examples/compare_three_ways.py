"""The two-layer net's gradients three ways: autodiff, derived by hand, and numeric differences."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `models` is found

import tinygrad_nn as tg
from models import two_layer_net, two_layer_net_analytic
from tinygrad_nn.datasets import toy, toy_parameters

X, y = toy()
by_hand = two_layer_net_analytic.loss_and_gradients
print(tg.compare(two_layer_net.loss, by_hand, toy_parameters(), X, y, 0.1))
