"""The golden matrix product on NumPy arrays: checked codes in, codes out, equal to the hardware bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats import FLOAT32, Accumulator, Format, NanRule, Rounding, Saturation
from formats.schedule import Schedule
from reference.array.codec import code_dtype
from reference.array.dot.accumulate import accumulate
from reference.array.dot.blocks import Block, blocks
from reference.array.dot.epilogue import epilogue, joined
from reference.array.dot.request import Request, broadcast_shapes, request, result_shape
from reference.array.dot.schedule import scheduled
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
    rule, pair = call.summation, (call.a, call.b)
    acc = scheduled(
        block.of_a(a),
        block.of_b(b),
        first,
        call.schedule,
        bits,
        accumulate=lambda a, b, c, drawn: accumulate(a, b, c, rule, pair, np, drawn),
        joined=lambda x, y: joined(x, y, rule, np),
    )
    if not call.epilogue:
        return acc
    alpha, beta, bias = (block.of_result(terms[name]) if name in terms else None for name in ("alpha", "beta", "bias"))
    return epilogue(acc, own, alpha, beta, bias, rule, np)


def _codes(name: str, codes: ArrayLike, spec: Format) -> _Array:
    array = np.asarray(codes)
    check_code_dtype(name, array.dtype, spec, encoder="reference.encode")
    refuse_named_codes(name, array, spec)
    return array


def check_code_dtype(name: str, dtype: np.dtype[Any], spec: Format, *, encoder: str) -> None:
    """``TypeError`` for a dtype that is no integer, which names the function that makes codes."""
    if dtype.kind not in "iu":
        raise TypeError(f"{name} must hold codes of {spec.name}, integers, not {dtype.name}; see {encoder}")


def refuse_named_codes(name: str, codes: _Array, spec: Format) -> None:
    """``ValueError`` naming the argument and the first code that does not fit the format."""
    try:
        refuse_codes(codes, spec)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; view signed integers as unsigned") from None


def _start(c: ArrayLike | None, call: Request, shape: tuple[int, ...], is_scaled: bool) -> _Array:
    if c is None:
        if is_scaled:
            raise TypeError("beta scales c, which is missing")
        return np.broadcast_to(np.uint8(0), shape)
    return _broadcast("c", _codes("c", c, call.accumulator.output), shape)


def _scale(name: str, scale: ArrayLike, shape: tuple[int, ...]) -> _Array:
    """float32 words of a scale."""
    array = np.asarray(scale)
    check_scale_dtype(name, array.dtype)
    return _broadcast(name, as_float32(name, array).view(np.uint32), shape)


def check_scale_dtype(name: str, dtype: np.dtype[Any]) -> None:
    """``TypeError`` for a dtype that holds no numbers."""
    if dtype.kind not in "fiu":
        raise TypeError(f"{name} must be float32 numbers, not {dtype.name}")


def as_float32(name: str, array: _Array) -> NDArray[np.float32]:
    """The same numbers as float32; ``ValueError`` where it does not hold them."""
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.array_equal(single, array, equal_nan=array.dtype.kind == "f"):
        raise ValueError(f"{name} is no float32 number, such as np.float32({array.flat[0]}); round it first")
    return single


def _broadcast(name: str, array: _Array, shape: tuple[int, ...]) -> _Array:
    check_broadcast(name, array.shape, shape)
    return np.broadcast_to(array, shape)


def check_broadcast(name: str, shape: tuple[int, ...], to: tuple[int, ...]) -> None:
    """``ValueError`` for a shape that does not broadcast to that of the result."""
    if broadcast_shapes(f"{name} and the result", shape, to) != to:
        raise ValueError(f"{name} has shape {shape}, which does not broadcast to that of the result, {to}")


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
    values = decode(result, FLOAT32 if call.epilogue else call.accumulator.output)
    policy = call.out
    return encode(values, policy.spec, rounding=policy.rounding, saturation=policy.saturation, nan=policy.nan)
