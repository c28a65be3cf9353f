"""Decisions for E2M1 of code bases that compare, and set the sign apart, instead of converting as IEEE 754 does."""

from __future__ import annotations

from formats.code_books.decision import Thresholds

#: the midpoints between the magnitudes 0, 1/2, 1, 3/2, 2, 3, 4, 6, in quarters
_MIDPOINTS = (1, 3, 5, 7, 10, 14, 20)
_CODES = (*range(15, 7, -1), *range(8))


def _mirrored(name: str, upper_at_tie: tuple[bool, ...], *, zero_is_positive: bool, source: str) -> Thresholds:
    """``upper_at_tie``: whether the tie at each midpoint of magnitudes goes to the larger one."""
    return Thresholds(
        name=name,
        numerators=(*(-m for m in reversed(_MIDPOINTS)), 0, *_MIDPOINTS),
        denominator=4,
        inclusive=(*(not upper for upper in reversed(upper_at_tie)), zero_is_positive, *upper_at_tie),
        codes=_CODES,
        source=source,
    )


#: the sign bit is set where ``x < 0``, so that -0 becomes +0 and a negative number that rounds to 0 becomes -0
E2M1_EVEN = _mirrored(
    "e2m1_even",
    (False, True, False, True, False, True, False),
    zero_is_positive=True,
    source="NVIDIA ModelOpt 0.47.0, torch/quantization/qtensor/nvfp4_tensor.py, _cast_fp4: ties to even",
)
#: the sign bit is set where ``x <= 0``, so that zeros of either sign become -0
E2M1_TOWARD_ZERO = _mirrored(
    "e2m1_toward_zero",
    (False,) * 7,
    zero_is_positive=False,
    source="NVIDIA ModelOpt 0.47.0, torch/quantization/qtensor/mxfp4_tensor.py, cast_fp4: ties toward zero",
)
