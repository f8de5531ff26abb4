"""examples/audit_homework.py: the published mistake is found, and the page is written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_nn as tg
from examples.homework import TwoLayerNet
from tinygrad_nn.datasets import toy, toy_parameters
from tinygrad_nn.errors import GradientError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "audit_homework.py"


def test_the_example_finds_the_wrong_line_and_writes_the_page(tmp_path):
    page = tmp_path / "report.html"
    command = [sys.executable, "-W", "error", str(EXAMPLE), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'grads["W2"] += 2 * reg * W2' in done.stdout
    assert "counts it 2 times" in done.stdout
    assert "This reproduces your numbers exactly." in done.stdout
    assert done.stdout.endswith(f"written to {page}\n")
    assert "<u>2 * reg * W2</u>" in page.read_text(encoding="utf-8")


def homework():
    net = TwoLayerNet(4, 10, 3)
    net.params = toy_parameters()
    return net


def test_the_homework_has_this_one_mistake_and_no_other():
    X, y = toy()
    with pytest.raises(GradientError, match="the gradient of W2 is wrong; W1, b1 and b2 are right"):
        tg.assert_gradients(homework().loss, X, y, reg=0.1)
    tg.assert_gradients(homework().loss, X, y, reg=0.0)


def test_the_homework_computes_the_published_scores():
    scores = homework().loss(toy()[0])
    np.testing.assert_allclose(scores[0], [-0.81233741, -1.27654624, -0.70335995], atol=1e-7)
