"""The audit's score over the zoo of tests/audit/zoo: planted faults, and sound programs.

    python -m benchmarks.audit_zoo [--only WORD] [--show]

``--only`` takes those whose name or net contains the word; ``--show`` tells of each that is not
perfect what was expected and what came. Seconds are of the audits alone, in this process.
"""

from benchmarks import one_thread  # noqa: F401, I001 (before NumPy)

import argparse
import tempfile
import time
from collections import defaultdict

from tests.audit.zoo import FAULTS, SOUND
from tests.audit.zoo.score import score_fault, score_sound

ASPECTS = ("found", "rows", "line", "fact")


def main():
    """Print the table, and the stories if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default="", help="part of a name or of a net's name")
    parser.add_argument("--show", action="store_true", help="tell what was expected and what came")
    options = parser.parse_args()
    chosen = [
        [entry for entry in entries if options.only in entry.name or options.only in entry.net]
        for entries in (FAULTS, SOUND)
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        faults = [score_fault(fault, folder) for fault in chosen[0]]
        sound = [score_sound(entry, folder) for entry in chosen[1]]
        seconds = time.perf_counter() - start
    print_table(faults, sound)
    count = len(faults) + len(sound)
    print(f"\n{count} audits in {seconds:.1f} s, {1000 * seconds / max(1, count):.0f} ms each")
    if options.show:
        print("".join(f"\n{s.problem}\n" for s in (*faults, *sound) if s.problem))


def print_table(faults, sound):
    """A row for each net, and one for all."""
    nets = defaultdict(lambda: ([], []))
    for which, scores in enumerate((faults, sound)):
        for score in scores:
            nets[score.entry.net][which].append(score)
            nets["all"][which].append(score)
    nets["all"] = nets.pop("all", ([], []))
    heads = ("faults", "found", "rows", "line", "reason", "sound", "false alarms")
    print(f"{'net':<16}" + "".join(f"{head:>14}" for head in heads))
    for net, (bad, good) in nets.items():
        cells = [str(len(bad)), *(_share(bad, aspect) for aspect in ASPECTS)]
        cells += [str(len(good)), str(sum(s.alarm for s in good))]
        print(f"{net:<16}" + "".join(f"{cell:>14}" for cell in cells))


def _share(scores, aspect):
    count = sum(bool(s.verdict and getattr(s.verdict, aspect)) for s in scores)
    return f"{count} ({100 * count / len(scores):.0f} %)" if scores else "-"


if __name__ == "__main__":
    main()
