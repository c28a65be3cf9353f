"""The judge: expressions in declared steps, one rounding each."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from formats import FLOAT32, FloatSpec, Rounding, Saturation
from formats.block_formats.steps import Given, Operand, Step
from formats.operations import Operation
from reference.exact import arithmetic
from reference.exact.codec import decode, encode

Value = Fraction | float
_HALF_EVEN = Rounding.NEAREST_TIES_TO_EVEN
_VERBS = {
    Operation.MUL: arithmetic.mul,
    Operation.DIV: arithmetic.div,
    Operation.SUB: arithmetic.sub,
    Operation.MINIMUM: arithmetic.minimum,
    Operation.MAXIMUM: arithmetic.maximum,
}


def evaluate(operand: Operand, given: Mapping[Given, Value]) -> Value:
    """The value of an expression, by the definition in `formats.Step`; a number that is given is returned as it is.

    Raises ``ValueError`` for an expression that starts from a number which is not given.

    >>> from formats.block_formats.steps import div
    >>> evaluate(div(1, Given.ABSMAX), {Given.ABSMAX: Fraction(3)})
    Fraction(11184811, 33554432)
    """
    if isinstance(operand, Step):
        return decode(*_code(operand, given))
    if isinstance(operand, Given):
        if operand not in given:
            raise ValueError(f"{operand.value} is not given here: {', '.join(known.value for known in given)} are")
        return given[operand]
    return Fraction(operand)


def _code(operand: Operand, given: Mapping[Given, Value]) -> tuple[int, FloatSpec]:
    if isinstance(operand, Step):
        (a, left), (b, right) = _code(operand.left, given), _code(operand.right, given)
        verb, out = _VERBS[operand.operation], operand.result
        return verb(a, b, formats=(left, right), out=out, rounding=_HALF_EVEN, saturation=Saturation.SAT_NONE), out
    value = evaluate(operand, given)
    return encode(value, FLOAT32, rounding=_HALF_EVEN, saturation=Saturation.SAT_NONE), FLOAT32
