"""Blocks of GGUF for tests: any bytes are blocks, and some scales are special."""

from __future__ import annotations

import numpy as np
import pytest

from formats.gguf.types import GGUF_TYPES

KINDS = pytest.mark.parametrize("kind", GGUF_TYPES.values(), ids=GGUF_TYPES.keys())
#: zeros, the least and greatest subnormal, the greatest numbers, infinities and NaNs of float16
SPECIAL_FLOAT16 = np.array([0, 0x8000, 1, 0x83FF, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0xFC01], np.uint16)


def drawn(kind, count):
    """Random bytes; the draw is the same for the same type."""
    return np.random.default_rng(kind.number).integers(0, 256, (count, kind.nbytes), dtype=np.uint8)


def with_float16(blocks, kind, patterns):
    """The blocks with each pattern in turn as their first float16 field, if the type has any; others stay."""
    out = blocks.copy()
    for _, field in kind.fields:
        if field.width == 16:
            byte = field.runs[0].start // 8
            out[:, byte : byte + 2] = patterns[: len(blocks), None].view(np.uint8)
            break
    return out
