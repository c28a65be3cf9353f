"""Any input dtype as the bits of an IEEE 754 magnitude, taken exactly.

Only integers beyond 2^24 are *folded to odd*: the leading bits stay, and the last of them also says whether anything
but zeros was dropped. If every decision threshold of a rounding fits one bit less than was kept, a number and its
fold lie on the same side of each of them, so the fold loses nothing (Boldo and Melquiond, Emulation of a FMA and
correctly rounded sums, IEEE Transactions on Computers 57(4), 2008).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from formats import Rounding

#: any array of NumPy or jax.numpy; the code below is written once for both
Array = Any
Namespace = Any

FLOAT_DTYPES = ("float16", "bfloat16", "float32", "float64")
INT_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True, slots=True)
class Carrier:
    """Magnitudes as unsigned bit patterns: ``fraction_bits`` below an exponent field of the given bias."""

    negative: Array
    magnitude: Array
    fraction_bits: int
    bias: int
    #: exponent field of infinities and NaNs
    special: int

    @property
    def infinity(self) -> int:
        """The magnitude of infinity; NaNs lie above it."""
        return self.special << self.fraction_bits


@functools.lru_cache
def check_dtype(dtype: object) -> str:
    """The name of an accepted dtype; ``TypeError`` otherwise."""
    name = getattr(dtype, "name", str(dtype))
    if name not in FLOAT_DTYPES + INT_DTYPES:
        raise TypeError(f"dtype {name} is not accepted; accepted: {', '.join(FLOAT_DTYPES + INT_DTYPES)}")
    return name


def carry(x: Array, xp: Namespace, *, rounding: Rounding) -> Carrier:
    """``x`` as binary32 magnitudes (uint32), or binary64 ones (uint64) where the source needs it.

    Wide integers fold to odd at 15 significant bits or more, enough for the deterministic modes. Stochastic modes
    tell ``2^n`` ticks apart between neighbours, so those integers come as binary64 then (53 bits).
    """
    name = check_dtype(x.dtype)
    if name == "float64" or (rounding.is_stochastic and name in ("int32", "uint32", "int64", "uint64")):
        return Carrier(*_bits64(x, name, xp), fraction_bits=52, bias=1023, special=2047)
    return Carrier(*_bits32(x, name, xp), fraction_bits=23, bias=127, special=255)


def _bits32(x: Array, name: str, xp: Namespace) -> tuple[Array, Array]:
    """Sign and binary32 magnitude of float32 and all that it holds exactly; wider integers folded to odd."""
    match name:
        case "float32":
            bits = x.view(xp.int32)
        case "bfloat16":
            bits = x.view(xp.int16).astype(xp.int32) << 16
        case "float16":
            return _widen_float16(x.view(xp.int16).astype(xp.int32), xp)
        case _:
            return _integer_bits(x, name, xp)
    return bits < 0, (bits & 0x7FFFFFFF).astype(xp.uint32)


def _widen_float16(bits: Array, xp: Namespace) -> tuple[Array, Array]:
    h = bits & 0x7FFF
    normal = (h << 13) + (112 << 23)
    subnormal = h.astype(xp.float32).view(xp.int32) - (24 << 23)  # h * 2^-24; the conversion of a small int is exact
    a = xp.where(h >= 0x7C00, normal + (112 << 23), xp.where(h < 0x400, subnormal, normal))
    return bits < 0, xp.where(h == 0, 0, a).astype(xp.uint32)


def _integer_bits(x: Array, name: str, xp: Namespace) -> tuple[Array, Array]:
    """Sign and binary32 magnitude bits of integers; from 2^24 on, folded to odd at 15 bits or more."""
    word = xp.uint64 if name.endswith("64") else xp.uint32
    negative = x < 0
    n = x.astype(word)
    n = xp.where(negative, ~n + word(1), n)
    kept, dropped = n, xp.zeros(n.shape, xp.int32)
    for drop in (10, 20, 30, 40) if word is xp.uint64 else (10,):
        large = n >= word(1 << (14 + drop))
        rest = word((1 << drop) - 1)
        kept = xp.where(large, (n >> word(drop)) | (((n & rest) + rest) >> word(drop)), kept)
        dropped = xp.where(large, drop, dropped)
    bits = kept.astype(xp.int32).astype(xp.float32).view(xp.int32) + (dropped << 23)
    return negative, bits.astype(xp.uint32)


def _bits64(x: Array, name: str, xp: Namespace) -> tuple[Array, Array]:
    """Sign and binary64 magnitude: integers are exact to 2^53, folded to odd beyond. Needs 64-bit integers."""
    if name == "float64":
        bits = x.view(xp.int64)
        return bits < 0, (bits & 0x7FFFFFFFFFFFFFFF).astype(xp.uint64)
    n = x.astype(xp.int64 if name.startswith("i") else xp.uint64)
    negative, m = n < 0, n.astype(xp.uint64)
    m = xp.where(negative, ~m + xp.uint64(1), m)
    rest = xp.uint64(0x7FF)
    folded = (m & ~rest) | (((m & rest) + rest) & ~rest)
    m = xp.where(m < xp.uint64(1 << 53), m, folded)
    return negative, m.astype(xp.float64).view(xp.uint64)
