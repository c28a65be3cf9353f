"""Which elements of a 64 x 128 block of weights a thread of a warpgroup holds as operand A of wgmma.

PTX ISA, "Register fragments for wgmma": with ``lane = 4 g + t`` in warp ``w``, register ``4 s + 2 h + i`` of step ``s``
holds row ``16 w + g + 8 i`` and, of the step's K, half ``h``: elements ``2 t`` and on (two lanes of 16 bits, steps of
16), or ``4 t`` and on (four lanes of 8 bits, steps of 32).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: rows of a warpgroup, elements of K that are decoded at once, threads
ROWS, CHUNK, THREADS = 64, 128, 128


def registers(bits: int) -> int:
    """Registers of a thread for a block of operands of ``bits`` bits."""
    return ROWS * CHUNK * bits // 32 // THREADS


@cache
def places(bits: int) -> NDArray[np.int64]:
    """Where a register's lanes lie in the block: row-major indices, (registers, threads, lanes).

    >>> divmod(int(places(16)[2, 5, 1]), CHUNK)
    (1, 11)
    """
    lanes = 32 // bits
    register, thread, lane = np.ix_(*map(np.arange, (registers(bits), THREADS, lanes)))
    step, part = divmod(register, 4)
    warp, group, quad = thread // 32, thread % 32 // 4, thread % 4
    row = 16 * warp + group + 8 * (part % 2)
    k = (2 * step + part // 2) * 4 * lanes + lanes * quad + lane
    return row * CHUNK + k


def as_block(elements: Any) -> Any:
    """An array (64, 128) from what threads hold: the inverse of `places`, for (registers, threads, lanes)."""
    lanes = elements.shape[-1]
    parts = elements.reshape(-1, 2, 2, 4, 8, 4, lanes)  # step, half of K, half of the rows, warp, group, quad, lane
    return parts.transpose(3, 2, 4, 0, 1, 5, 6).reshape(ROWS, CHUNK)
