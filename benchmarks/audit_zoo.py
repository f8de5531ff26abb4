"""The audit's score over the zoo of tests/audit/zoo: planted faults, and sound programs.

    python -m benchmarks.audit_zoo [--only WORD] [--show] [--processes N]

The audit was made with the first half of the zoo; the second was written by someone who knew
neither. ``--only`` takes those whose name, net or half contains the word; ``--show`` tells of each
that is not perfect what was expected and what came.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import argparse
import time
from collections import defaultdict

from tests.audit.zoo import ENTRIES, HALVES, Fault, Unjudged
from tests.audit.zoo.score import score_all

ASPECTS = ("found", "rows", "line", "fact")
HEADS = ("faults", "found", "rows", "line", "reason", "sound", "false alarms")


def main():
    """Print the table, and the stories if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--only", default="", help="part of a name, of a net's name, or of a half's"
    )
    parser.add_argument("--show", action="store_true", help="tell what was expected and what came")
    parser.add_argument("--processes", type=int, help="two by default, if there are two processors")
    options = parser.parse_args()
    chosen = [
        entry
        for entry in ENTRIES
        if any(options.only in text for text in (entry.name, entry.net, entry.half))
    ]
    start = time.perf_counter()
    scores = score_all(chosen, options.processes)
    seconds = time.perf_counter() - start
    unjudged = [score for score in scores if isinstance(score.entry, Unjudged)]
    judged = [score for score in scores if not isinstance(score.entry, Unjudged)]
    for half in HALVES:
        own = [score for score in judged if score.entry.half == half]
        if own:
            print_half(half, own)
    print_row("both halves", judged)
    right = sum(not score.alarm for score in unjudged)
    print(f"\nnot judged where the loss is not finite: {right} of {len(unjudged)}")
    print(f"{len(scores)} audits in {seconds:.1f} s")
    if options.show:
        print("".join(f"\n{s.problem}\n" for s in scores if s.problem))


def print_half(half, scores):
    """A row for each net of a half, and one for all of them."""
    nets = defaultdict(list)
    for score in scores:
        nets[score.entry.net].append(score)
    print(f"{half + ' half':<18}" + "".join(f"{head:>14}" for head in HEADS))
    for net, own in nets.items():
        print_row("  " + net, own)
    print_row(f"  all of the {half}", scores)
    print()


def print_row(name, scores):
    """What became of the faults, and of the sound programs."""
    bad = [score for score in scores if isinstance(score.entry, Fault)]
    good = [score for score in scores if not isinstance(score.entry, Fault)]
    cells = [str(len(bad)), *(_share(bad, aspect) for aspect in ASPECTS)]
    cells += [str(len(good)), str(sum(score.alarm for score in good))]
    print(f"{name:<18}" + "".join(f"{cell:>14}" for cell in cells))


def _share(scores, aspect):
    count = sum(bool(s.verdict and getattr(s.verdict, aspect)) for s in scores)
    return f"{count} ({100 * count / len(scores):.0f} %)" if scores else "-"


if __name__ == "__main__":
    main()
