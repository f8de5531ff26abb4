"""What an audit must tell apart: hand-written nets with one planted fault each, and sound ones.

    nets/       the programs, as people write them
    net.py      `Net`: a program with its sizes and arguments; `Case`: a program ready to be run
    source.py   single changes to a source text, with their line numbers
    entry.py    `Fault` and `Sound`, what is expected of an audit, and how its answer is judged
    score.py    audits them all, and judges
    first/      the half which the audit was made with: nets.py, faults_*.py, sound.py
    second/     the other half, written without knowledge of the first and of the audit
    unjudged.py programs of both halves with data at which there is nothing to judge

All faults are in `FAULTS`, all sound variants in `SOUND`, the last in `UNJUDGED`, and all of them
in `ENTRIES`.
"""

from .entry import NETS, Fault, Line, Sound, Unjudged, Verdict, judge
from .first import (
    faults_conv,
    faults_deep,
    faults_linear,
    faults_modular,
    faults_styles,
    faults_two_layer,
)
from .first.sound import SOUND as _SOUND_FIRST
from .second import faults_dense, faults_norms, faults_sequences, faults_sums
from .second.sound import SOUND as _SOUND_SECOND
from .unjudged import UNJUDGED

HALVES = ("first", "second")
FAULTS = tuple(
    fault
    for module in (
        faults_linear,
        faults_two_layer,
        faults_styles,
        faults_modular,
        faults_deep,
        faults_conv,
        faults_dense,
        faults_norms,
        faults_sequences,
        faults_sums,
    )
    for fault in module.FAULTS
)
SOUND = (*_SOUND_FIRST, *_SOUND_SECOND)
ENTRIES = (*FAULTS, *SOUND, *UNJUDGED)

__all__ = [
    "ENTRIES",
    "FAULTS",
    "HALVES",
    "NETS",
    "SOUND",
    "UNJUDGED",
    "Fault",
    "Line",
    "Sound",
    "Unjudged",
    "Verdict",
    "judge",
]
