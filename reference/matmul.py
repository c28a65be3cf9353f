"""The golden matrix product on NumPy arrays: checked codes in, codes out, equal to the hardware bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import FLOAT32, Accumulator, Format, IntSpec, NanRule, Rounding, Saturation
from formats.schedule import Schedule
from reference.array.codec import code_dtype
from reference.array.dot.accumulate import scheduled
from reference.array.dot.blocks import Block, blocks
from reference.array.dot.epilogue import epilogue
from reference.array.dot.request import Request, broadcast_shapes, request, result_shape
from reference.codec import Codes, check_random_bits, decode, encode, refuse_codes

_Array = NDArray[Any]


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike | None = None,
    *,
    accumulator: str | Accumulator,
    a_format: str | Format | None = None,
    b_format: str | Format | None = None,
    schedule: Schedule | None = None,
    alpha: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    out: str | Format | None = None,
    rounding: Rounding | str | None = None,
    saturation: Saturation | str | None = None,
    nan: NanRule | str | None = None,
    random_bits: ArrayLike | None = None,
) -> Codes:
    """Codes of ``c + a b`` as the accumulator forms it, bit for bit; then the epilogue and the conversion, if stated.

    Definition: ``c[i, j] + sum over k of a[i, k] * b[k, j]``, summed as `formats.summation` and `reference.exact.dot`
    say, K taken as ``schedule`` says (None: in order, in one piece). Then, each operation rounded to float32, to
    nearest even: ``y = acc * alpha``, ``y = y + beta * c``, ``y = y + bias``, those that are stated; then one
    rounding into ``out``. Integer results are rounded to float32 before an epilogue. With ``beta``, the sum starts
    from +0 and ``c`` is the epilogue's.

    Arguments:
        a: codes (..., M, K) of ``a_format``; b: codes (..., K, N) of ``b_format``. Integers of any dtype; int8 operands
            are the uint8 codes of two's complement, TF32 operands the upper 19 bits of a float32 word. Batches
            broadcast as in `numpy.matmul`; K is a multiple of the accumulator's ``k``.
        c: codes of the accumulator's output that broadcast to (..., M, N); None is +0.
        accumulator: a record or its name, see `formats.accumulators`.
        a_format, b_format: stated where the accumulator takes any.
        alpha, beta, bias: float32 numbers that broadcast to (..., M, N).
        out, rounding, saturation, nan: as in `encode`, from the exact value of the float32 (or of the sum).
        random_bits: for a stochastic sum, one draw for each addition; they broadcast to (K, ..., M, N).

    Returns unsigned codes (..., M, N): of ``out``; else of float32 after an epilogue; else of the accumulator's output.

    Raises ``KeyError`` (unknown names), ``TypeError`` (dtypes; formats, policy or random bits missing) or
    ``ValueError`` (shapes, codes out of range, formats or policies that do not fit).

    >>> a, b = [[0x38, 0x40]], [[0x38], [0x44]]  # 1 * 1 + 2 * 3 in E4M3
    >>> matmul(a, b, accumulator="exact.f32", a_format="e4m3fn", b_format="e4m3fn").view(np.float32)
    array([[7.]], dtype=float32)
    """
    scales = {"alpha": alpha, "beta": beta, "bias": bias}
    call = request(
        accumulator,
        a_format=a_format,
        b_format=b_format,
        schedule=schedule,
        epilogue=any(scale is not None for scale in scales.values()),
        out=out,
        rounding=rounding,
        saturation=saturation,
        nan=nan,
    )
    x, y = _codes("a", a, call.a), _codes("b", b, call.b)
    shape = result_shape(call, x.shape, y.shape)
    terms = {name: _scale(name, scale, shape) for name, scale in scales.items() if scale is not None}
    start = _start(c, call, shape, beta is not None)
    drawn = _drawn(random_bits, call, (x.shape[-1], *shape))
    dtype: Any = code_dtype(FLOAT32 if call.epilogue else call.accumulator.output, np)
    result = np.empty(shape, dtype)
    for block in blocks(call.summation, shape, x.shape[-1]):
        block.write(result, _block(block, call, x, y, start, terms, drawn))
    return _converted(result, call)


def _block(
    block: Block,
    call: Request,
    a: _Array,
    b: _Array,
    c: _Array,
    terms: dict[str, _Array],
    drawn: _Array | None,
) -> _Array:
    """One block of the result, codes as int64."""
    own = block.of_result(c)
    first = np.zeros_like(own) if "beta" in terms else own
    bits = None if drawn is None else np.stack([block.of_result(draw) for draw in drawn])
    pair = call.a, call.b
    acc = scheduled(block.of_a(a), block.of_b(b), first, call.summation, pair, call.schedule, np, bits)
    if not call.epilogue:
        return acc
    alpha, beta, bias = (block.of_result(terms[name]) if name in terms else None for name in ("alpha", "beta", "bias"))
    return epilogue(acc, own, alpha, beta, bias, call.summation, np)


def _codes(name: str, codes: ArrayLike, spec: Format) -> _Array:
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must hold codes of {spec.name}, integers, not {array.dtype.name}; see reference.encode"
        )
    try:
        refuse_codes(array, spec)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; view signed integers as unsigned") from None
    return array


def _start(c: ArrayLike | None, call: Request, shape: tuple[int, ...], is_scaled: bool) -> _Array:
    if c is None:
        if is_scaled:
            raise TypeError("beta scales c, which is missing")
        return np.broadcast_to(np.uint8(0), shape)
    return _broadcast("c", _codes("c", c, call.accumulator.output), shape)


def _scale(name: str, scale: ArrayLike, shape: tuple[int, ...]) -> _Array:
    """float32 words of a scale."""
    array = np.asarray(scale)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be float32 numbers, not {array.dtype.name}")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.array_equal(single, array, equal_nan=array.dtype.kind == "f"):
        raise ValueError(f"{name} is no float32 number, such as np.float32({array.flat[0]}); round it first")
    return _broadcast(name, single.view(np.uint32), shape)


def _broadcast(name: str, array: _Array, shape: tuple[int, ...]) -> _Array:
    if broadcast_shapes(f"{name} and the result", array.shape, shape) != shape:
        raise ValueError(f"{name} has shape {array.shape}, which does not broadcast to that of the result, {shape}")
    return np.broadcast_to(array, shape)


def _drawn(random_bits: ArrayLike | None, call: Request, shape: tuple[int, ...]) -> _Array | None:
    count = call.random_bit_count
    if count is None:
        if random_bits is not None:
            raise ValueError(f"random_bits mean nothing for {call.accumulator.name}")
        return None
    if random_bits is not None:
        _broadcast("random_bits", np.asarray(random_bits), shape)
    return check_random_bits(random_bits, count, shape)


def _converted(result: _Array, call: Request) -> Codes:
    """``result`` in the format ``out``."""
    if call.out is None:
        return result
    values = _values(result, FLOAT32 if call.epilogue else call.accumulator.output)
    policy = call.out
    return encode(values, policy.spec, rounding=policy.rounding, saturation=policy.saturation, nan=policy.nan)


def _values(codes: _Array, spec: Format) -> _Array:
    """Exact values: integers as integers, since float32 would round them."""
    if isinstance(spec, IntSpec):
        top = 1 << (spec.bits - 1)
        return ((codes.astype(np.int64) ^ top) - top).astype(np.int32)
    return codes.view(np.float32) if spec == FLOAT32 else decode(codes, spec)
