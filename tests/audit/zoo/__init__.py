"""What an audit must tell apart: hand-written nets with one planted fault each, and sound ones.

    net.py      `Net`: a program of nets/ with its sizes; `Case`: a program ready to be run
    source.py   single changes to a source text, with their line numbers
    entry.py    `Fault` and `Sound`, what is expected of an audit, and how its answer is judged
    faults_*.py, sound.py   the lists

All faults are in `FAULTS`, all sound variants in `SOUND`.
"""

from .entry import Fault, Line, Sound, Verdict, judge
from .faults_conv import FAULTS as _CONV
from .faults_deep import FAULTS as _DEEP
from .faults_linear import FAULTS as _LINEAR
from .faults_modular import FAULTS as _MODULAR
from .faults_styles import FAULTS as _STYLES
from .faults_two_layer import FAULTS as _TWO_LAYER
from .sound import SOUND

FAULTS = (*_LINEAR, *_TWO_LAYER, *_STYLES, *_MODULAR, *_DEEP, *_CONV)

__all__ = ["FAULTS", "SOUND", "Fault", "Line", "Sound", "Verdict", "judge"]
