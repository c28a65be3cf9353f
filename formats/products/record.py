"""Products of activations and quantised weights, as data: every rounding of them in its place.

``y[m, n] = epilogue(sum over k of a[m, k] * v[n, k])``. The weights ``v`` are what a kernel hands to the matrix unit,
made from the codes ``w[n, k]`` and, if the record says so, from the zero point or the scale of their group.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from formats.dot import Accumulator, accumulator
from formats.products.checks import checked
from formats.registry import Format, get
from formats.results import FLOAT32


class Weight(enum.Enum):
    """What the matrix unit is given for the code ``w`` of a weight; each is exact in the operand's format."""

    DECODED = "decoded"  #: the value of the code
    MINUS_ZERO_POINT = "minus_zero_point"  #: the unsigned code minus the zero point of its group
    SCALED = "scaled"  #: the value times the scale of its group
    #: the value times the float16 scale of its group, rounded to an integer, to nearest even (QQQ); a product outside
    #: of [-128.25, 127.5) has no result
    REQUANTISED = "requantised"


class Factor(enum.Enum):
    """A number that a sum is multiplied by, in float32, rounded to nearest even."""

    WEIGHT_SCALE = "weight_scale"  #: one for each column of the result, (N,)
    TOKEN_SCALE = "token_scale"  #: one for each row of the result, (M,)
    TENSOR_SCALE = "tensor_scale"  #: one number


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledProduct:
    """A quantised matrix product, declared to its last bit.

    1. ``v[n, k]`` is made from ``w[n, k]`` as ``weight`` says; the unit is given ``v * 2^-lowered``. K is filled up
       with zeros to a multiple of `unit`, or of the depth of a split.
    2. K is cut into chains of ``chain`` elements (None: one chain). Each is summed by ``accumulator`` from +0, in the
       natural order of K, and the sum is multiplied by ``2^lowered``, in float32. A chain shorter than the
       accumulator's step is the first elements of one step whose others are zeros: ``nvfp4_e4m3`` sums chains of 16
       in steps of 32.
    3. The sums of chains are folded in order, from +0. With a group scale on the sums (`scales_sums`):
       ``y = fma(d, s, y)`` in float32, ``s`` the scale of the chain's group, which is the float32 product with that of
       ``a`` where ``a_grouped`` is set. Else ``y = y + d``, in the accumulator's output.
    4. Where K is split (`formats.products.StreamK`), 2 and 3 are done for each part and the parts added in order,
       ``((p0 + p1) + p2) + ...``, in the accumulator's output: nothing is added to the first.
    5. ``epilogue``: from int32 to float32, rounded; the factors in order, each product rounded; then the one rounding
       into ``out``. A ``requantiser`` takes their place where the output is an integer.

    All roundings outside of the accumulator are to nearest even; what leaves a range becomes infinite, subnormals stay,
    and zeros have the signs of IEEE 754. A NaN has every bit below the sign, in float32 and in ``out``, as NVIDIA's
    units write it. Every scale is a finite number of its format.

    Raises ``KeyError`` (an unknown format, accumulator or requantiser) and ``ValueError`` (fields that do not fit).

    >>> ScaledProduct(name="mine", a="int8", w="int4", accumulator="hopper.wgmma.k32.s32.s8.s8", source="a test").unit
    32
    """

    name: str
    a: str  #: format of the activations, and of ``v``
    w: str  #: format of the weights
    accumulator: str
    weight: Weight = Weight.DECODED
    #: the unit is given the codes of ``v * 2^-lowered``, for which bits of weights need only be moved, and the sums of
    #: chains count ``2^lowered`` times. Values that are subnormal then are not normalised by the unit, which shows in
    #: what it cuts off
    lowered: int = 0
    #: elements of K that share a scale (and a zero point); None where no scale is shared along K
    group: int | None = None
    group_scale: str | None = None  #: format of the groups' scales, (N, K / group)
    zero_point: str | None = None  #: format of the zero points, (N, K / group), or (N, 1) where there are no groups
    weight_rows: int = 1  #: rows of N that share the scale of a group
    a_grouped: bool = False  #: whether activations have float32 scales too, (M, K / group)
    chain: int | None = None
    epilogue: tuple[Factor, ...] = ()
    requantiser: str | None = None
    out: str = "float32"
    source: str

    def __post_init__(self) -> None:
        checked(self)

    @property
    def rule(self) -> Accumulator:
        """The accumulator's record."""
        return accumulator(self.accumulator)

    @property
    def scales_sums(self) -> bool:
        """Whether the scale of a group multiplies the sums of its chains, not its weights."""
        return self.group_scale is not None and self.weight in (Weight.DECODED, Weight.MINUS_ZERO_POINT)

    @property
    def unit(self) -> int:
        """What K is filled up to a multiple of: whole groups and whole chains, or steps where there are none."""
        return math.lcm(self.chain or self.rule.k, self.group or 1)

    @property
    def bits_per_weight(self) -> float:
        """Bits of a code, and its share of the scale and the zero point of its group.

        >>> from formats.products import scaled_product
        >>> scaled_product("mxfp4_e4m3").bits_per_weight
        4.25
        """
        shared = 0 if self.group_scale is None else value_format(self.group_scale).bits / self.weight_rows
        if self.zero_point is not None:
            shared += value_format(self.zero_point).bits
        return value_format(self.w).bits + (shared / self.group if self.group else 0)


def value_format(name: str) -> Format:
    """The format called ``name``, float32 too.

    >>> value_format("float32").bits
    32
    """
    return FLOAT32 if name == FLOAT32.name else get(name)
