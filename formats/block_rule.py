"""How numbers get into a block format: the scale, the quotient, the rounding, and what is not finite."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from formats.codebook import Decision
from formats.policy import NanRule, Rounding, Saturation
from formats.steps import Given, Operand


class NonFinite(enum.Enum):
    """What a NaN or an infinity in a block does."""

    REFUSE = "refuse"  #: an error that names the element
    NAN_SCALE = "nan_scale"  #: the scale becomes its format's NaN, so that every element of the block decodes to NaN
    LARGEST_SCALE = "largest_scale"  #: the scale becomes its format's largest number; infinities saturate


class Significand(enum.Enum):
    """What is done to the block's largest magnitude before its scale is taken from it."""

    AS_IT_IS = "as_it_is"
    #: rounded, ties away from zero, to the precision of the element format: the idea of the EVEN rule
    ROUNDED_TO_ELEMENT = "rounded_to_element"
    #: carried to the next power of two where log2, rounded to binary32, says so: the largest magnitudes below it
    LOG2_IN_BINARY32 = "log2_in_binary32"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRule:
    """A named way to quantise into block formats, complete: nothing is left to an executor.

    In this order, of each block, over its elements that are not NaN:

    * ``second``, if the format has a second level (once for all blocks that share it): the expression, or
      ``zero_second`` where the largest magnitude is 0, rounded to nearest even into its format, saturating;
    * ``scale``: the expression, of the largest magnitude after ``significand``, or ``zero_scale`` where that is 0,
      over ``2^emax`` of the element format if ``below_emax`` (exactly), rounded by ``scale_rounding`` into its
      format, saturating;
    * ``shift``, if the format has one: the expression, to nearest even into its format, saturating;
    * each element: ``quotient``, or, where that is None, the exact ``x / S`` (with an offset ``(x - o) / S``), rounded
      by ``rounding`` into the element format, saturating. With a zero point, quotient and zero point are added after
      the rounding, and the sum is clamped to the element format.

    ``nan`` is the element code of a NaN where the element format has none. A negative ``x`` that becomes zero keeps
    its sign where the format has -0.
    """

    name: str
    scale: Operand
    significand: Significand = Significand.AS_IT_IS
    below_emax: bool = False
    scale_rounding: Rounding
    zero_scale: float | None = None
    second: Operand | None = None
    zero_second: float | None = None
    shift: Operand | None = None
    quotient: Operand | None = None
    rounding: Rounding | Decision
    saturation: Saturation = Saturation.SAT_FINITE
    nan_in_block: NonFinite = NonFinite.REFUSE
    infinity_in_block: NonFinite = NonFinite.REFUSE
    nan: NanRule | None = None
    #: where the facts come from
    source: str


#: the largest magnitude of a block, by name, for expressions
ABSMAX = Given.ABSMAX
