"""NumPy at speed: the fold turns an encode into one look-up.

A folded binary32 magnitude with its sign has ``9 + kept`` bits, so all float32 inputs share a table of ``2^(9 +
kept)`` codes (16,384 entries for E4M3); float16 and bfloat16 inputs index theirs directly. Entries come from
`codec.encode`; the exhaustive tests judge each of them.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from formats import FloatSpec, Format
from reference.array import codec, decode
from reference.array.conversion import Conversion

_CHUNK = 1 << 16  # elements whose intermediate words stay in a core's cache


def kept(spec: Format) -> int:
    """How many fraction bits of binary32 the fold keeps: a guard bit and a sticky bit below the last place.

    A format whose normal values begin below binary32's (E8M0) has thresholds among binary32's subnormals, which
    have fewer significant bits: one more kept bit for each binade.
    """
    precision, emin = (spec.precision, spec.emin) if isinstance(spec, FloatSpec) else codec.binade(spec)
    return precision + 1 + max(0, -126 - emin)


def fold(bits: NDArray[np.uint32], drop: int) -> NDArray[np.uint32]:
    """binary32 bit patterns without their last ``drop`` bits, folded to odd: bit 0 also says if any of them was set.

    >>> fold(np.array([0b1000, 0b1001, 0b0111], np.uint32), 2)
    array([2, 3, 1], dtype=uint32)
    """
    rest = np.uint32((1 << drop) - 1)
    index = bits & rest
    index += rest
    index &= ~rest
    index |= bits
    index >>= np.uint32(drop)
    return index


@functools.lru_cache(maxsize=256)
def encode_table(request: Conversion, dtype: str) -> NDArray[np.unsignedinteger]:
    """The code of every float16 or bfloat16 input, or of every fold class of float32, in the order of their bits."""
    if dtype == "float32":
        drop = 23 - kept(request.spec)
        inputs = (np.arange(1 << (32 - drop), dtype=np.uint32) << drop).view(np.float32)
    else:
        bits = np.arange(1 << 16, dtype=np.uint32)
        inputs = (bits << 16).view(np.float32) if dtype == "bfloat16" else bits.astype(np.uint16).view(np.float16)
    return codec.encode(inputs, request, np)


@functools.lru_cache(maxsize=256)
def decode_table(spec: Format) -> NDArray[np.floating]:
    """The value of every code of a format of at most 16 bits."""
    return decode.decode(np.arange(1 << spec.bits, dtype=np.uint32), spec, np)


def encode_float32(x: NDArray[np.float32], request: Conversion) -> NDArray[np.unsignedinteger]:
    """Codes of a contiguous one-dimensional float32 array by fold and look-up."""
    table, drop = encode_table(request, "float32"), 23 - kept(request.spec)
    bits, codes = x.view(np.uint32), np.empty(x.size, table.dtype)
    for start in range(0, x.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        np.take(table, fold(bits[part], drop), out=codes[part], mode="clip")
    return codes
