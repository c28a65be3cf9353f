"""A fixed rotation through spaces that are too long for one CI run.

Each day takes the next slice; ``ASSAY_ROTATION=n`` repeats a day's slice, ``ASSAY_ROTATION=whole`` takes everything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
# kept in the environment: workers that start after midnight have the day of their run
_CHOICE = os.environ["ASSAY_ROTATION"] = os.environ.get("ASSAY_ROTATION") or str(int(time.time() // 86400))
WHOLE = _CHOICE == "whole"
INDEX = 0 if WHOLE else int(_CHOICE)


def rotate(items: Sequence[_T], parts: int) -> list[_T]:
    """Every ``parts``-th item, beginning with today's; all of them where the whole space is asked for."""
    return list(items) if WHOLE else list(items[INDEX % parts :: parts])
