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
from reference.array.carrier import kept_fraction_bits
from reference.array.conversion import Conversion

_CHUNK = 1 << 16  # elements whose intermediate words stay in a core's cache


def kept(spec: Format) -> int:
    """Fraction bits that the fold keeps for this format."""
    if isinstance(spec, FloatSpec):
        return kept_fraction_bits(spec.precision, spec.emin)
    return kept_fraction_bits(*codec.binade(spec))


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
    table, drop = encode_table(request, "float32"), np.uint32(23 - kept(request.spec))
    rest = np.uint32((1 << int(drop)) - 1)
    bits, codes = x.view(np.uint32), np.empty(x.size, table.dtype)
    sticky, index = np.empty(min(_CHUNK, x.size), np.uint32), np.empty(min(_CHUNK, x.size), np.uint32)
    for start in range(0, x.size, _CHUNK):
        u = bits[start : start + _CHUNK]
        s, i = sticky[: u.size], index[: u.size]
        np.bitwise_and(u, rest, out=s)
        np.add(s, rest, out=s)
        np.bitwise_or(u, s & ~rest, out=i)
        np.right_shift(i, drop, out=i)
        np.take(table, i, out=codes[start : start + _CHUNK], mode="clip")
    return codes
