"""Any input dtype as the bits of an IEEE 754 magnitude, taken exactly or folded to odd.

*Folding to odd* keeps the ``k`` leading bits of a magnitude and ORs the rest into the last one. If every decision
threshold of a rounding fits ``k - 1`` bits, then a number and its fold lie on the same side of each of them: the
fold loses nothing (Boldo and Melquiond, Emulation of a FMA and correctly rounded sums, IEEE TC 57(4), 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from formats import Rounding

#: any array of NumPy or jax.numpy; the code below is written once for both
Array = Any
Namespace = Any

FLOAT_DTYPES = ("float16", "bfloat16", "float32", "float64")
INT_DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Magnitudes as bit patterns: ``fraction_bits`` below an exponent field of the given bias."""

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


def check_dtype(dtype: object) -> str:
    """The name of an accepted dtype; ``TypeError`` otherwise."""
    name = getattr(dtype, "name", str(dtype))
    if name not in FLOAT_DTYPES + INT_DTYPES:
        raise TypeError(f"dtype {name} is not accepted; accepted: {', '.join(FLOAT_DTYPES + INT_DTYPES)}")
    return name


def carry(x: Array, xp: Namespace, *, precision: int, emin: int, rounding: Rounding) -> Carrier:
    """``x`` as a carrier fit to be rounded once to ``precision`` bits and exponents from ``emin`` on.

    Deterministic modes fold to `kept_fraction_bits` in int32. Stochastic ones distinguish ``2^n`` ticks between
    neighbours, so they keep all 24 bits of binary32, or 53 of binary64 where the source has more than 24.
    """
    name = check_dtype(x.dtype)
    if rounding.is_stochastic:
        wide = name in ("float64", "int32", "uint32", "int64", "uint64")
        return _bits64(x, name, xp) if wide else _unsigned(_bits32(x, name, xp), xp)
    keep = kept_fraction_bits(precision, emin)
    return fold(_bits64(x, name, xp) if name == "float64" else _bits32(x, name, xp), keep, xp)


def exact(x: Array, xp: Namespace) -> Carrier:
    """A float ``x`` as it is: nothing folded, in a signed word."""
    name = check_dtype(x.dtype)
    if name != "float64":
        return _bits32(x, name, xp)
    wide = _bits64(x, name, xp)
    return replace(wide, magnitude=wide.magnitude.astype(xp.int64))


def kept_fraction_bits(precision: int, emin: int) -> int:
    """How many fraction bits the fold keeps: one guard bit and one sticky bit below the last place.

    A format whose normal values begin below binary32's (E8M0) has its thresholds among binary32's subnormals,
    which have fewer significant bits: one more kept bit for each binade.
    """
    return precision + 1 + max(0, -126 - emin)


def _unsigned(carrier: Carrier, xp: Namespace) -> Carrier:
    return replace(carrier, magnitude=carrier.magnitude.astype(xp.uint32))


def fold(carrier: Carrier, keep: int, xp: Namespace) -> Carrier:
    """The carrier with ``keep`` fraction bits (``keep + 1`` significant ones), folded to odd, in int32."""
    a, drop = carrier.magnitude, carrier.fraction_bits - keep
    rest = (1 << drop) - 1
    sticky = ((a & rest) + rest) >> drop
    return Carrier(
        negative=carrier.negative,
        magnitude=((a >> drop) | sticky).astype(xp.int32),
        fraction_bits=keep,
        bias=carrier.bias,
        special=carrier.special,
    )


def _binary32(negative: Array, magnitude: Array) -> Carrier:
    return Carrier(negative=negative, magnitude=magnitude, fraction_bits=23, bias=127, special=255)


def _bits32(x: Array, name: str, xp: Namespace) -> Carrier:
    """float32 and all that it holds exactly; wider integers folded to odd at 15 bits or more."""
    match name:
        case "float32":
            bits = x.view(xp.int32)
        case "bfloat16":
            bits = x.view(xp.int16).astype(xp.int32) << 16
        case "float16":
            return _widen_float16(x.view(xp.int16).astype(xp.int32), xp)
        case _:
            return _binary32(*_integer_bits(x, name, xp))
    return _binary32(bits < 0, bits & 0x7FFFFFFF)


def _widen_float16(bits: Array, xp: Namespace) -> Carrier:
    h = bits & 0x7FFF
    normal = (h << 13) + (112 << 23)
    subnormal = h.astype(xp.float32).view(xp.int32) - (24 << 23)  # h * 2^-24; the conversion of a small int is exact
    a = xp.where(h >= 0x7C00, normal + (112 << 23), xp.where(h < 0x400, subnormal, normal))
    return _binary32(bits < 0, xp.where(h == 0, 0, a))


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
    return negative, bits


def _bits64(x: Array, name: str, xp: Namespace) -> Carrier:
    """float64, or integers as float64: exact to 2^53, folded to odd beyond. Needs 64-bit integers."""
    if name != "float64":
        n = x.astype(xp.int64 if name.startswith("i") else xp.uint64)
        negative = n < 0
        m = n.astype(xp.uint64)
        m = xp.where(negative, ~m + xp.uint64(1), m)
        large = m >= xp.uint64(1 << 53)
        rest = xp.uint64(0x7FF)
        m = xp.where(large, (m & ~rest) | xp.uint64(0x800) * (((m & rest) + rest) >> xp.uint64(11)), m)
        bits = m.astype(xp.float64).view(xp.uint64)
        return Carrier(negative=negative, magnitude=bits, fraction_bits=52, bias=1023, special=2047)
    bits = x.view(xp.uint64)
    return Carrier(
        negative=bits >> xp.uint64(63) != 0,
        magnitude=bits & xp.uint64(0x7FFFFFFFFFFFFFFF),
        fraction_bits=52,
        bias=1023,
        special=2047,
    )
