"""The numbers that blocks have one of each, from the largest magnitudes, inside a kernel.

What depends on no block, on constants and on the number of the whole tensor, is evaluated outside of the kernel and
handed to it. Products are IEEE 754's own; quotients are those of `kernels_ref.hopper.block_quotient`, since a GPU's
division is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from formats import FloatSpec, IntSpec, Rounding
from formats.block_formats.rule import NonFinite, Significand
from formats.block_formats.steps import Given, Operand, Step, div
from formats.operations import Operation
from kernels_ref.block_binary32 import FRACTION_BITS, INFINITY, MAGNITUDE, bits_of, number_of
from kernels_ref.block_executor import JaxExecutor
from kernels_ref.hopper import block_quotient, element_nearest
from kernels_ref.hopper.block_quotient import FEW_BITS
from reference.array import block as array_block
from reference.array import block_scale, decode
from reference.array.block_request import BlockRequest, largest, significant_bits, uses
from reference.array.codec import code_dtype
from reference.array.conversion import Conversion

#: numbers of whole tensors are usual from here to the reciprocal
MODERATE = 2.0**-60
#: what expressions of blocks may do here
_OPERATIONS = (Operation.MUL, Operation.DIV, Operation.MINIMUM, Operation.MAXIMUM)
_DECIDES = 100  # what a scale format rounds to 0 is below 2^-100, or else quotients are found in full


def whole_tensor(made: BlockRequest) -> list[Operand]:
    """The parts of a rule's expressions that depend on no block; the largest of them, each once.

    Behind them the reciprocals of those that something of a block is divided by.
    """
    found: list[Operand] = []
    for operand in (made.rule.scale, made.rule.quotient):
        found += [part for part in _parts(operand) if part not in found]
    steps = _steps(made.rule.scale) + _steps(made.rule.quotient)
    inverses = [div(1, step.right) for step in steps if step.operation is Operation.DIV and step.right in found]
    return found + [inverse for inverse in inverses if inverse not in found]


def _parts(operand: Operand | None) -> list[Operand]:
    if operand is None or operand in (Given.X, Given.ABSMAX, Given.SCALE, Given.LARGEST):
        return []
    if isinstance(operand, int | float):
        return []
    if isinstance(operand, Step) and any(uses(operand, given) for given in (Given.X, Given.ABSMAX, Given.SCALE)):
        return _parts(operand.left) + _parts(operand.right)
    return [operand]


def evaluate_whole(made: BlockRequest, second: Array | None) -> Array:
    """The values of `whole_tensor`, float32, by JAX outside of a kernel."""
    executor = JaxExecutor()
    given: dict[Given, Any] = array_block.facts(made, jnp)
    if second is not None:
        given[Given.SECOND] = second
    values = [array_block.evaluate(operand, given, executor) for operand in whole_tensor(made)]
    return jnp.stack([jnp.float32(value) for value in values] or [jnp.float32(0)])


def refuse_rule(made: BlockRequest) -> None:
    """``ValueError`` for a rule whose numbers these kernels do not find."""
    rule = made.rule

    def need(condition: bool, what: str) -> None:
        if not condition:
            raise ValueError(f"rule {rule.name!r}: {what} in a kernel; kernels_ref.quantize_blocks takes it")

    need(rule.significand is not Significand.LOG2_IN_BINARY32, "no logarithm is taken")
    need(NonFinite.LARGEST_SCALE is not rule.nan_in_block, "a NaN makes no largest scale")
    for step in _steps(rule.scale) + _steps(rule.quotient):
        need(step.operation in _OPERATIONS, f"no {step.operation.value} is done for a block")
        need(step.result.name == "float32", f"no step is rounded to {step.result.name}")
        for constant in (step.left, step.right):
            need(not isinstance(constant, int | float) or constant >= 0, f"no constant is {constant}")


def _steps(operand: Operand | None) -> list[Step]:
    return [operand, *_steps(operand.left), *_steps(operand.right)] if isinstance(operand, Step) else []


class Numbers:
    """Scales of a tile's blocks from int32 patterns of their largest magnitudes, NaNs above all.

    ``codes`` are int32, ``stored`` the same in the dtype that codes of the format come in. ``divide`` is
    `block_division.divide` in the registers of a GPU; without it all quotients are made of products and sums.
    """

    def __init__(
        self, magnitudes: Array, made: BlockRequest, whole: list[Array], divide: Callable[..., Array] | None = None
    ) -> None:
        self._divide = divide
        self._known = dict(zip(map(repr, whole_tensor(made)), whole, strict=True))
        self._made = made
        nan_block = magnitudes > INFINITY
        self._absmax = number_of(jnp.where(nan_block, 0, magnitudes))
        fmt = made.spec.scale.format
        assert isinstance(fmt, FloatSpec | IntSpec)  # `block_request` has seen to it
        if _is_short(made):
            assert isinstance(fmt, FloatSpec)
            self._absmax = number_of(magnitudes)
            codes, self.scale = element_nearest.rounded(self._number(), fmt, jnp)
            self.codes = codes & (1 << fmt.magnitude_bits) - 1
            self.stored = self.codes.astype(code_dtype(fmt, jnp))
            return
        self.codes = _special(self._codes(), nan_block, magnitudes == INFINITY, made)
        self.stored = self.codes.astype(code_dtype(fmt, jnp))
        self.scale = decode.decode(self.stored, fmt, jnp)

    def _number(self) -> Array:
        """What is rounded to a scale."""
        rule = self._made.rule
        number = self.value(rule.scale)
        if rule.zero_scale is not None:
            number = jnp.where(bits_of(number) & MAGNITUDE == 0, jnp.float32(rule.zero_scale), number)
        if rule.least_scale is not None:
            number = jnp.maximum(number, jnp.float32(rule.least_scale))
        return number

    def _codes(self) -> Array:
        rule, number = self._made.rule, self._number()
        taken = block_scale.with_significand(number, rule.significand, self._made.spec.element, jnp)
        return jnp.where(bits_of(number) == INFINITY, _top(self._made), _rounded(taken, self._made.scale))

    def value(self, operand: Operand) -> Array:
        """The value of an expression for each block."""
        if (constant := _constant(operand, self._made)) is not None:
            return jnp.broadcast_to(jnp.float32(constant), self._absmax.shape)
        if (known := self._known.get(repr(operand))) is not None:
            return jnp.broadcast_to(known, self._absmax.shape)
        if operand is Given.ABSMAX:
            return self._absmax
        if operand is Given.SCALE:
            return self.scale
        assert isinstance(operand, Step), operand
        left, right = self.value(operand.left), self.value(operand.right)
        match operand.operation:
            case Operation.MUL:
                return lax.optimization_barrier(left * right)  # pyright: ignore[reportUnknownMemberType]
            case Operation.MINIMUM:
                return jnp.minimum(left, right)
            case Operation.MAXIMUM:
                return jnp.maximum(left, right)
            case _:
                return self._quotient(operand, left, right)

    def _quotient(self, step: Step, left: Array, right: Array) -> Array:
        if not is_moderate(self._made):
            return block_quotient.divide(left, right)
        bits = _divisor_bits(step.right, self._made)
        inverse = self._known.get(repr(div(1, step.right)))
        if self._divide is not None and inverse is not None:
            return self._divide(left, right, jnp.broadcast_to(inverse, left.shape))
        if bits > FEW_BITS:
            return block_quotient.divide_moderate(left, right, jnp)
        return block_quotient.quotient(left, right, block_quotient.reciprocal(right, jnp), bits, jnp)


def _constant(operand: Operand, made: BlockRequest) -> float | None:
    """The value of an operand that is known before a kernel is compiled."""
    if operand is Given.LARGEST:
        return largest(made.spec.element)
    return float(operand) if isinstance(operand, int | float) else None


def is_moderate(made: BlockRequest) -> bool:
    """Whether no quotient of the rule is subnormal or overflows, or none that is matters.

    A number of the whole tensor is taken to lie from `MODERATE` on to its reciprocal. What is less than a scale format
    tells from 0 does not matter, nor what follows a lower limit.
    """
    fmt, rule = made.spec.scale.format, made.rule
    amid = isinstance(fmt, FloatSpec) and fmt.has_zero and fmt.fraction_bits - fmt.emin < _DECIDES
    scale = rule.scale
    limited = isinstance(scale, Step) and isinstance(scale.left, Step) and scale.left.operation is Operation.MAXIMUM
    return amid or (limited and made.spec.scale.second is None)


def _divisor_bits(operand: Operand, made: BlockRequest) -> int:
    """Significant bits that a divisor has at most."""
    if operand is Given.SCALE:
        return significant_bits(made.spec.scale.format)
    if operand is Given.LARGEST:
        operand = largest(made.spec.element)
    if isinstance(operand, int | float):
        top = operand.as_integer_ratio()[0]
        return (top // (top & -top)).bit_length()
    return FRACTION_BITS + 1


def _is_short(made: BlockRequest) -> bool:
    """Whether scales are numbers rounded to nearest, in blocks that a rule has nothing to say about."""
    rule = made.rule
    plain = rule.significand is Significand.AS_IT_IS and made.scale.spec == made.spec.scale.format
    finite = rule.nan_in_block is rule.infinity_in_block is NonFinite.REFUSE
    return plain and finite and _is_nearest(made.scale)


def _is_nearest(conversion: Conversion) -> bool:
    spec = conversion.spec
    nearest = conversion.rounding is Rounding.NEAREST_TIES_TO_EVEN
    return isinstance(spec, FloatSpec) and spec.has_zero and nearest and element_nearest.lies_amid(spec)


def _rounded(numbers: Array, conversion: Conversion) -> Array:
    """int32 codes of scales."""
    spec = conversion.spec
    if _is_nearest(conversion):
        assert isinstance(spec, FloatSpec)
        return element_nearest.magnitudes(numbers, spec, jnp) & (1 << spec.magnitude_bits) - 1
    return block_scale.stored(numbers, conversion, jnp).astype(jnp.int32)


def _top(made: BlockRequest) -> int:
    fmt = made.scale.spec
    return fmt.max_code if isinstance(fmt, FloatSpec) else fmt.maximum


def _special(scales: Array, nan_block: Array, infinite: Array, made: BlockRequest) -> Array:
    """Codes of scales where a block has a NaN or an infinity and the rule says what then."""
    fmt = made.scale.spec
    for where, action in ((infinite, made.rule.infinity_in_block), (nan_block, made.rule.nan_in_block)):
        if action is NonFinite.NAN_SCALE:
            assert isinstance(fmt, FloatSpec)
            scales = jnp.where(where, fmt.nan_code or 0, scales)
        elif action is NonFinite.LARGEST_SCALE:
            scales = jnp.where(where, _top(made), scales)
    return scales


def may_be_zero(made: BlockRequest) -> bool:
    """Whether a scale of 0 may come out."""
    return getattr(made.scale.spec, "has_zero", True) and made.rule.least_scale is None
