"""The report of an audit, as text and as HTML, from results made by hand."""

import html.parser
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import tinygrad_nn as tg
from tinygrad_nn.check.audit import Audit, AuditLine, AuditRow, Culprit
from tinygrad_nn.check.audit.showing import report
from tinygrad_nn.errors import ExportError, GradientError

FILE = "/somewhere/homework.py"
CODE = """\
        loss = data_loss + 0.5 * reg * np.sum(W2 * W2)
        dscores[range(N), y] -= 1
        dscores /= N
        grads["W2"] = hidden.T.dot(dscores)
        grads["b2"] = np.sum(dscores, axis=0)
        dhidden = dscores.dot(W2.T)
        grads["W2"] += 2 * reg * W2
        dW1 = X.T.dot(dhidden)
""".splitlines()


def line(number, computes="", status="right"):
    return AuditLine(FILE, number, CODE[number - 40], computes, status)


def audit(**changes):
    """A wrong L2 term in the gradient of W2."""
    found = Audit(
        name="TwoLayerNet.loss",
        loss=1.25,
        rows=(
            AuditRow("W2", (10, 3), False, "wrong", 0.0195, 0.46, (1, 0), 0.0195, 0.039, 0.0195),
            AuditRow("b2", (3,), True, "right", 4.2e-17, 1.9e-16, (1,), -0.11, -0.11, -0.11),
        ),
        lines=(
            line(40, status="forward"),
            line(41, "5 times d loss / d scores", "unknown"),
            line(42, "d loss / d scores"),
            line(43, "d loss / d W2, the part through hidden.dot(W2)"),
            line(44, "d loss / d b2"),
            line(45, "d loss / d hidden"),
            line(46, status="wrong"),
        ),
        culprit=Culprit(
            file=FILE,
            line=46,
            code="2 * reg * W2",
            columns=(23, 35),
            explanation="the term `0.5 * reg * np.sum(W2 * W2)`, line 40; yours counts it 2 times",
            exact=True,
            correction='grads["W2"] += reg * W2',
        ),
        notes=("the numbers were drawn anew",),
    )
    return replace(found, **changes)


GOLDEN = """\
TwoLayerNet.loss: the gradient of W2 is wrong; b2 is right

parameter  shape    verdict  abs diff  rel diff  worst at  autodiff  yours  numeric
W2         (10, 3)  wrong    1.9e-02   4.6e-01   [1, 0]    0.0195    0.039  0.0195
b2         (3,)     right    4.2e-17   1.9e-16   [1]       -0.11     -0.11  -0.11

homework.py
       40  loss = data_loss + 0.5 * reg * np.sum(W2 * W2)
       41  dscores[range(N), y] -= 1              dscores = 5 times d loss / d scores
   ok  42  dscores /= N                           dscores = d loss / d scores
   ok  43  grads["W2"] = hidden.T.dot(dscores)    grads["W2"] = d loss / d W2, the part through
                                                    hidden.dot(W2)
   ok  44  grads["b2"] = np.sum(dscores, axis=0)  grads["b2"] = d loss / d b2
   ok  45  dhidden = dscores.dot(W2.T)            dhidden = d loss / d hidden
WRONG  46  grads["W2"] += 2 * reg * W2
                          ^^^^^^^^^^^^
           | the term `0.5 * reg * np.sum(W2 * W2)`, line 40; yours counts it 2 times
           | This reproduces your numbers exactly.
           | right: grads["W2"] += reg * W2

note: the numbers were drawn anew"""


def test_the_whole_report_as_text():
    assert str(audit()) == GOLDEN


def test_a_sound_function_has_its_verdict_its_code_and_no_underline():
    rows = tuple(replace(row, ok=True, verdict="right") for row in audit().rows)
    text = str(audit(rows=rows, culprit=None, lines=audit().lines[:6], notes=()))
    assert text.splitlines()[0] == "TwoLayerNet.loss: the gradients of W2 and b2 are right"
    assert "dscores = d loss / d scores" in text
    assert "data_loss" not in text  # the forward pass is left out
    assert not re.search(r"\^|WRONG|wrong|\|", text)


