"""Scalar operations on arrays of codes: the exact result, rounded once into a stated format."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Required, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import Format, NanRule, Rounding, Saturation
from formats.operations import Operands, Operation, operand_formats
from reference.array import arithmetic
from reference.array.arithmetic_numbers import operand
from reference.array.arithmetic_rounding import Request, calculate, check_operand, request
from reference.array.carrier import Array, Namespace
from reference.array.codec import code_dtype
from reference.array.conversion import needs_nan_rule
from reference.codec import Codes, check_random_bits, refuse_codes

_CHUNK = 1 << 14  # elements whose intermediate words stay in a core's cache
_TABLE_BITS = 16  # operands of so many bits together are looked up


class Policy(TypedDict, total=False):
    """How the exact result gets into the format ``out``: the keywords of `reference.encode`, without defaults."""

    rounding: Required[Rounding | str]
    saturation: Required[Saturation | str]
    nan: NanRule | str | None
    random_bits: ArrayLike | None
    random_bit_count: int | None


def add(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of ``a + b``: the exact sum, rounded once into ``out``, then saturated.

    For specials see `reference.exact.add`. All operations share these arguments:

    Arguments:
        a, b: integer arrays of codes; they broadcast.
        formats: a format or its name for all operands, or a tuple or list of one for each; floats of up to 24
            significant bits and integers of up to 24 bits.
        out: the format of the result.
        rounding, saturation, nan, random_bits, random_bit_count: as in `encode`; random bits broadcast to the result.

    Returns uint8 codes, uint16 or uint32 for formats above 8 or 16 bits.

    Raises ``KeyError`` (unknown format), ``TypeError`` (dtype, missing policy) or ``ValueError`` (unknown policy,
    number of formats, a code out of range, a NaN result that ``out`` has no code for, a format that arrays do not
    hold, WRAP of results too wide; `reference.exact` takes them).

    >>> add([0x38, 0x7E], [0x01, 0x7E], formats="float8_e4m3fn", out="float8_e4m3fn", rounding="toward_positive",
    ...     saturation="sat_finite")
    array([ 57, 126], dtype=uint8)
    """
    return _operate(Operation.ADD, (a, b), formats, out, **policy)


