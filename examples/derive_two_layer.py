"""The two-layer net's gradient as code: derived, printed, run, and compared.

The text that is printed needs NumPy alone. The exit status is 1 if what it computes is not what
autodiff and the derivation by hand give.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that `models` is found

import numpy as np

import tinygrad_nn as tg
from models import two_layer_net, two_layer_net_analytic
from tinygrad_nn.datasets import toy, toy_parameters

TOLERANCE = 1e-12
X, y = toy()
arguments = (toy_parameters(), X, y, 0.1)

source = tg.derive(two_layer_net.loss, *arguments)
print(source)

module = {}
exec(source, module)
loss, gradients = module["loss"](*arguments)

worst = 0.0
for name, function in (
    ("autodiff", tg.value_and_grad(two_layer_net.loss)),
    ("the net derived by hand", two_layer_net_analytic.loss_and_gradients),
):
    other_loss, others = function(*arguments)
    differences = {"loss": abs(loss - other_loss)}
    for key in gradients:
        differences[f"d{key}"] = np.max(np.abs(gradients[key] - others[key]))
    worst = max(worst, *differences.values())
    print(f"largest differences from {name}:")
    print("  " + "  ".join(f"{key} {value:.1e}" for key, value in differences.items()))

sys.exit(0 if worst <= TOLERANCE else 1)
