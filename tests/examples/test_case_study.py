"""The case study: what it prints, the pictures it leaves, and how it ends when something fails."""

import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from examples import case_study
from tinygrad_nn.errors import RenderError

SCRIPT = Path(case_study.__file__)
CHARTS = [
    "spiral_data.png",
    "decision_boundaries.png",
    "loss_curves.png",
    "digits_training.png",
    "digits_weights.png",
    "digits_predictions.png",
]
GRAPHS = ["graph", "graph_with_gradients"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick run, started elsewhere than in the repository, any warning being an error."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-W", "error", str(SCRIPT), "--quick", "--out", "new/pictures"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return SimpleNamespace(
        status=done.returncode, out=done.stdout, err=done.stderr, pictures=folder / "new/pictures"
    )


def test_a_run_succeeds_and_leaves_its_log_free_of_progress_bars(quick):
    assert (quick.status, quick.err) == (0, "")


def test_every_file_is_named_in_the_output_and_nothing_else_is_written(quick):
    expected = {*CHARTS, *(f"{name}.{kind}" for name in GRAPHS for kind in ("svg", "png"))}
    assert {path.name for path in quick.pictures.iterdir()} == expected
    for name in expected:
        assert re.search(rf"^ +{re.escape(name)} +[a-z]", quick.out, re.MULTILINE), name


@pytest.mark.parametrize("name", [*CHARTS, *(f"{name}.png" for name in GRAPHS)])
def test_every_picture_can_be_opened_and_is_not_blank(quick, name):
    assert (quick.pictures / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(quick.pictures / name)
    assert min(pixels.shape[:2]) > 300
    assert len(np.unique(pixels)) > 10


@pytest.mark.parametrize("name", GRAPHS)
def test_the_graph_shows_the_names_and_shapes_of_the_program(quick, name):
    drawing = ElementTree.parse(quick.pictures / f"{name}.svg").getroot()
    words = re.findall(r"\w+", " ".join(drawing.itertext()))
    assert {"X", "y", "W1", "b1", "h1", "a1", "W2", "b2", "scores", "loss"} <= set(words)
    assert ("dW1" in words) == (name == "graph_with_gradients")
    assert "5, 10" in "".join(drawing.itertext())


def test_the_gradient_tables_have_a_row_for_each_parameter_of_each_model(quick):
    rows = re.findall(r"^ +(?:[\w -]+ )?([Wb]\d?)  .* (\w+)$", quick.out, re.MULTILINE)
    assert rows == 2 * [(p, "agree") for p in ("W", "b", "W", "b", "W1", "b1", "W2", "b2")]
    assert "All agree" in quick.out


def test_a_quick_run_claims_no_published_figure(quick):
    assert "too few iterations" in quick.out
    assert "published loss" not in quick.out


def test_published_figures_stand_beside_ours_with_the_difference(capsys):
    case_study.beside_published([0.5, 0.25], 0.75, {0: 0.4999, 1: 0.2501}, 0.8, 4)
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0", "0.4999", "0.5000", "+0.0001"] in words
    assert ["1", "0.2501", "0.2500", "-0.0001"] in words
    assert ["accuracy", "80", "%", "75", "%"] in words


def test_the_linear_classifier_reproduces_the_published_figures():
    size = SimpleNamespace(linear_iterations=200, net_iterations=1)
    losses = case_study.train_on_spiral(size).linear_loss
    assert case_study.agree_to(losses, case_study.PUBLISHED_LINEAR, 6)


def test_the_network_reads_at_least_95_percent_of_the_held_out_digits():
    run = case_study.train_on_digits(case_study.FULL)
    epoch, training, held_out = run.accuracies[-1]
    assert epoch == 50
    assert held_out >= 0.95
    assert training > held_out


def test_a_wrong_gradient_is_named_and_ends_with_status_1(monkeypatch, tmp_path, capsys):
    right = case_study.two_layer_net_analytic.loss_and_gradients

    def wrong(params, *args):
        loss, gradients = right(params, *args)
        return loss, {**gradients, "W1": 2 * gradients["W1"]}

    monkeypatch.setattr(case_study.two_layer_net_analytic, "loss_and_gradients", wrong)
    for training in ("train_on_spiral", "train_on_digits"):
        monkeypatch.setattr(case_study, training, lambda *args: None)
    for pictures in ("charts", "graphs"):
        monkeypatch.setattr(case_study, pictures, lambda *args: [])
    assert case_study.main(["--quick", "--out", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "NOT all agree" in out
    assert re.search(r"two-layer net +W1 .* analytic differs", out)
    assert "All agree" not in out


def test_a_picture_that_cannot_be_drawn_is_named_and_the_others_are_drawn(
    monkeypatch, tmp_path, capsys
):
    def fail(path):
        raise RenderError("no Graphviz here")

    pictures = [("a.svg", "one", fail), ("b.png", "two", lambda path: path.touch())]
    monkeypatch.setattr(case_study, "charts", lambda *args: pictures)
    monkeypatch.setattr(case_study, "graphs", list)
    assert not case_study.draw(tmp_path, None, None)
    captured = capsys.readouterr()
    assert "a.svg could not be drawn: no Graphviz here" in captured.err
    assert "a.svg" not in captured.out
    assert (tmp_path / "b.png").exists()


@pytest.mark.parametrize("arguments", [["--fast"], ["--out"], ["--qui"], ["extra"]])
def test_bad_options_are_refused_with_a_message(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        case_study.main(arguments)
    assert "usage: case_study.py" in capsys.readouterr().err


def test_a_file_in_place_of_the_folder_is_refused_before_any_training(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(SystemExit, match="2"):
        case_study.main(["--out", str(taken)])
    captured = capsys.readouterr()
    assert "no folder can be made at" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("package", ["matplotlib", "tqdm"])
def test_a_missing_package_is_told_in_one_line_with_the_way_out(package):
    code = (
        f"import runpy, sys; sys.modules[{package!r}] = None; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"needs {package}" in done.stderr
    assert "pip install" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_ends_with_status_130_and_no_traceback(tmp_path):
    command = [sys.executable, str(SCRIPT), "--out", str(tmp_path / "out")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A job in a shell's background inherits an ignored SIGINT; a person at a terminal does not.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, preexec_fn=heed, **pipes) as child:
        child.stdout.readline()
        child.stdout.readline()
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, b"")


def run_example(name, *arguments):
    command = [sys.executable, "-W", "error", str(SCRIPT.with_name(name)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_gradient_example_finds_the_lowest_point():
    out = run_example("gradient_of_numpy_code.py")
    assert "[-215.6  -88. ]" in out
    assert out.splitlines()[-1].endswith("[1. 1.]")


def test_the_drawing_example_prints_and_draws_the_graph(tmp_path):
    path = tmp_path / "small.svg"
    out = run_example("draw_a_graph.py", path)
    assert "h: float64[5, 2] = np.add(t1, b)" in out
    assert "error" in "".join(ElementTree.parse(path).getroot().itertext())


def test_the_three_ways_agree_for_every_parameter():
    out = run_example("compare_three_ways.py")
    assert [line.split()[0] for line in out.splitlines() if line.endswith("agree")] == [
        "W1",
        "b1",
        "W2",
        "b2",
    ]
