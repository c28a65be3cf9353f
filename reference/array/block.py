"""Quantisation into blocks, once for NumPy and jax.numpy; float operations are left to an executor.

What is done on bit patterns is done here. The steps that rules declare in binary32, and quotients by scales that are no
powers of two, are the executor's: NumPy has IEEE 754 floats for them, JAX must take other ways.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from formats import FLOAT32, FloatSpec, Format, IntSpec, Rounding, Saturation
from formats.block_formats.rule import NonFinite
from formats.block_formats.spec import BlockSpec, Level
from formats.block_formats.steps import Given, Operand, Step
from formats.code_books.book import CodebookSpec
from formats.operations import Operation
from reference.array import block_grid, block_scale, codebook, decode
from reference.array.block_request import (
    BlockRequest,
    has_integer_zero_point,
    is_power_of_two,
    largest,
    least,
    uses,
)
from reference.array.carrier import Array, Namespace
from reference.array.codebook import EncodeTable
from reference.array.codec import code_dtype
from reference.array.conversion import Conversion


class Executor(Protocol):
    """The operations on floats that an executor does by its own means; arrays are float32."""

    @property
    def xp(self) -> Namespace:
        """Numpy or jax.numpy."""
        ...

    def step(self, operation: Operation, left: Array, right: Array, result: FloatSpec) -> Array:
        """The result of an operation, rounded once to nearest even into ``result``, subnormals kept."""
        ...

    def quotient(self, x: Array, scale: Array, shift: Array | None, made: BlockRequest) -> Array:
        """``(x - o) / S``, or a float on the same side of every number that ``made.element`` decides by.

        ``scale`` and ``shift`` have the shape of ``x``. ``o`` is 0 where ``shift`` is None. With ``S = 0``, 0 where the
        numerator is 0 and else infinite. -0 stays. A NaN scale makes NaN.
        """
        ...

    def encode(self, x: Array, conversion: Conversion, random_bits: Array | None) -> Array:
        """Codes of floats, as `reference.array.codec.encode`."""
        ...


class Coded(NamedTuple):
    """The parts of a quantised tensor: codes, and numbers of the second level as float32."""

    codes: Array
    scales: Array
    second: Array | None
    shifts: Array | None
    #: blocks whose scale is NaN without the rule saying so
    undefined: Array
    #: blocks whose shift is NaN under a scale that is none
    undefined_shift: Array | None
    #: elements whose quotient is NaN
    nan: Array


def quantize(
    x: Array, made: BlockRequest, executor: Executor, random_bits: Array | None = None, second: Array | None = None
) -> Coded:
    """Codes and numbers of a float32 tensor; arguments are taken as checked, see `reference.quantize_blocks`."""
    xp, spec = executor.xp, made.spec
    magnitude = x.view(xp.uint32) & xp.uint32(0x7FFFFFFF)
    is_nan = magnitude > xp.uint32(block_scale.INFINITY)
    absmax = block_grid.reduce(xp.where(is_nan, xp.uint32(0), magnitude), spec.block, xp.max, xp)
    nan_block = block_grid.reduce(is_nan, spec.block, xp.max, xp)
    found = numbers(absmax, nan_block, _extremes(x, is_nan, made, xp), made, executor, second)
    quotient = _quotient(x, found.scales, found.given, made, executor)
    codes = _codes(quotient, found.given, made, executor, random_bits)
    return Coded(
        codes, found.scales, found.second, found.shifts, found.undefined, found.undefined_shift, xp.isnan(quotient)
    )


class Numbers(NamedTuple):
    """What blocks have one of each, and what of it expressions for elements may start from."""

    scales: Array
    second: Array | None
    shifts: Array | None
    undefined: Array
    undefined_shift: Array | None
    given: dict[Given, Array]


def numbers(
    absmax: Array,
    nan_block: Array,
    given: dict[Given, Array],
    made: BlockRequest,
    executor: Executor,
    second: Array | None = None,
) -> Numbers:
    """The numbers of blocks from their largest magnitudes (uint32 patterns) and whatever else the rule starts from.

    ``second``: second-level numbers that are known before, in place of the rule's.
    """
    xp, spec, given = executor.xp, made.spec, {**facts(made, executor.xp), **given}
    second = _second(absmax, made, executor) if second is None else second
    if second is not None:
        given[Given.SECOND] = block_grid.spread_second(second, spec.scale.per, absmax.shape, xp)
    number = _number(absmax, given, made, executor)
    special = nan_block | (absmax == xp.uint32(block_scale.INFINITY))
    undefined = ~special & _is_nan(number, xp)
    scales = _stored(number, made, xp)
    scales = _special(scales, nan_block, special, made, xp)
    given[Given.SCALE] = decode.decode(scales, _format(spec.scale), xp)
    given[Given.ABSMAX] = absmax.view(xp.float32)
    shifts, undefined_shift = _shifts(given, made, executor)
    if shifts is not None:
        given[Given.SHIFT] = decode.decode(shifts, _format(spec.shift), xp)
    return Numbers(scales, second, shifts, undefined, undefined_shift, given)


def _format(level: Level | None) -> FloatSpec | IntSpec:
    assert level is not None  # checked by `block_request`
    assert not isinstance(level.format, CodebookSpec)
    return level.format


def _is_nan(numbers: Array, xp: Namespace) -> Array:
    return numbers.view(xp.uint32) & xp.uint32(0x7FFFFFFF) > xp.uint32(block_scale.INFINITY)


def facts(made: BlockRequest, xp: Namespace) -> dict[Given, Array]:
    """What expressions may start from before any element is seen."""
    element = made.spec.element
    return {
        Given.LARGEST: xp.float32(largest(element)),
        Given.RANGE: xp.float32(largest(element) - least(element)),
    }


def _extremes(x: Array, is_nan: Array, made: BlockRequest, xp: Namespace) -> dict[Given, Array]:
    """Least and greatest elements where the rule asks for them."""
    given: dict[Given, Array] = {}
    bits = x.view(xp.int32)
    keys = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # ordered as the numbers are
    for name, reduction in ((Given.LOW, xp.min), (Given.HIGH, xp.max)):
        if any(uses(operand, name) for operand in (made.rule.scale, made.rule.shift, made.rule.quotient)):
            key = block_grid.reduce(xp.where(is_nan, 0, keys), made.spec.block, reduction, xp)
            given[name] = (key ^ ((key >> 31) & 0x7FFFFFFF)).view(xp.float32)
    return given


def _second(absmax: Array, made: BlockRequest, executor: Executor) -> Array | None:
    """Second-level numbers, as stored."""
    xp, level, rule = executor.xp, made.spec.scale, made.rule
    if level.second is None or rule.second is None:
        return None
    shared = xp.max(absmax, initial=0) if level.per is None else block_grid.reduce(absmax, (level.per,), xp.max, xp)
    number = evaluate(rule.second, {Given.TENSOR_ABSMAX: shared.view(xp.float32)}, executor)
    if rule.zero_second is not None:
        number = xp.where(shared == 0, xp.float32(rule.zero_second), number)
    return rounded(number, level.second, xp)


_HALF_EVEN = Rounding.NEAREST_TIES_TO_EVEN


def rounded(numbers: Array, fmt: Format, xp: Namespace) -> Array:
    """Float32 numbers to nearest even into a format, saturating: what its codes decode to."""
    nearest = Conversion(spec=fmt, rounding=_HALF_EVEN, saturation=Saturation.SAT_FINITE)
    return decode.decode(block_scale.stored(numbers, nearest, xp), fmt, xp)


def _number(absmax: Array, given: dict[Given, Array], made: BlockRequest, executor: Executor) -> Array:
    """What is stored as the scale, before it is rounded into the scale's format."""
    xp, rule = executor.xp, made.rule
    number = evaluate(rule.scale, {**given, Given.ABSMAX: absmax.view(xp.float32)}, executor)
    if rule.zero_scale is not None:
        number = xp.where(block_scale.is_zero(number, xp), xp.float32(rule.zero_scale), number)
    if rule.least_scale is not None:
        number = executor.step(Operation.MAXIMUM, number, xp.float32(rule.least_scale), FLOAT32)
    return xp.broadcast_to(number, absmax.shape)