def test_the_headline_names_every_kind_of_fault():
    def row(name, verdict):
        return AuditRow(name, (2,), verdict == "right", verdict)

    verdicts = {"W1": "wrong", "b1": "missing", "W2": "wrong shape (3, 2), should be (2, 3)"}
    verdicts |= {"b2": "right", "c": "not finite", "d": "extra", "W3": "wrong"}
    rows = tuple(row(name, verdict) for name, verdict in verdicts.items())
    headline = str(audit(rows=rows)).split("\n\n")[0].replace("\n ", "")
    assert headline == (
        "TwoLayerNet.loss: the gradients of W1 and W3 are wrong; the gradient of W2 has the wrong "
        "shape; the gradient of c is not finite; the gradient of b1 is missing; there is no "
        "parameter d; b2 is right"
    )


def test_a_long_verdict_stands_below_the_table():
    verdict = "wrong shape (3, 10), should be (10, 3): transposed"
    row = AuditRow("W2", (10, 3), False, verdict, note="autodiff's is (10, 3)")
    lines = str(audit(rows=(row,))).splitlines()
    assert lines[3].split("  ")[:2] == ["W2", "       (10, 3)"] or "wrong shape" in lines[3]
    assert lines[3].rstrip().endswith("-")
    assert lines[4] == f"  W2: {verdict}; autodiff's is (10, 3)"


def test_numbers_that_look_the_same_in_six_digits_are_given_more():
    row = AuditRow("W", (2,), False, "wrong", 1e-9, 1e-9, (0,), 1.0, 1.000000002, 1.0)
    text = str(audit(rows=(row,)))
    assert "  W[0]: autodiff 1, yours 1.000000002, numeric 1\n" in text


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("dW = X.T @ dscores", "dW = "),
        ("self.dW = X.T @ dscores", "self.dW = "),
        ("dscores[range(N), y] -= 1", "dscores = "),
        ("dh[h <= 0] = 0", "dh = "),
        ("dW **= 2", "dW = "),
        ("grads[f'W{i}'] = dW", "grads[f'W{i}'] = "),
        ('grads["W"][0] += dW', 'grads["W"] = '),
        ("dW, db = X.T @ d, d.sum(axis=0)", ""),
        ('"W": X.T @ dscores,', ""),
        ("return dx == 0", ""),
        ("dx == 0", ""),
    ],
)
def test_what_a_line_computes_has_the_name_that_it_gives(code, name):
    text = str(audit(lines=(AuditLine(FILE, 7, code, "d loss / d x", "right"),)))
    assert f"ok   7  {code}  {name}d loss / d x\n" in text


def test_the_mark_of_a_line_says_what_became_of_it():
    lines = (*audit().lines, line(47, status="follows"))
    text = str(audit(lines=lines))
    assert re.search(r"^wrong  47  dW1 = X.T.dot\(dhidden\) +wrong because of line 46$", text, re.M)


@pytest.mark.parametrize(
    ("correction", "label"),
    [("dscores /= N", "add here: dscores /= N"), ("2 * reg * W2 / N", "right: 2 * reg * W2 / N")],
)
def test_a_missing_step_is_shown_after_its_line(correction, label):
    culprit = replace(audit().culprit, missing=True, correction=correction)
    text = str(audit(culprit=culprit, lines=(*audit().lines[:6], line(46, "nearly"))))
    shown = text.splitlines()
    at = next(i for i, x in enumerate(shown) if "   ok  46  " in x)
    assert shown[at + 1] == "WRONG      (a step is missing here)"
    assert f"| {label}" in text
    assert "^" not in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "This reproduces your numbers exactly."),
        ({"exact": False}, "Your code first differs here; the reason given may not be the whole"),
        ({"exact": False, "explanation": ""}, "Your code first differs here; why is not known."),
    ],
)
def test_how_sure_it_is_is_said(changes, sentence):
    found = audit(culprit=replace(audit().culprit, **changes))
    assert sentence in str(found)
    assert sentence in found._repr_html_()


