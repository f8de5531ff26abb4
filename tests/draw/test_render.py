"""Pictures in files and notebooks, with the Graphviz that is there, another, or none."""

import dataclasses
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_nn as tg
from tests.draw.golden import PARAMETERS, two_layer_net
from tinygrad_nn.draw import engine, mimebundle, render, to_dot
from tinygrad_nn.errors import RenderError

needs_graphviz = pytest.mark.skipif(not list(engine._commands("svg", "")), reason="no Graphviz")
needs_shell = pytest.mark.skipif(sys.platform == "win32", reason="a script plays Graphviz")

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def ids(svg):
    return set(re.findall(r' id="([^"]+)"', svg))


def small(n):
    return tg.trace(lambda x: np.sum(x * float(n)), np.ones(n))


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setattr(engine, "_is_installed", lambda package: False)
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def fake_dot(tmp_path, monkeypatch):
    """A function that puts a program called `dot` on the PATH, and takes pygraphviz away."""

    def install(script):
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(engine, "_is_installed", lambda package: False)
        monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")

    return install


@needs_graphviz
@pytest.mark.parametrize(
    ("suffix", "magic"), [(".svg", b"<?xml"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF")]
)
def test_the_suffix_says_the_format(tmp_path, suffix, magic, capfd):
    path = tmp_path / "new" / "folders" / f"net{suffix}"
    assert render(small(2), str(path)) == path
    assert path.read_bytes().startswith(magic)
    assert capfd.readouterr() == ("", "")


@needs_graphviz
def test_svg_is_xml_that_holds_every_name_as_text(tmp_path):
    graph = two_layer_net()
    path = graph.render(tmp_path / "net.svg", parameters=PARAMETERS, gradients=True)
    svg = path.read_text(encoding="utf-8")
    named = {name for name in graph.names.values() if not re.fullmatch(r"t\d+", name)}
    assert named | {"loss", "max(0, ·)", "(5, 10)"} <= set(texts(svg))
    title = ElementTree.fromstring(svg)[0]
    assert title.tag == f"{SVG}title"
    assert title.text == "Computation graph of loss(W1, b1, W2, b2, X, y)"
    assert re.search(r"<title>line \d+:  h1 = X @ W1 \+ b1</title>", svg)


@needs_graphviz
def test_hostile_names_are_shown_as_they_are(tmp_path):
    graph = small(2)
    name = '</b>"{|}\\N <g id="a"> -- 日本 σ'
    hostile = dataclasses.replace(graph, names=graph.names | {graph.inputs[0]: name})
    svg = hostile.render(tmp_path / "x.svg").read_text(encoding="utf-8")
    assert name in texts(svg)


@needs_graphviz
def test_a_picture_is_the_same_at_every_run_and_clashes_with_no_other(tmp_path):
    first, again = (mimebundle(two_layer_net())["image/svg+xml"] for _ in range(2))
    assert first == again
    other = mimebundle(small(2))["image/svg+xml"]
    assert ids(first)
    assert not ids(first) & ids(other)


@needs_graphviz
def test_threads_draw_at_the_same_time(tmp_path):
    graphs = [small(n) for n in range(1, 5)]
    alone = [g.render(tmp_path / f"{i}.svg").read_bytes() for i, g in enumerate(graphs)]
    with ThreadPoolExecutor(4) as pool:
        paths = pool.map(lambda i: graphs[i].render(tmp_path / f"thread{i}.svg"), range(4))
        assert [path.read_bytes() for path in paths] == alone


@needs_graphviz
def test_a_notebook_shows_a_picture_and_has_the_text():
    graph = small(2)
    bundle = graph._repr_mimebundle_()
    assert bundle["text/plain"] == str(graph)
    assert bundle["image/svg+xml"].startswith("<svg ")
    assert texts(bundle["image/svg+xml"])


def test_a_notebook_is_left_with_the_text_without_graphviz(no_engine):
    assert list(mimebundle(small(2))) == ["text/plain"]


def test_a_notebook_does_not_draw_a_huge_graph_unasked(monkeypatch):
    monkeypatch.setattr(engine, "draw", lambda *_: pytest.fail("drawn"))
    graph = tg.trace(lambda x: [x := np.sin(x) for _ in range(400)][-1], np.ones(2))
    assert list(mimebundle(graph)) == ["text/plain"]


def test_without_graphviz_the_error_says_how_to_get_it_and_the_source_is_left(no_engine, tmp_path):
    graph = small(2)
    with pytest.raises(RenderError) as caught:
        render(graph, tmp_path / "net.svg", direction="LR")
    message = str(caught.value)
    assert "pip install 'tinygrad_nn[render]'" in message
    assert "`dot`" in message
    assert str(tmp_path / "net.dot") in message
    left = (tmp_path / "net.dot").read_text(encoding="utf-8")
    assert left == to_dot(graph, direction="LR")
    assert not (tmp_path / "net.svg").exists()


def test_the_source_itself_needs_no_graphviz(no_engine, tmp_path):
    path = render(small(2), tmp_path / "net.dot")
    assert path.read_text(encoding="utf-8") == to_dot(small(2))


@needs_shell
def test_a_dot_program_serves_as_well(fake_dot, tmp_path):
    fake_dot(f'echo "$@" > {tmp_path}/arguments; cat > {tmp_path}/source; echo picture')
    path = render(small(2), tmp_path / "net.png")
    assert path.read_bytes() == b"picture\n"
    assert (tmp_path / "arguments").read_text() == f"-Tpng -Gdpi={engine.DPI}\n"
    assert (tmp_path / "source").read_text(encoding="utf-8") == to_dot(small(2))


@needs_shell
def test_what_graphviz_complains_of_is_in_the_error(fake_dot, tmp_path, capfd):
    fake_dot("cat > /dev/null; echo harmless >&2; echo 'Error: out of paper' >&2; exit 1")
    with pytest.raises(RenderError, match="Error: out of paper"):
        render(small(2), tmp_path / "net.svg")
    assert (tmp_path / "net.dot").exists()
    assert capfd.readouterr().err == ""


@needs_shell
def test_a_dot_program_steps_in_for_a_pygraphviz_that_does_not_load(
    fake_dot, tmp_path, monkeypatch
):
    fake_dot("cat > /dev/null; echo picture")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pygraphviz.py").write_text("raise ImportError('no libexpat')")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    monkeypatch.setattr(engine, "_is_installed", lambda package: True)
    assert render(small(2), tmp_path / "net.pdf").read_bytes() == b"picture\n"
    shutil.rmtree(tmp_path / "bin")
    with pytest.raises(RenderError, match="pygraphviz: ImportError: no libexpat"):
        render(small(2), tmp_path / "net.pdf")


@needs_shell
def test_patience_has_an_end(fake_dot):
    fake_dot("exec sleep 5")
    with pytest.raises(RenderError, match="timed out"):
        engine.draw("digraph {}", "svg", 0.1)


@pytest.mark.parametrize("name", ["net", "net.jpg", "net.svg.gz"])
def test_another_suffix_is_an_error_that_names_the_possible_ones(tmp_path, name):
    with pytest.raises(RenderError, match=r"\.svg, \.png, \.pdf or \.dot"):
        render(small(2), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RenderError, match="cannot write"):
        render(small(2), tmp_path / "file" / "net.dot")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a system always has fonts")
def test_text_has_a_font_even_where_the_system_has_none(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.delenv("FONTCONFIG_FILE", raising=False)
    with engine._environment() as environment:
        configuration = Path(environment["FONTCONFIG_FILE"])
        (folder,) = re.findall("<dir>(.*)</dir>", configuration.read_text())
        assert Path(folder, "DejaVuSans.ttf").exists()
    assert not configuration.exists()
    monkeypatch.setenv("FONTCONFIG_FILE", "mine")
    with engine._environment() as environment:
        assert environment["FONTCONFIG_FILE"] == "mine"
