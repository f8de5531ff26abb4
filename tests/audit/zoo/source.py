"""Single changes to the text of a program, with the numbers of the lines that they touch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Lines of a program and what they become.

    The old lines are compared without the indentation of the first; they must stand in exactly one
    place. The new ones are given the same indentation; none at all deletes the old ones.
    """

    old: str
    new: str


@dataclass(frozen=True, order=True)
class Place:
    """A line of a program: the file's name, and the number."""

    file: str
    line: int


def apply(files, edit):
    """Return the changed files (a dict from name to text) and the places of the lines that are new.

    Raises LookupError unless the old lines stand in exactly one place.
    """
    old = [line.strip() for line in edit.old.splitlines()]
    found = [
        (name, start)
        for name, text in files.items()
        for start in _starts([line.strip() for line in text.splitlines()], old)
    ]
    if len(found) != 1:
        raise LookupError(f"{edit.old!r} stands in {len(found)} places: {found}")
    name, start = found[0]
    lines = files[name].splitlines()
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    new = [(indent + line).rstrip() for line in edit.new.splitlines()]
    lines[start : start + len(old)] = new
    places = frozenset(
        Place(name, start + i + 1)
        for i, line in enumerate(new)
        if line.strip() and line.strip() not in old
    )
    return {**files, name: "\n".join(lines) + "\n"}, places


def _starts(lines, wanted):
    return [i for i in range(len(lines)) if lines[i : i + len(wanted)] == wanted]


def find(files, text):
    """The place of the line that is `text`, or else of the only one that contains it.

    Raises LookupError if there is none, or more than one.
    """
    lines = [
        (Place(name, number), line.strip())
        for name, source in files.items()
        for number, line in enumerate(source.splitlines(), 1)
    ]
    places = [place for place, line in lines if line == text.strip()]
    places = places or [place for place, line in lines if text in line]
    if len(places) != 1:
        raise LookupError(f"{text!r} stands in {len(places)} places: {places}")
    return places[0]
