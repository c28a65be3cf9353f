"""Scalar operations by name, and the formats of their operands."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from formats.registry import Format, get

#: one format for all operands, or a tuple or list of one for each
Operands = str | Format | Sequence[str | Format]


class Operation(enum.Enum):
    """Operations of IEEE 754-2019 (sections 5.4 and 9.6) whose result is rounded once into a stated format.

    >>> Operation.FMA.arity
    3
    """

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    FMA = "fma"
    SQRT = "sqrt"
    NEGATE = "negate"
    CONVERT = "convert"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MINIMUM_NUMBER = "minimum_number"
    MAXIMUM_NUMBER = "maximum_number"

    @property
    def arity(self) -> int:
        """How many operands the operation takes."""
        return {Operation.FMA: 3, Operation.SQRT: 1, Operation.NEGATE: 1, Operation.CONVERT: 1}.get(self, 2)


def operand_formats(formats: Operands, count: int) -> tuple[Format, ...]:
    """The records of ``count`` operands: one name or record is for all of them.

    Raises ``KeyError`` for an unknown name and ``ValueError`` for another number of formats.

    >>> [spec.name for spec in operand_formats(("int8", "float8_e5m2"), 2)]
    ['int8', 'float8_e5m2']
    """
    if not isinstance(formats, (tuple, list)):
        return (get(formats),) * count  # pyright: ignore[reportArgumentType]
    if len(formats) != count:
        raise ValueError(
            f"formats names {len(formats)} formats for {count} operands; give one for all, or one for each"
        )
    return tuple(get(fmt) for fmt in formats)
