"""Products of activations and quantised weights, as data: every rounding of them in its place.

``y[m, n] = epilogue(sum over k of a[m, k] * v[n, k])``. The weights ``v`` are what a kernel hands to the matrix unit,
made from the codes ``w[n, k]`` and, if the record says so, from the zero point or the scale of their group.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Weight(enum.Enum):
    """What the matrix unit is given for the code ``w`` of a weight; each is exact in the operand's format."""

    DECODED = "decoded"  #: the value of the code
    MINUS_ZERO_POINT = "minus_zero_point"  #: the unsigned code minus the zero point of its group
    SCALED = "scaled"  #: the value times the scale of its group
    #: the value times the float16 scale of its group, rounded to an integer, to nearest even (QQQ)
    REQUANTISED = "requantised"


class Factor(enum.Enum):
    """A number that a sum is multiplied by, in float32, rounded to nearest even."""

    WEIGHT_SCALE = "weight_scale"  #: one for each column of the result, (N,)
    TOKEN_SCALE = "token_scale"  #: one for each row of the result, (M,)
    TENSOR_SCALE = "tensor_scale"  #: one number


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledProduct:
    """A quantised matrix product, declared to its last bit.

    1. ``v[n, k]`` is made from ``w[n, k]`` as ``weight`` says.
    2. K is cut into chains of ``chain`` elements (None: one chain). Each is summed by ``accumulator`` from +0, in the
       natural order of K.
    3. The sums of chains are folded in order, from +0. With a group scale on the sums (``group_scale`` and ``weight``
       DECODED or MINUS_ZERO_POINT): ``y = fma(d, s, y)`` in float32, ``s`` the scale of the chain's group, which is
       the float32 product with ``a``'s where ``a_group`` is set. Else ``y = y + d``, in the accumulator's output.
    4. Where K is split (`formats.products.StreamK`), 2 and 3 are done for each part and the parts added in order.
    5. ``epilogue``: from int32 to float32, rounded; the factors in order; then the one rounding into ``out``. A
       ``requantiser`` takes their place where the output is an integer.

    Every scale is a finite number of its format.
    """

    name: str
    a: str  #: format of the activations, and of ``v``
    w: str  #: format of the weights
    accumulator: str
    weight: Weight = Weight.DECODED
    #: elements of K that share a scale (and a zero point); None where no scale is shared along K
    group: int | None = None
    group_scale: str | None = None  #: format of the groups' scales, (N, K / group)
    zero_point: str | None = None  #: format of the zero points, (N, K / group)
    #: activations have float32 scales too, (M, K / group), and those of the weights are shared by this many rows of N
    weight_rows: int = 1
    a_grouped: bool = False
    chain: int | None = None
    epilogue: tuple[Factor, ...] = ()
    requantiser: str | None = None
    out: str = "float32"
    source: str