@pytest.mark.parametrize("indented", [True, False])
@pytest.mark.parametrize("columns", [(23, 35), None, (0, 400)])
def test_the_expression_is_underlined_with_or_without_its_indentation(indented, columns):
    lines = audit().lines
    if not indented:
        lines = tuple(replace(x, code=x.code.strip()) for x in lines)
    text = str(audit(lines=lines, culprit=replace(audit().culprit, columns=columns)))
    wrong = next(x for x in text.splitlines() if x.startswith("WRONG"))
    under = text.splitlines()[text.splitlines().index(wrong) + 1]
    assert wrong[under.index("^") : len(under)] == "2 * reg * W2"


def test_wide_characters_are_underlined_where_they_stand():
    code = "dW = 正則化 * 2 * λ * W"
    culprit = replace(audit().culprit, code="2 * λ", columns=None)
    text = str(audit(lines=(AuditLine(FILE, 46, code, "", "wrong"),), culprit=culprit))
    lines = text.splitlines()
    at = next(i for i, x in enumerate(lines) if "正則化" in x)
    assert lines[at + 1].index("^") == lines[at].index("2 * λ") + 3  # three take two columns
    assert lines[at + 1].count("^") == 5


def test_a_culprit_that_is_no_line_of_the_code_is_shown_nevertheless():
    text = str(audit(lines=()))
    assert "WRONG  46  2 * reg * W2\n           ^^^^^^^^^^^^\n" in text


def test_several_files_are_shown_one_after_the_other():
    other = AuditLine("/somewhere/layers.py", 7, "    dx = dout.dot(w.T)", "d loss / d x", "right")
    text = str(audit(lines=(*audit().lines[:3], other, *audit().lines[3:])))
    assert text.index("homework.py\n") < text.index("\nlayers.py\n   ok  7  dx = dout.dot(w.T)")
    assert text.count("homework.py") == 1


def test_a_line_that_runs_twice_is_shown_once_and_as_its_fault():
    lines = (line(45, "d loss / d hidden"), line(45, status="follows"), *audit().lines)
    text = str(audit(lines=lines))
    assert text.count("dhidden = dscores.dot(W2.T)") == 1
    assert "wrong  45" in text


LONG = replace(
    audit(),
    name="a_very_long_name_of_a_function_" * 5,
    rows=tuple(replace(r, parameter=f"{r.parameter}_{'long' * 20}") for r in audit().rows),
    lines=tuple(replace(x, code=f"{x.code} + {'extremely_' * 12}long") for x in audit().lines),
    culprit=replace(
        audit().culprit,
        code=f"{'extremely_' * 12}long",
        columns=None,
        explanation="because of " + "word " * 60 + "x" * 150,
        correction="grads = " + "a + " * 60 + "b",
    ),
    notes=("a note " * 40,),
)


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("found", [audit(), LONG], ids=["short", "long"])
def test_no_line_is_wider_than_asked_for(width, found):
    assert max(map(len, report.text(found, width=width).splitlines())) <= width


def test_a_width_out_of_reason_is_not_obeyed():
    assert report.text(LONG, width=10) == report.text(LONG, width=60)
    assert report.text(LONG, width=1000) == str(LONG)


def test_what_is_underlined_can_be_seen_in_a_long_line():
    code = f"grads['W2'] = {'x * ' * 40}2 * reg * W2"
    text = str(audit(lines=(AuditLine(FILE, 46, code, "", "wrong"),)))
    wrong = next(x for x in text.splitlines() if x.startswith("WRONG"))
    under = text.splitlines()[text.splitlines().index(wrong) + 1]
    assert "  ..." in wrong
    assert wrong[under.index("^") : len(under)] == "2 * reg * W2"


