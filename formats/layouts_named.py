"""Layouts of published systems."""

from __future__ import annotations

from formats.bit_layout import BitLayout, SplitLayout
from formats.layouts_named_scales import SCALES
from formats.layouts_named_tiles import TILES
from formats.layouts_named_words import PAIRS, PLANES, WORDS

LAYOUTS: tuple[BitLayout | SplitLayout, ...] = (*PAIRS, *WORDS, *TILES, *SCALES, *PLANES)
