"""How numbers get into a block format: the scale, the quotient, the rounding, and what is not finite."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.block_formats.steps import Operand
from formats.code_books.decision import Thresholds, Ties
from formats.policy import NanRule, Rounding, Saturation


class NonFinite(enum.Enum):
    """What a NaN or an infinity in a block does."""

    REFUSE = "refuse"  #: an error that names the element
    NAN_SCALE = "nan_scale"  #: the scale becomes its format's NaN, so that every element of the block decodes to NaN
    LARGEST_SCALE = "largest_scale"  #: the scale becomes its format's largest number; infinities saturate


class Significand(enum.Enum):
    """What is done to the number from which a scale is rounded."""

    AS_IT_IS = "as_it_is"
    #: rounded, ties away from zero, to the precision of the element format, in the exponent range of binary32 without
    #: its end: the idea of the EVEN rule
    ROUNDED_TO_ELEMENT = "rounded_to_element"
    #: a power of two where its logarithm, rounded to binary32, is an integer: the numbers next to one on both sides
    LOG2_IN_BINARY32 = "log2_in_binary32"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRule:
    """A named way to quantise into block formats, complete: nothing is left to an executor.

    In this order, of each block, over its elements that are not NaN:

    * ``second``, if the format has a second level (once for all blocks that share it): the expression, or
      ``zero_second`` where the largest magnitude is 0, rounded to nearest even into its format, saturating;
    * ``scale``: the value of the expression, or ``zero_scale`` where that is 0, if stated; at least ``least_scale``, if
      stated; then what ``significand`` makes of it; over ``2^emax`` of the element format if ``below_emax`` (exactly);
      rounded by ``scale_rounding`` into its format, saturating;
    * ``shift``, if the format has one: the expression, to nearest even into its format, saturating;
    * each element: ``quotient``, or, where that is None, the exact ``x / S``, rounded by ``rounding`` into the element
      format, saturating. With an offset ``o`` the quotient is ``(x - o) / S``. An integer zero point is added after the
      rounding, and the sum is clamped to the element format; one that is no integer is the offset ``-S * z``. Where
      ``S`` is 0, so that nothing but 0 can be decoded, the exact quotient is 0 for 0 and else infinite.

    A block with a NaN, or else with an infinity, does as ``nan_in_block`` or ``infinity_in_block`` says. If the scale
    is NaN then, so is every quotient, and a shift has the code 0. A NaN quotient becomes the NaN of the element format,
    or, where that has none, what ``nan`` says (before a zero point is added); without a rule it is an error.

    A `Rounding` keeps the sign of a negative ``x`` that becomes zero, where the format has -0. `Ties` and `Thresholds`
    round into the values of the element format as into a code-book (`formats.code_books.element`).
    """

    name: str
    scale: Operand
    significand: Significand = Significand.AS_IT_IS
    below_emax: bool = False
    scale_rounding: Rounding
    zero_scale: float | None = None
    least_scale: float | None = None
    second: Operand | None = None
    zero_second: float | None = None
    shift: Operand | None = None
    quotient: Operand | None = None
    rounding: Rounding | Ties | Thresholds
    saturation: Saturation = Saturation.SAT_FINITE
    nan_in_block: NonFinite = NonFinite.REFUSE
    infinity_in_block: NonFinite = NonFinite.REFUSE
    nan: NanRule | None = None
    #: the name of the only element format that the rule is for: thresholds say nothing of others
    element: str | None = None
    #: where the facts come from
    source: str

    def __post_init__(self) -> None:
        if isinstance(self.rounding, Thresholds) and self.element is None:
            raise ValueError(f"BlockRule {self.name!r}: thresholds need element=, the name of the format they are for")

    def refuse_element(self, name: str) -> None:
        """``ValueError`` for an element format that the rule is not for."""
        if self.element not in (None, name):
            raise ValueError(f"rule {self.name!r} is for elements in {self.element}, not in {name}")


#: `Significand.LOG2_IN_BINARY32`: ``floor(2^m * ln 2)``. So many numbers next to ``2^k``, in units of ``2^(k - 24)``,
#: have a logarithm that lies less than ``2^(m - 24)`` from ``k``, half of the unit of binary32's numbers with exponent
#: ``m``, and is rounded to it.
LOG2_ROUNDED = (0, 1, 2, 5, 11, 22, 44, 88)


def log2_rounded(k: int) -> tuple[int, int]:
    """How many binary32 numbers below ``2^k``, and how many above it, have a logarithm that binary32 rounds to ``k``.

    In units of ``2^(k - 24)`` below and of ``2^(k - 23)`` above, as normal numbers lie; none for ``k = 0``, next to
    which binary32 rounds no logarithm so far.

    >>> log2_rounded(3), log2_rounded(128), log2_rounded(-126)
    ((1, 0), (44, 44), (44, 22))
    """
    if k == 0:
        return 0, 0
    beyond, within = abs(k).bit_length() - 1, (abs(k) - 1).bit_length() - 1  # exponents away from 0 and toward it
    below, above = (within, beyond) if k > 0 else (beyond, within)
    return (LOG2_ROUNDED[below] if below >= 0 else 0), (LOG2_ROUNDED[above - 1] if above >= 1 else 0)
