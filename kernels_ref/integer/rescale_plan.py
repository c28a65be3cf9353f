"""What is known of a requantisation before its accumulators are: its form, its words, its window."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats import IntSpec
from formats.integer_only.requantiser import Requantiser
from formats.integer_only.steps import AddOffset, Multiply, ShiftLeft, ShiftRight, ShiftRounding, Significant
from formats.integer_only.widths import accumulators, interval, terms

Constant = NDArray[np.int32]

#: a clamp to 16 bits and a zero point: no result of 2^17 or more in magnitude matters
NARROW_BITS = 17


class Form(enum.Enum):
    """How the executor computes a rule: the forms that its steps may have."""

    SINGLE = "one rounding of the product"
    DOUBLE = "a doubling high product, then a rounding shift"
    BINARY64 = "one rounding of a product of 53 bits"
    OFFSET = "an offset, a product of 32 bits, a rounding shift"
    BINARY32 = "floats"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Constants of a requantisation: one number, or one for each channel; ``b / 2^c`` is the multiplier.

    ``low`` to ``high`` is the window that accumulators are clamped to; ``narrow``: the results that matter are below
    ``2^17`` in magnitude. ``b`` is below ``2^31``, and at least ``2^30`` unless 0 or the form is `Form.OFFSET`.
    """

    form: Form
    rounding: ShiftRounding
    b: Constant
    c: Constant
    low: Constant
    high: Constant
    #: the greatest magnitude in the window
    reach: int
    offset: Constant
    #: the multiplier, where it is a float
    factor: NDArray[np.float32]
    narrow: bool
    zero_point: int
    clamp: tuple[int, int]

    @property
    def clamps_accumulators(self) -> bool:
        """Whether the window is narrower than int32."""
        return bool((self.low > -(1 << 31)).any() or (self.high < (1 << 31) - 1).any())


def plan(rule: Requantiser, fmt: IntSpec, ratios: tuple[float, ...], zero_point: int, clamp: tuple[int, int]) -> Plan:
    """The plan; ``ValueError`` for a rule whose steps have none of the forms."""
    form, rounding = _form(rule)
    if form is Form.BINARY32 and fmt.bits > 16 and zero_point:
        raise ValueError(f"{rule.name} into {fmt.name} takes zero_point=0 in JAX, not {zero_point}")
    if len(set(ratios)) == 1:
        ratios = ratios[:1]
    pairs = [terms(rule.multiplier(ratio)) for ratio in ratios]
    windows = [_window(rule, fmt, ratio, zero_point, clamp) for ratio in ratios]
    reach = max(max(-low, high) for low, high in windows)
    if form is Form.BINARY64 and not any(
        _differs_in_binary64(b, c, window, fmt.bits <= 16) for window, (b, c) in zip(windows, pairs, strict=True)
    ):
        form = Form.SINGLE
    if form not in (Form.OFFSET, Form.BINARY32):
        pairs = [_normal(*pair) for pair in pairs]
    offsets = [rule.offset(*pair, zero_point) for pair in pairs]
    floats = form is Form.BINARY32
    return Plan(
        form=form,
        rounding=rounding,
        b=constants([0 if floats else b for b, _ in pairs]),
        c=constants([0 if floats else c for _, c in pairs]),
        low=constants([low for low, _ in windows]),
        high=constants([high for _, high in windows]),
        reach=reach,
        offset=constants(offsets),
        factor=np.array([rule.multiplier(r) for r in ratios] if floats else 0, np.float32),
        narrow=fmt.bits <= 16,
        zero_point=0 if rule.adds_offset else zero_point,
        clamp=clamp,
    )


