"""A fixed rotation through spaces that are too long for one CI run.

Each day takes the next slice; ``ASSAY_ROTATION=n`` repeats a day's slice, ``ASSAY_ROTATION=whole`` takes everything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
_CHOICE = os.environ.get("ASSAY_ROTATION", "")
WHOLE = _CHOICE == "whole"
INDEX = 0 if WHOLE else int(_CHOICE or time.time() // 86400)


def rotate(items: Sequence[_T], parts: int) -> list[_T]:
    """Every ``parts``-th item, beginning with today's; all of them where the whole space is asked for."""
    return list(items) if WHOLE else list(items[INDEX % parts :: parts])
