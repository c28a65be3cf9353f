"""Numbers of blocks on bit patterns, once for NumPy and jax.numpy: what scales are taken from and stored as."""

from __future__ import annotations

import numpy as np

from formats import FLOAT32, FloatSpec
from formats.block_formats.rule import Significand, log2_rounded
from formats.block_formats.spec import Coding
from formats.code_books.book import CodebookSpec
from reference.array import codec
from reference.array.arithmetic_words import leading_bit
from reference.array.carrier import Array, Namespace
from reference.array.conversion import Conversion

INFINITY = 0x7F800000
_LEAST = -149  # the exponent of binary32's smallest number


def with_significand(numbers: Array, significand: Significand, element: Coding, xp: Namespace) -> Array:
    """float32 numbers after what is done to them before they are rounded to a scale; infinities and NaNs stay.

    Infinity also stands for ``2^128`` then, to which a finite number may be rounded.
    """
    if significand is Significand.AS_IT_IS:
        return numbers
    bits = numbers.view(xp.uint32)
    magnitude = bits & xp.uint32(0x7FFFFFFF)
    if significand is Significand.LOG2_IN_BINARY32:
        found = _rounded_by_log2(magnitude, xp)
    else:
        assert not isinstance(element, CodebookSpec)  # checked by `block_request`
        precision = element.precision if isinstance(element, FloatSpec) else element.maximum.bit_length()
        dropped = 23 - (precision - 1)
        found = (magnitude + xp.uint32(1 << dropped >> 1)) & xp.uint32(-1 << dropped & 0xFFFFFFFF)
    found = xp.where(magnitude >= xp.uint32(INFINITY), magnitude, found)
    return (found | (bits & xp.uint32(1 << 31))).view(xp.float32)


def _rounded_by_log2(magnitude: Array, xp: Namespace) -> Array:
    """Magnitudes next to a power of two as that power: see `formats.block_formats.rule.LOG2_ROUNDED`."""
    subnormal = magnitude < xp.uint32(1 << 23)
    top = leading_bit(xp.where(subnormal, magnitude, xp.uint32(0)), xp)
    place = xp.clip(top, 0, 22).astype(xp.uint32)
    low = xp.where(subnormal, xp.uint32(1) << place, magnitude & xp.uint32(0x7F800000))
    high = xp.where(subnormal, xp.uint32(2) << place, low + xp.uint32(1 << 23))
    k = xp.where(subnormal, top, (magnitude >> xp.uint32(23)).astype(xp.int32) - 127 - _LEAST)
    k = xp.clip(k, 0, len(_BELOW) - 2)
    found = xp.where(high - magnitude <= xp.asarray(_BELOW)[k + 1], high, magnitude)
    found = xp.where(magnitude - low <= xp.asarray(_ABOVE)[k], low, found)
    return xp.where(magnitude == 0, magnitude, found)


#: by ``k + 149``: how many numbers next to ``2^k`` are taken as it; subnormals lie further apart than normal numbers
_BELOW = np.array([log2_rounded(k)[0] >> max(0, -125 - k) for k in range(_LEAST, 129)], np.uint32)
_ABOVE = np.array([log2_rounded(k)[1] >> max(0, -126 - k) for k in range(_LEAST, 129)], np.uint32)


def stored(numbers: Array, conversion: Conversion, xp: Namespace) -> Array:
    """Codes of float32 numbers in the format of scales, saturated; binary32 stores their own patterns."""
    if conversion.spec != FLOAT32:
        return codec.encode(numbers, conversion, xp)
    bits = numbers.view(xp.uint32)
    magnitude = bits & xp.uint32(0x7FFFFFFF)
    finite = xp.minimum(magnitude, xp.uint32(INFINITY - 1)) | (bits & xp.uint32(1 << 31))
    return xp.where(magnitude > xp.uint32(INFINITY), xp.uint32(FLOAT32.nan_code or 0), finite)


def is_zero(numbers: Array, xp: Namespace) -> Array:
    """Where float32 numbers are 0, as patterns say it: a comparison of numbers may take subnormals for 0."""
    return numbers.view(xp.uint32) & xp.uint32(0x7FFFFFFF) == 0


def divide_by_power_of_two(x: Array, exponent: Array, xp: Namespace) -> Array:
    """``x / 2^exponent`` of float32 numbers, for rounding into a narrow format.

    The result is exact where it is a normal binary32 number. What is smaller, but not 0, becomes ``2^-126``, and what
    is larger the largest number: on the same side of every number between which an element format decides.
    ``exponent``: int32 in ``[-149, 149]``. Zeros, infinities and NaNs stay.
    """
    bits = x.view(xp.uint32)
    m = bits & xp.uint32(0x7FFFFFFF)
    subnormal = m < xp.uint32(1 << 23)
    widened = xp.where(subnormal, m, xp.uint32(0)).astype(xp.float32).view(xp.uint32)  # m * 2^-149, exactly
    normal = xp.where(subnormal, widened, m)
    field = (normal >> xp.uint32(23)).astype(xp.int32) + xp.where(subnormal, _LEAST, 0) - exponent
    scaled = (xp.clip(field, 1, 254).astype(xp.uint32) << xp.uint32(23)) | (normal & xp.uint32(0x7FFFFF))
    scaled = xp.where(field < 1, xp.uint32(1 << 23), xp.where(field > 254, xp.uint32(INFINITY - 1), scaled))
    scaled = xp.where((m == 0) | (m >= xp.uint32(INFINITY)), m, scaled)
    return (scaled | (bits & xp.uint32(1 << 31))).view(xp.float32)
