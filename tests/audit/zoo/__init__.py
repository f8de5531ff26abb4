"""What an audit must tell apart: hand-written nets with one planted fault each, and sound ones.

    nets/       the programs, as people write them
    net.py      `Net`: a program with its sizes and arguments; `Case`: a program ready to be run
    source.py   single changes to a source text, with their line numbers
    entry.py    `Fault` and `Sound`, what is expected of an audit, and how its answer is judged
    score.py    audits them all, and judges
    first/      the half which the audit was made with: nets.py, faults_*.py, sound.py
    second/     the other half, written without knowledge of the first and of the audit

All faults are in `FAULTS`, all sound variants in `SOUND`.
"""

from .entry import NETS, Fault, Line, Sound, Verdict, judge
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

__all__ = ["FAULTS", "HALVES", "NETS", "SOUND", "Fault", "Line", "Sound", "Verdict", "judge"]