def sub(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of ``a - b``, rounded once. Arguments and errors as in `add`, specials as in `reference.exact.sub`.

    >>> sub([3, 3], [4, 3], formats="int8", out="int8", rounding="toward_zero", saturation="sat_finite").view(np.int8)
    array([-1,  0], dtype=int8)
    """
    return _operate(Operation.SUB, (a, b), formats, out, **policy)


def mul(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of ``a * b``, rounded once. Arguments and errors as in `add`, specials as in `reference.exact.mul`.

    >>> mul(0x38, [0x3C, 0x7B], formats=("float8_e4m3fn", "float8_e5m2"), out="bfloat16",
    ...     rounding="toward_zero", saturation="sat_none")
    array([16256, 18272], dtype=uint16)
    """
    return _operate(Operation.MUL, (a, b), formats, out, **policy)


def div(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of ``a / b``, rounded once. Arguments and errors as in `add`, specials as in `reference.exact.div`.

    >>> div([1, 1], [3, 0], formats="int8", out="float8_e5m2", rounding="to_odd", saturation="sat_none")
    array([ 53, 124], dtype=uint8)
    """
    return _operate(Operation.DIV, (a, b), formats, out, **policy)


def fma(
    a: ArrayLike, b: ArrayLike, c: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Codes:
    """Codes of ``a * b + c``, rounded once: the product is not rounded. Arguments and errors as in `add`.

    >>> fma(0x2A20, 0x51A6, 0x9359, formats="bfloat16", out="bfloat16", rounding="nearest_ties_to_even",
    ...     saturation="sat_none")
    array(15439, dtype=uint16)
    """
    return _operate(Operation.FMA, (a, b, c), formats, out, **policy)


def sqrt(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of the square root of ``a``, rounded once. Arguments and errors as in `add`.

    >>> sqrt([2, 4], formats="int8", out="int8", rounding="toward_positive", saturation="sat_finite")
    array([2, 2], dtype=uint8)
    """
    return _operate(Operation.SQRT, (a,), formats, out, **policy)


def negate(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of ``-a``. Arguments and errors as in `add`.

    >>> negate([0, 1], formats="float8_e5m2", out="float8_e5m2", rounding="toward_zero", saturation="sat_none")
    array([128, 129], dtype=uint8)
    """
    return _operate(Operation.NEGATE, (a,), formats, out, **policy)


def convert(a: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes in ``out`` of the values of ``a``, rounded once. Arguments and errors as in `add`.

    >>> convert([0x7E, 0x01], formats="float8_e4m3fn", out="float16", rounding="toward_zero", saturation="sat_none")
    array([24320,  6144], dtype=uint16)
    """
    return _operate(Operation.CONVERT, (a,), formats, out, **policy)


def minimum(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of the lesser operands, with ``-0 < +0``; NaN where either is. Arguments and errors as in `add`.

    >>> minimum([0x7F, 0x01], [0x00, 0x81], formats="float8_e4m3fn", out="float8_e4m3fn", rounding="toward_zero",
    ...         saturation="sat_none")
    array([127, 129], dtype=uint8)
    """
    return _operate(Operation.MINIMUM, (a, b), formats, out, **policy)


def maximum(a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]) -> Codes:
    """Codes of the greater operands, with ``+0 > -0``; NaN where either is. Arguments and errors as in `add`.

    >>> maximum([0x7F, 0x01], [0x00, 0x81], formats="float8_e4m3fn", out="float8_e4m3fn", rounding="toward_zero",
    ...         saturation="sat_none")
    array([127,   1], dtype=uint8)
    """
    return _operate(Operation.MAXIMUM, (a, b), formats, out, **policy)


def minimum_number(
    a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Codes:
    """`minimum`, but a NaN beside a number is ignored; NaN where both are. Arguments and errors as in `add`.

    >>> minimum_number([0x7F, 0x7F], [0x00, 0x7F], formats="float8_e4m3fn", out="float8_e4m3fn",
    ...                rounding="toward_zero", saturation="sat_none")
    array([  0, 127], dtype=uint8)
    """
    return _operate(Operation.MINIMUM_NUMBER, (a, b), formats, out, **policy)


def maximum_number(
    a: ArrayLike, b: ArrayLike, *, formats: Operands, out: str | Format, **policy: Unpack[Policy]
) -> Codes:
    """`maximum`, but a NaN beside a number is ignored; NaN where both are. Arguments and errors as in `add`.

    >>> maximum_number([0x7F, 0x01], [0x80, 0x81], formats="float8_e4m3fn", out="float8_e4m3fn",
    ...                rounding="toward_zero", saturation="sat_none")
    array([128,   1], dtype=uint8)
    """
    return _operate(Operation.MAXIMUM_NUMBER, (a, b), formats, out, **policy)


def equal(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> NDArray[np.bool_]:
    """Where ``a = b``: -0 equals +0, and a NaN nothing. Codes and ``formats`` as in `add`.

    >>> equal([0x80, 0x7F], [0x00, 0x7F], formats="float8_e4m3fn")
    array([ True, False])
    """
    return _compare(arithmetic.equal, (a, b), formats)


def less(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> NDArray[np.bool_]:
    """Where ``a < b``; false where either is NaN. Codes and ``formats`` as in `add`.

    >>> less([0xFF, 0x00], [0x00, 0x7C], formats=("int8", "float8_e5m2"))
    array([ True,  True])
    """
    return _compare(arithmetic.less, (a, b), formats)


def less_equal(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> NDArray[np.bool_]:
    """Where ``a <= b``; false where either is NaN. Codes and ``formats`` as in `add`.

    >>> less_equal([0x00, 0x7F], [0x80, 0x7F], formats="float8_e4m3fn")
    array([ True, False])
    """
    return _compare(arithmetic.less_equal, (a, b), formats)


def unordered(a: ArrayLike, b: ArrayLike, *, formats: Operands) -> NDArray[np.bool_]:
    """Where either operand is NaN. Codes and ``formats`` as in `add`.

    >>> unordered([0x7F, 0x00], [0x00, 0x00], formats="float8_e4m3fn")
    array([ True, False])
    """
    return _compare(arithmetic.unordered, (a, b), formats)


def as_codes(codes: ArrayLike, spec: Format) -> NDArray[Any]:
    """Checked codes as an array; ``TypeError`` for a dtype, ``ValueError`` for a code that is not the format's."""
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, not {array.dtype.name}; view a narrow dtype as uint8 first")
    refuse_codes(array, spec)
    codes_dtype: Any = code_dtype(spec, np)
    return array.astype(codes_dtype, copy=False)


def refuse_undefined(undefined: NDArray[np.bool_], made: Request) -> None:
    """``ValueError`` naming the place of the first result that has no code."""
    if undefined.any():
        where = [int(i) for i in np.argwhere(undefined)[0]]
        rules = ", ".join(rule.value for rule in NanRule)
        raise ValueError(
            f"{made.operation.value} at {where} has no value in {made.target.spec.name} (NaN, or an infinity to wrap);"
            f" state nan= as one of: {rules}"
        )


def _operate(
    operation: Operation,
    codes: tuple[ArrayLike, ...],
    formats: Operands,
    out: str | Format,
    *,
    rounding: Rounding | str,
    saturation: Saturation | str,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
    random_bit_count: int | None = None,
) -> Codes:
    made = request(
        operation,
        formats,
        out,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
        random_bit_count=random_bit_count,
    )
    arrays = np.broadcast_arrays(*map(as_codes, codes, made.operands))
    shape, drawn = arrays[0].shape, None
    if made.target.rounding.is_stochastic:
        drawn = check_random_bits(random_bits, made.target.random_bit_count, shape).reshape(-1)
    elif random_bits is not None:
        raise ValueError(f"random_bits mean nothing for rounding={made.target.rounding.value!r}")
    results, undefined = _calculate(made, tuple(array.reshape(-1) for array in arrays), drawn)
    if needs_nan_rule(made.target):
        refuse_undefined(undefined.reshape(shape), made)
    return results.reshape(shape)


def _calculate(
    made: Request, flat: tuple[NDArray[Any], ...], drawn: NDArray[np.unsignedinteger] | None
) -> tuple[Codes, NDArray[np.bool_]]:
    """By look-up where a table is no larger than the work, else by the direct code; both give the same codes."""
    bits = sum(spec.bits for spec in made.operands)
    if drawn is not None or bits > _TABLE_BITS or flat[0].size < 1 << bits:
        return _direct(made, flat, drawn)
    index = np.zeros(flat[0].size, np.uint16)
    for array, spec in zip(flat, made.operands, strict=True):
        index = (index << np.uint16(spec.bits)) | array
    results, undefined = _table(made)
    return np.take(results, index), np.take(undefined, index)


@functools.lru_cache(maxsize=256)
def _table(made: Request) -> tuple[Codes, NDArray[np.bool_]]:
    """The results of all operands, in the order of their codes written one after the other."""
    index = np.arange(1 << sum(spec.bits for spec in made.operands), dtype=np.uint32)
    codes: list[NDArray[Any]] = []
    for spec in reversed(made.operands):
        codes.insert(0, index & np.uint32((1 << spec.bits) - 1))
        index = index >> np.uint32(spec.bits)
    return _direct(made, tuple(codes), None)


def _direct(
    made: Request, flat: tuple[NDArray[Any], ...], drawn: NDArray[np.unsignedinteger] | None
) -> tuple[Codes, NDArray[np.bool_]]:
    size = flat[0].size
    dtype: Any = code_dtype(made.target.spec, np)
    results: Any = np.empty(size, dtype)
    undefined = np.empty(size, np.bool_)
    for start in range(0, size, _CHUNK):
        part = slice(start, start + _CHUNK)
        bits = None if drawn is None else drawn[part]
        results[part], undefined[part] = calculate(made, tuple(array[part] for array in flat), np, bits)
    return results, undefined


def _compare(
    relation: Callable[[Any, Any, Namespace], Array], codes: tuple[ArrayLike, ...], formats: Operands
) -> NDArray[np.bool_]:
    specs = operand_formats(formats, len(codes))
    for spec in specs:
        check_operand(spec)
    arrays = np.broadcast_arrays(*map(as_codes, codes, specs))
    x, y = (operand(array.reshape(-1), spec, np) for array, spec in zip(arrays, specs, strict=True))
    return relation(x, y, np).reshape(arrays[0].shape)
