"""Safe names for generated code, whatever the user called things. Imports: nothing."""

from __future__ import annotations

import re

#: A name that only tells nodes apart.
NUMBERED = re.compile(r"t\d+")
