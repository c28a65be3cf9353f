"""Values of the blocks of GGUF tensors, fast: compiled code for chunks of one size, the golden model for less."""

from __future__ import annotations

from collections import deque

import numpy as np
from jax import Array
from numpy.typing import NDArray

from formats.gguf.record import GgufType
from kernels_ref.gguf import dequantize_gguf as compiled
from reference.gguf import dequantize_gguf

#: elements of a chunk: one shape is compiled for each type, and a chunk stays in the cache
CHUNK = 1 << 18
#: chunks that are computed while one is copied out
_AHEAD = 3


def values(data: NDArray[np.uint8], kind: GgufType) -> NDArray[np.float32]:
    """`reference.dequantize_gguf`: same arguments, same bits.

    >>> from formats.gguf.types import gguf_type
    >>> values(np.uint8([0, 0x38, 0x2F, *range(15)]), gguf_type("Q4_0"))[:3]
    array([ 3.5, -4. , -3.5], dtype=float32)
    """
    blocks, step = data.reshape(-1, kind.nbytes), CHUNK // kind.elements
    if len(blocks) < step:
        return dequantize_gguf(data, kind)
    out, begun = np.empty((len(blocks), kind.elements), np.float32), deque[tuple[int, Array]]()
    for start in (*range(0, len(blocks) - step, step), len(blocks) - step):  # the last one may overlap
        begun.append((start, compiled(blocks[start : start + step], kind)))
        if len(begun) > _AHEAD:
            _copy_out(begun, out)
    while begun:
        _copy_out(begun, out)
    return out.reshape(*data.shape[:-1], data.shape[-1] // kind.nbytes * kind.elements)


def _copy_out(begun: deque[tuple[int, Array]], out: NDArray[np.float32]) -> None:
    """Wait for the oldest chunk."""
    start, found = begun.popleft()
    out[start : start + len(found)] = found
