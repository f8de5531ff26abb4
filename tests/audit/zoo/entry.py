"""What is planted, what is expected of an audit of it, and how the audit's answer is judged."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import net as programs
from .first.nets import NETS as FIRST
from .net import Case, Sizes
from .second.nets import NETS as SECOND
from .source import Edit, Place, apply, find

NETS = {**FIRST, **SECOND}
REG = 0.07


@dataclass(frozen=True)
class Line:
    """As a fact: the number of the line that is this text, or contains it."""

    text: str


@dataclass(frozen=True)
class Fault:
    """A sound program with one change that makes it wrong.

    Attributes:
        name: unique.
        net: the program, a key of `NETS`.
        old, new: the lines that are changed and what they become (see `Edit`).
        wrong: the parameters whose gradients come out wrong, with spaces.
        facts: what the explanation must say: of each group at least one. A text must stand there as
            words of their own (case and white space do not count; `*` at the end: any ending).
        at: the lines that may be named as the culprit; those that the change made, if not given.
        base: sound changes made before.
        sizes: of the data, if not those of the net.
        reg: how strong the penalty is.
    """

    name: str
    net: str
    old: str
    new: str
    wrong: str
    facts: tuple[tuple[Any, ...], ...]
    at: tuple[str, ...] = ()
    base: tuple[Edit, ...] = ()
    sizes: Sizes | None = None
    reg: float = REG

    @property
    def half(self):
        """Of which half of the zoo it is: "first" or "second"."""
        return _half(self.net)

    def sound_files(self):
        """The program without the fault."""
        return _edited(self.net, self.base)

    def files(self):
        """The program with the fault: the text of each file, by name."""
        return apply(self.sound_files(), Edit(self.old, self.new))[0]

    def places(self):
        """The lines that may be named as the culprit."""
        files, changed = apply(self.sound_files(), Edit(self.old, self.new))
        return frozenset(find(files, text) for text in self.at) if self.at else changed

    def case(self, folder):
        """The faulty program, imported from a file written into `folder`, with its data."""
        return _case(folder, self, self.files())

    def sound_case(self, folder):
        """The program without the fault, with the same data."""
        return _case(folder, self, self.sound_files())


@dataclass(frozen=True)
class Sound:
    """A program whose gradients are right, and data that may be awkward.

    Attributes:
        name: unique.
        net: the program, a key of `NETS`.
        edits: changes of its text that keep it right.
        change: changes the data of a `Case` in place.
        smooth: whether the loss has a derivative at these data; else at those close to them.
        sizes: of the data, if not those of the net.
        reg: how strong the penalty is.
    """

    name: str
    net: str
    edits: tuple[Edit, ...] = ()
    change: Callable[[Case], None] | None = None
    smooth: bool = True
    sizes: Sizes | None = None
    reg: float = REG

    @property
    def half(self):
        """Of which half of the zoo it is: "first" or "second"."""
        return _half(self.net)

    def files(self):
        """The program: the text of each file, by name."""
        return _edited(self.net, self.edits)

    def case(self, folder):
        """The program, imported from a file written into `folder`, with its data."""
        case = _case(folder, self, self.files())
        if self.change:
            self.change(case)
        return case


@dataclass(frozen=True)
class Unjudged(Sound):
    """A program, right or wrong, with data at which its loss is not finite.

    There is no gradient to compare with, so that the audit must say that it cannot judge.
    """


def _half(net):
    return "first" if net in FIRST else "second"


def _edited(net, edits):
    files = NETS[net].sources()
    for edit in edits:
        files, _ = apply(files, edit)
    return files


def _case(folder, entry, files):
    net = NETS[entry.net]
    program = programs.load(folder, files, net.entry)
    return programs.case(net, program, entry.sizes or net.sizes, entry.reg)


@dataclass(frozen=True)
class Verdict:
    """How an audit of a fault fared.

    Attributes:
        found: whether it raised the alarm.
        rows: whether exactly the wrong parameters are said to be wrong.
        line: whether it named an acceptable line.
        fact: whether the explanation says what it must.
        exact: whether it calls its explanation exact.
        story: all of it, for people.
    """

    found: bool
    rows: bool
    line: bool
    fact: bool
    exact: bool
    story: str

    @property
    def perfect(self):
        """Whether there is nothing to complain about."""
        return self.found and self.rows and self.line and self.fact


def judge(fault, audit):
    """Compare what an audit found with what was planted."""
    files, culprit = fault.files(), audit.culprit
    wrong = {row.parameter for row in audit.rows if not row.ok}
    places = fault.places()
    named = culprit and Place(Path(culprit.file).name, culprit.line)
    missing = [group for group in fault.facts if not (culprit and _says(group, culprit, files))]
    story = [
        f"{fault.name}: {fault.net}, {fault.old.strip()!r} -> {fault.new.strip()!r}",
        f"  wrong    expected {sorted(fault.wrong.split())}, came {sorted(wrong)}",
        "  line     expected " + " or ".join(_shown(p, files) for p in sorted(places)),
        "           came     " + (_shown(named, files) if named else "nothing"),
    ]
    if culprit:
        sure = "exact" if culprit.exact else "first differs"
        story += [f"  said     ({sure}) {' '.join(culprit.explanation.split())}"]
        story += [f"  fixed by {culprit.correction}"] if culprit.correction else []
    story += [f"  not said {' | '.join(map(str, group))}" for group in missing]
    return Verdict(
        found=not audit.ok,
        rows=wrong == set(fault.wrong.split()),
        line=named in places,
        fact=not missing,
        exact=bool(culprit and culprit.exact),
        story="\n".join(story),
    )


def _shown(place, files):
    lines = files.get(place.file, "").splitlines()
    text = lines[place.line - 1].strip() if 0 < place.line <= len(lines) else "(no such line)"
    return f"{place.file}:{place.line} {text!r}"


def _says(group, culprit, files):
    said = _plain(culprit.explanation)
    # To repeat the user's own line explains nothing.
    source = files.get(Path(culprit.file).name, "").splitlines()
    line = source[culprit.line - 1] if 0 < culprit.line <= len(source) else ""
    for own in (_plain(line), _plain(culprit.code)):
        if len(own) > 12:
            said = said.replace(own, " ... ")
    return any(re.search(_pattern(fact, files), said) for fact in group)


def _plain(text):
    return " ".join(text.lower().replace("`", "").split())


def _pattern(fact, files):
    if isinstance(fact, Line):
        return rf"\blines? [^.;:]*\b{find(files, fact.text).line}\b"
    words = _plain(fact)
    start = r"(?<![\w.])" if re.match(r"\w", words) else ""
    if words.endswith("*"):
        return start + re.escape(words[:-1])
    return start + re.escape(words) + (r"(?!\w)" if re.search(r"\w$", words) else "")
