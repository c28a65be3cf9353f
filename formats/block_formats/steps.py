"""Arithmetic in declared steps: an expression of which every node is rounded once to a stated format.

Published quantisers form a scale by a few binary32 operations, and two that agree on paper differ in their order. As
expressions the orders are data, which the judge evaluates in Fractions and the array code on bit patterns.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.code_books.binary32 import to_binary32
from formats.floating import FloatSpec
from formats.operations import Operation
from formats.results import FLOAT32


class Given(enum.Enum):
    """The numbers that an expression may start from."""

    X = "x"  #: an element
    ABSMAX = "absmax"  #: the largest magnitude of the block
    LOW = "low"  #: the least element of the block
    HIGH = "high"  #: the greatest element of the block
    TENSOR_ABSMAX = "tensor_absmax"  #: the largest magnitude of the tensor
    SCALE = "scale"  #: the block's scale as stored, decoded
    SECOND = "second"  #: the second-level number as stored, decoded
    SHIFT = "shift"  #: the block's shift as stored, decoded
    LARGEST = "largest"  #: the largest finite value of the element format
    RANGE = "range"  #: the largest less the least value of the element format


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``left operation right`` of IEEE 754, rounded once, to nearest even, to ``result``.

    What overflows is infinite, a number divided by 0 too; ``0 / 0`` is NaN, and so is what is made from it.

    >>> mul(Given.X, div(1, Given.SCALE)).right
    Step(operation=<Operation.DIV: 'div'>, left=1, right=<Given.SCALE: 'scale'>, result='float32')
    """

    operation: Operation
    left: Operand
    right: Operand
    result: FloatSpec = FLOAT32

    def __post_init__(self) -> None:
        for operand in (self.left, self.right):
            if isinstance(operand, (int, float)):
                numerator, denominator = operand.as_integer_ratio()
                top, bottom = to_binary32(numerator, denominator)
                if top * denominator != numerator * bottom:
                    raise ValueError(f"constant {operand!r} is no binary32 number; state the one that is meant")

    def __repr__(self) -> str:
        return (
            f"Step(operation={self.operation!r}, left={self.left!r}, right={self.right!r}, result={self.result.name!r})"
        )


#: a step, a number that is given, or a constant, which binary32 holds exactly
Operand = Step | Given | int | float


def mul(left: Operand, right: Operand, result: FloatSpec = FLOAT32) -> Step:
    """The product, rounded once to ``result``."""
    return Step(operation=Operation.MUL, left=left, right=right, result=result)


def div(left: Operand, right: Operand, result: FloatSpec = FLOAT32) -> Step:
    """The quotient, rounded once to ``result``."""
    return Step(operation=Operation.DIV, left=left, right=right, result=result)


def sub(left: Operand, right: Operand, result: FloatSpec = FLOAT32) -> Step:
    """The difference, rounded once to ``result``."""
    return Step(operation=Operation.SUB, left=left, right=right, result=result)


def minimum(left: Operand, right: Operand) -> Step:
    """The lesser of two numbers."""
    return Step(operation=Operation.MINIMUM, left=left, right=right)


def maximum(left: Operand, right: Operand) -> Step:
    """The greater of two numbers."""
    return Step(operation=Operation.MAXIMUM, left=left, right=right)