def _form(rule: Requantiser) -> tuple[Form, ShiftRounding]:
    up, floor, even = ShiftRounding.HALF_UP, ShiftRounding.FLOOR, ShiftRounding.HALF_EVEN
    if rule.is_float:
        return Form.BINARY32, even
    match [step for step in rule.steps if not isinstance(step, ShiftLeft)]:
        case [Multiply(), ShiftRight(bits=None, rounding=rounding)]:
            return Form.SINGLE, rounding
        case [Multiply(), ShiftRight(bits=None, rounding=first), ShiftRight(bits=1, rounding=second)] if (
            first is floor and second is up
        ):
            return Form.SINGLE, up
        case [Multiply(), ShiftRight(bits=31, rounding=first), ShiftRight(bits=None, rounding=rounding)] if first is up:
            return Form.DOUBLE, rounding
        case [Multiply(), Significant(bits=53), ShiftRight(bits=None, rounding=rounding)] if rounding is even:
            return Form.BINARY64, even
        case [AddOffset(), Multiply(), ShiftRight(bits=None, rounding=rounding)] if rounding is up:
            return Form.OFFSET, up
        case _:
            raise ValueError(f"the steps of {rule.name} have no form in JAX; forms: {', '.join(f.value for f in Form)}")


def _differs_in_binary64(b: int, c: int, window: tuple[int, int], narrow: bool) -> bool:
    """Whether an accumulator in the window has another result where its product has 53 bits; maybe, if not narrow.

    Below ``2^53`` products are exact. Above, only those are moved onto a tie that are within ``2^8`` of it, and so at
    most one accumulator for each tie: the one nearest to it.
    """
    low, high = window
    if max(-low, high) * b < 1 << 53:
        return False
    if not narrow:
        return True
    value = b / 2.0**c
    ties: NDArray[np.float64] = np.arange(int(low * value) - 2, int(high * value) + 2, dtype=np.float64) + 0.5
    product = np.clip(np.rint(ties / value), low, high).astype(np.int64) * b
    return bool((_half_even(product, c) != _half_even(product.astype(np.float64).astype(np.int64), c)).any())


def _half_even(product: NDArray[np.int64], c: int) -> NDArray[np.int64]:
    """``product / 2^c``, for ``c > 0`` and ``|product| <= 2^62``."""
    odd = (product >> c) & 1
    return (product + (1 << (c - 1)) - 1 + odd) >> c


def _window(rule: Requantiser, fmt: IntSpec, ratio: float, zero_point: int, clamp: tuple[int, int]) -> tuple[int, int]:
    """Accumulators beyond this give the results of its ends; in 32 bits, its ends are the last that fit them."""
    if fmt.bits > 16:
        least, greatest = -(1 << 31) - zero_point, (1 << 31) - 1 - zero_point
        low, high = interval(
            rule, ratio, lambda found: all(f.fits for f in found) and least <= found[-1].number <= greatest, zero_point
        )
    else:
        low, high = accumulators(rule, ratio, zero_point)
        b, c = terms(rule.multiplier(ratio))
        if b and not rule.adds_offset:
            furthest = max(abs(end - zero_point) for end in clamp) + 2
            reach = (furthest << c) // b + 1
            low, high = max(low, -reach), min(high, reach)
    return max(low, -(1 << 31)), min(high, (1 << 31) - 1)


def _normal(b: int, c: int) -> tuple[int, int]:
    """The same number with 31 bits; 0 as ``0 / 2^33``; ``2^31 / 1`` as it is."""
    if not b:
        return 0, 33
    move = 31 - b.bit_length()
    if c + move < 0:
        return b, c
    return (b << move, c + move) if move >= 0 else (b >> 1, c - 1)


def constants(numbers: list[int]) -> Constant:
    """int32 words from integers taken modulo ``2^32``; without an axis where all are one number."""
    words = (np.array(numbers, np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return words[0] if (words == words[0]).all() else words


def zeros_below(b: Any) -> Constant:
    """How many zero bits each number ends with; 32 for 0."""
    wide = np.asarray(b, np.int64)
    return np.asarray([[(int(n) & -int(n)).bit_length() - 1 if n else 32] for n in wide.ravel()], np.int32).reshape(
        wide.shape
    )
