"""Layouts of published systems."""

from __future__ import annotations

from formats.layouts.bits import BitLayout, SplitLayout
from formats.layouts.scales import SCALES
from formats.layouts.tiles import TILES
from formats.layouts.words import PAIRS, PLANES, WORDS

LAYOUTS: tuple[BitLayout | SplitLayout, ...] = (*PAIRS, *WORDS, *TILES, *SCALES, *PLANES)
