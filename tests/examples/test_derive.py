"""examples/derive_two_layer.py: the derived source, printed, run and compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from models import two_layer_net_analytic

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "derive_two_layer.py"


def test_the_example_prints_source_that_runs_and_agrees(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    source, comparison = done.stdout.split("largest differences", 1)
    assert "dscores[np.arange(5), y] -= 1" in source
    compile(source, "derived.py", "exec")
    differences = [float(x) for x in re.findall(r"\d\.\de[-+]\d+", comparison)]
    assert len(differences) == 10
    assert max(differences) <= 1e-12


def test_the_printed_source_runs_with_numpy_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    source = done.stdout.split("largest differences", 1)[0]
    check = (
        "import sys\nassert not any('tinygrad' in m or 'models' in m for m in sys.modules)\n"
        "rng = np.random.default_rng(0)\n"
        "params = {'W1': rng.random((4, 10)), 'b1': rng.random(10),"
        " 'W2': rng.random((10, 3)), 'b2': rng.random(3)}\n"
        "value, grads = loss(params, rng.random((5, 4)), np.array([0, 1, 2, 2, 1]), 0.1)\n"
        "assert np.isfinite(value) and list(grads) == list(params)\n"
    )
    (tmp_path / "derived.py").write_text(f"{source}\n\n{check}")
    command = [sys.executable, "-W", "error", "-I", str(tmp_path / "derived.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_difference_is_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    right = two_layer_net_analytic.loss_and_gradients

    def wrong(*args: object) -> object:
        loss, gradients = right(*args)
        return loss, {**gradients, "W2": 2 * gradients["W2"]}

    monkeypatch.setattr(two_layer_net_analytic, "loss_and_gradients", wrong)
    with pytest.raises(SystemExit) as end:
        exec(compile(EXAMPLE.read_text(), str(EXAMPLE), "exec"), {"__file__": str(EXAMPLE)})
    assert end.value.code == 1
