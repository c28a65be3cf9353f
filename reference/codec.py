"""The golden model on NumPy arrays: checked arguments in, codes and values out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import Format, NanRule, Rounding, Saturation, get
from reference.array import codec, table
from reference.array import decode as array_decode
from reference.array.carrier import check_dtype
from reference.array.conversion import Conversion, conversion, needs_nan_rule

Codes = NDArray[np.unsignedinteger]


def encode(
    x: ArrayLike,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> Codes:
    """Codes of ``x``: each element rounded once from its exact value, then saturated.

    For the definitions see `formats.Rounding`, `formats.Saturation` and `formats.NanRule`; nothing has a default.

    Arguments:
        x: array-like of float16, bfloat16, float32, float64 or 8- to 64-bit integers, any shape.
        fmt: a format or its name.
        nan: what NaN becomes in a format that has none; formats with a NaN ignore it. Under WRAP, which has no
            answer to infinities either, it covers those too.
        random_bits: for the stochastic modes, integers in ``[0, 2^random_bit_count)`` that broadcast to ``x``.

    Returns uint8 codes, uint16 or uint32 for formats above 8 or 16 bits, in the shape of ``x``.

    Raises ``KeyError`` (unknown format), ``TypeError`` (dtype, missing policy) or ``ValueError`` (unknown policy,
    NaN without a rule, random bits out of range, format beyond binary32's range).

    >>> encode([1.0, 500.0, -0.0], "float8_e4m3fn", rounding="nearest_ties_to_even", saturation="sat_finite")
    array([ 56, 126, 128], dtype=uint8)
    """
    request = conversion(fmt, rounding=rounding, saturation=saturation, nan=nan, random_bit_count=random_bit_count)
    values = as_values(x)
    if needs_nan_rule(request):
        refuse_nan(values, request)
    flat = values.reshape(-1)  # NumPy's scalars would warn of the unsigned wrap-around that arrays are meant to do
    if request.rounding.is_stochastic:
        bits = check_random_bits(random_bits, request.random_bit_count, values.shape).reshape(-1)
        return codec.encode(flat, request, np, bits).reshape(values.shape)
    if random_bits is not None:
        raise ValueError(f"random_bits mean nothing for rounding={request.rounding.value!r}")
    return encode_flat(flat, request).reshape(values.shape)


def encode_flat(values: NDArray[Any], request: Conversion) -> Codes:
    """By look-up where a table is smaller than the work, else by the direct code; both give the same codes."""
    name, bits = values.dtype.name, request.spec.bits
    if request.saturation is Saturation.WRAP or bits > 8 or values.size < 1 << 12:
        return codec.encode(values, request, np)
    if name in ("float16", "bfloat16"):
        return np.take(table.encode_table(request, name), values.view(np.uint16), mode="clip")
    if name == "float32":
        return table.encode_float32(values, request)
    return codec.encode(values, request, np)


def decode(codes: ArrayLike, fmt: str | Format) -> NDArray[np.floating[Any]]:
    """Values of ``codes``, exactly: float32 where that holds every value of the format, else float64.

    ``codes`` are integers below ``2^bits``, any shape. NaN codes give the positive quiet NaN. Raises ``TypeError``
    for a dtype that is no integer and ``ValueError`` for a code out of range, naming it.

    >>> decode([0x38, 0x7E, 0x01], "float8_e4m3fn")
    array([1.000000e+00, 4.480000e+02, 1.953125e-03], dtype=float32)
    """
    spec = get(fmt)
    array = np.asarray(codes)
    if array.dtype.kind not in "iu" or array.dtype.name not in _INTEGER_NAMES:
        raise TypeError(f"codes must be integers, not {array.dtype.name}; view a narrow dtype as uint8 first")
    refuse_codes(array, spec)
    if spec.bits <= 16:
        return np.take(table.decode_table(spec), array, mode="clip")  # the codes are checked: nothing clips
    return array_decode.decode(array, spec, np)


def round_to(
    x: ArrayLike,
    fmt: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> NDArray[np.floating[Any]]:
    """The values that ``x`` becomes in the format: ``decode(encode(x))``; arguments and errors are theirs.

    >>> round_to([0.3, 5.0], "float4_e2m1fn", rounding="nearest_ties_to_even", saturation="sat_finite")
    array([0.5, 4. ], dtype=float32)
    """
    codes = encode(
        x,
        fmt,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
        random_bits=random_bits,
        random_bit_count=random_bit_count,
    )
    return decode(codes, fmt)


_INTEGER_NAMES = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})


def as_values(x: ArrayLike) -> NDArray[Any]:
    """``x`` as a native NumPy array of an accepted dtype; ``TypeError`` otherwise."""
    values = np.asarray(x)
    check_dtype(values.dtype)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def refuse_nan(values: NDArray[Any], request: Conversion) -> None:
    """``ValueError`` naming the place of the first NaN (under WRAP, of the first infinity too)."""
    if values.dtype.kind in "iu":
        return
    wraps = request.saturation is Saturation.WRAP
    with np.errstate(invalid="ignore"):  # a signalling NaN of bfloat16 makes ml_dtypes' functions warn
        bad = ~np.isfinite(values) if wraps else np.isnan(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        rules = ", ".join(rule.value for rule in NanRule)
        what = "no NaN and no infinity to wrap" if wraps else "no NaN"
        raise ValueError(
            f"x{list(where)} = {values[where]} but {request.spec.name} has {what}; state nan= as one of: {rules}"
        )


def check_random_bits(random_bits: ArrayLike | None, count: int, shape: tuple[int, ...]) -> NDArray[np.unsignedinteger]:
    """Random bits broadcast to ``shape``; errors name what is missing or out of range."""
    if random_bits is None:
        raise TypeError("a stochastic rounding needs random_bits")
    bits = np.asarray(random_bits)
    if bits.dtype.kind not in "iu":
        raise TypeError(f"random_bits must be integers, not {bits.dtype.name}")
    if bits.size and (bits.min() < 0 or bits.max() >= 1 << count):
        raise ValueError(f"random_bits must lie in [0, 2^{count}); found {bits.min()}..{bits.max()}")
    return np.broadcast_to(bits.astype(np.uint32), shape)


def refuse_codes(codes: NDArray[Any], spec: Format) -> None:
    """``ValueError`` naming the first code that does not fit the format."""
    if codes.dtype.kind == "u" and codes.dtype.itemsize * 8 <= spec.bits:
        return
    limit = (1 << spec.bits) - 1
    if codes.size == 0 or (int(codes.max()) <= limit and (codes.dtype.kind == "u" or int(codes.min()) >= 0)):
        return
    where = tuple(int(i) for i in np.argwhere((codes < 0) | (codes > limit))[0])
    raise ValueError(f"code {int(codes[where])} at {list(where)} does not fit {spec.name}, whose codes are 0..{limit}")