# --- colour ---------------------------------------------------------------------------------------


def test_text_has_no_escape_codes_and_colour_adds_nothing_else(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in str(audit())
    coloured = report.text(audit(), colour=True)
    assert "\x1b[1;31m2 * reg * W2\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == str(audit())


# --- what a file may contain ----------------------------------------------------------------------

EVIL = "<script>alert(1)</script>&\"'\x1b[31m\u202e\x00"


def hostile():
    """Every text of a result as somebody's program may have it."""
    found = audit(name=EVIL, notes=(EVIL,))
    return replace(
        found,
        rows=tuple(
            replace(r, parameter=EVIL, verdict=f"wrong {EVIL}", note=EVIL) for r in found.rows
        ),
        lines=tuple(replace(x, file=EVIL, code=x.code + EVIL, computes=EVIL) for x in found.lines),
        culprit=replace(
            found.culprit, file=EVIL, code=EVIL, explanation=f"`{EVIL}`", correction=EVIL
        ),
    )


def test_nothing_in_a_program_controls_the_terminal():
    text = report.text(hostile())
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\\x1b[31m\\u202e\\x00" in text


class Tags(html.parser.HTMLParser):
    """The tags of a page, all closed as they should be."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, attributes))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.mark.parametrize("make", [report.html, lambda a: a._repr_html_()])
def test_nothing_in_a_program_gets_into_the_markup(make):
    evil, plain = Tags(make(hostile())), Tags(make(audit()))
    allowed = {tag for tag, _ in plain.seen} | {"small", "br"}
    assert {tag for tag, _ in evil.seen} <= allowed
    assert all(name in ("class", "colspan") for _, given in evil.seen for name, _ in given)
    assert "<script>alert(1)</script>&\"'\\x1b[31m\\u202e\\x00" in "".join(evil.text)


def test_the_fragment_says_all_that_the_text_says():
    said = " ".join("".join(Tags(report.html(audit())).text).split())
    for part in (
        "the gradient of W2 is wrong; b2 is right",
        "dscores = d loss / d scores",
        "0.5 * reg * np.sum(W2 * W2)",
        "yours counts it 2 times",
        'grads["W2"] += reg * W2',
        "the numbers were drawn anew",
        "WRONG",
    ):
        assert part in said
    assert "<u>2 * reg * W2</u>" in report.html(audit())


def test_the_styles_of_the_fragment_touch_nothing_else_of_the_notebook():
    style = re.search(r"<style>(.*?)</style>", report.html(audit()), re.S)[1]
    for selectors in re.findall(r"([^{}]+)\{", style):
        assert all(".tg-audit" in one for one in selectors.split(",")), selectors


def test_the_page_is_whole_and_fetches_nothing(tmp_path):
    path = tmp_path / "audit.html"
    assert audit().html(path) == path
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    seen = Tags(text.removeprefix("<!DOCTYPE html>")).seen
    assert {"html", "head", "title", "body", "table"} <= {tag for tag, _ in seen}
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in seen}
    assert "http://" not in text
    assert "default-src 'none'" in text


def test_a_page_that_cannot_be_written_is_an_error_of_ours(tmp_path):
    with pytest.raises(ExportError, match=r"cannot be written to .*No such file"):
        audit().html(tmp_path / "none" / "audit.html")


# --- docs/audit.md --------------------------------------------------------------------------------


def test_the_programs_of_the_manual_run_and_do_what_it_says():
    text = (Path(__file__).resolve().parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^( *)```python\n(.*?)^ *```", text, re.M | re.S):
        exec(compile(textwrap.dedent(block[1]), "audit.md", "exec"), names)
    wrong = [row.parameter for row in names["report"].rows if not row.ok]
    assert wrong == ["b"]
    with pytest.raises(GradientError, match="the gradient of b is wrong; W is right"):
        names["test_the_gradients"]()
    assert not tg.audit(names["loss"], *names["inputs"]()).ok
