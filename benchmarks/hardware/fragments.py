"""Where a warp keeps the elements of ``mma.sync.m16n8`` and ``wgmma.m64n8``, and how codes lie in 32-bit words.

Lane ``l`` has ``g = l // 4`` and ``t = l % 4``. Counted in 32-bit words along K, instructions with 32 bytes of K share
one layout, whatever the elements are, and those with 16 bytes the first half of it. Source: PTX ISA 9.0, 9.7.14.5 and
9.7.15.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, Format

#: (row - g, word - t) of the registers of A; the first two where a step has 4 words of K
A_REGISTERS = ((0, 0), (8, 0), (0, 4), (8, 4))
#: word - t of the registers of B, in column g; the first where a step has 4 words
B_REGISTERS = (0, 4)
#: (row - g, column - 2t) of the elements of C and D; results of 16 bits lie two in a register
C_ELEMENTS = ((0, 0), (0, 1), (8, 0), (8, 1))
#: a wgmma core matrix: 8 rows of 4 words, 128 bytes in one piece; the K neighbour next to it, the next rows after both
CORE_ROWS, CORE_WORDS, CORES = 8, 4, 2
TF32_UNREAD = 13


def core_word(row: int, word: int) -> int:
    """Place of a word of K in the shared memory of a wgmma operand without swizzle, both operands K-major."""
    core = row // CORE_ROWS * CORES + word // CORE_WORDS
    return core * CORE_ROWS * CORE_WORDS + row % CORE_ROWS * CORE_WORDS + word % CORE_WORDS


def words(codes: NDArray[np.unsignedinteger], fmt: Format) -> NDArray[np.uint32]:
    """Codes (..., K) as 32-bit words (..., K * bits / 32), the lowest k in the lowest bits.

    A TF32 code is the top of a float32 word; the bits below, which are not read, are filled with noise.
    """
    if fmt.bits == 19:
        noise = np.random.default_rng(0).integers(0, 1 << TF32_UNREAD, codes.shape, dtype=np.uint32)
        return np.ascontiguousarray(codes.astype(np.uint32) << TF32_UNREAD | noise)
    return np.ascontiguousarray(codes, dtype=f"<u{fmt.bits // 8}").view("<u4")


def cell(fmt: Format) -> Any:
    """The unsigned type that holds a result."""
    return np.uint16 if isinstance(fmt, FloatSpec) and fmt.bits == 16 else np.uint32