def _stored(number: Array, made: BlockRequest, xp: Namespace) -> Array:
    """Codes of scales; what overflowed is the largest one, also where ``2^128`` would be less."""
    taken = block_scale.with_significand(number, made.rule.significand, made.spec.element, xp)
    scales = block_scale.stored(taken, made.scale, xp)
    infinite = number.view(xp.uint32) == xp.uint32(block_scale.INFINITY)
    return xp.where(infinite, scales.dtype.type(_top(made.scale.spec)), scales)


def _top(fmt: FloatSpec | IntSpec) -> int:
    return fmt.max_code if isinstance(fmt, FloatSpec) else fmt.maximum


def _special(scales: Array, nan_block: Array, special: Array, made: BlockRequest, xp: Namespace) -> Array:
    """Scales of blocks with a NaN, or else with an infinity; where the rule refuses them, callers have seen to it."""
    fmt = made.scale.spec
    for where, action in ((special & ~nan_block, made.rule.infinity_in_block), (nan_block, made.rule.nan_in_block)):
        if action is NonFinite.NAN_SCALE:
            assert isinstance(fmt, FloatSpec)  # checked by `block_request`
            scales = xp.where(where, scales.dtype.type(fmt.nan_code or 0), scales)
        elif action is NonFinite.LARGEST_SCALE:
            scales = xp.where(where, scales.dtype.type(_top(fmt)), scales)
    return scales


def _shifts(
    given: dict[Given, Array], made: BlockRequest, executor: Executor
) -> tuple[Array, Array] | tuple[None, None]:
    """Codes of shifts, and where they are NaN under a scale that is none: a scale that was rounded to 0 divides 0."""
    xp, level, rule = executor.xp, made.spec.shift, made.rule
    if level is None or rule.shift is None:
        return None, None
    number = evaluate(rule.shift, given, executor)
    nearest = Conversion(spec=_format(level), rounding=_HALF_EVEN, saturation=Saturation.SAT_FINITE)
    shifts = block_scale.stored(number, nearest, xp)
    absent = _is_nan(given[Given.SCALE], xp)
    return xp.where(absent, shifts.dtype.type(0), shifts), _is_nan(number, xp) & ~absent


def evaluate(operand: Operand, given: dict[Given, Array], executor: Executor) -> Array:
    """The value of an expression, by the definition in `formats.Step`: float32."""
    if isinstance(operand, Step):
        left, right = evaluate(operand.left, given, executor), evaluate(operand.right, given, executor)
        return executor.step(operand.operation, left, right, operand.result)
    if isinstance(operand, Given):
        return given[operand]
    return executor.xp.float32(operand)


def _codes(
    quotient: Array, given: dict[Given, Array], made: BlockRequest, executor: Executor, random_bits: Array | None
) -> Array:
    xp, spec = executor.xp, made.spec
    if isinstance(made.element, EncodeTable):
        return codebook.encode(quotient, made.element, xp)
    codes = executor.encode(quotient, made.element, random_bits)
    if not has_integer_zero_point(spec):
        return codes
    assert isinstance(spec.element, IntSpec)
    assert isinstance(made.element.spec, IntSpec)
    wide, unit = made.element.spec.bits, 1 << spec.element.fraction_bits
    n = codes.astype(xp.int32)
    n = n - ((n >> (wide - 1)) << wide)
    z = (given[Given.SHIFT] * xp.float32(unit)).astype(xp.int32)
    n = xp.clip(n + block_grid.spread(z, spec.block, quotient.shape, xp), spec.element.minimum, spec.element.maximum)
    return (n & ((1 << spec.element.bits) - 1)).astype(code_dtype(spec.element, xp))


def _quotient(x: Array, scales: Array, given: dict[Given, Array], made: BlockRequest, executor: Executor) -> Array:
    xp, spec, rule = executor.xp, made.spec, made.rule
    if rule.quotient is not None:
        return _declared(rule.quotient, x, given, spec, executor)
    shift = None if has_integer_zero_point(spec) else given.get(Given.SHIFT)
    if shift is None and is_power_of_two(spec.scale.format):
        fmt = _format(spec.scale)
        assert isinstance(fmt, FloatSpec)
        exponent = block_grid.spread(scales.astype(xp.int32) - fmt.bias, spec.block, x.shape, xp)
        quotient = block_scale.divide_by_power_of_two(x, exponent, xp)
        absent = block_grid.spread(_is_nan(given[Given.SCALE], xp), spec.block, x.shape, xp)
        return xp.where(absent, xp.float32(float("nan")), quotient)
    scale = block_grid.spread(given[Given.SCALE], spec.block, x.shape, xp)
    if shift is not None:
        shift = block_grid.spread(shift, spec.block, x.shape, xp)
    return executor.quotient(x, scale, shift, made)


def _declared(operand: Operand, x: Array, given: dict[Given, Array], spec: BlockSpec, executor: Executor) -> Array:
    """An expression for each element; what does not depend on the element is evaluated once for a block."""
    if operand is Given.X:
        return x
    if isinstance(operand, Step) and uses(operand, Given.X):
        left = _declared(operand.left, x, given, spec, executor)
        right = _declared(operand.right, x, given, spec, executor)
        return executor.step(operand.operation, left, right, operand.result)
    xp = executor.xp
    number = xp.broadcast_to(evaluate(operand, given, executor), given[Given.ABSMAX].shape)
    return block_grid.spread(number, spec.block, x.shape, xp)
