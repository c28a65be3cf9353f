"""Numbers of blocks on bit patterns, once for NumPy and jax.numpy: what scales are taken from and stored as."""

from __future__ import annotations

import numpy as np

from formats import FLOAT32, FloatSpec
from formats.block import Coding
from formats.block_rule import Significand, log2_carried
from formats.codebook import CodebookSpec
from reference.array import codec
from reference.array.arithmetic_words import leading_bit
from reference.array.carrier import Array, Namespace
from reference.array.conversion import Conversion

INFINITY = 0x7F800000
_LEAST = -149  # the exponent of binary32's smallest number


def with_significand(magnitude: Array, significand: Significand, element: Coding, xp: Namespace) -> Array:
    """binary32 magnitude patterns (uint32) after what is done to a block's largest magnitude.

    The pattern of infinity stands for ``2^128`` then, to which a finite number may be rounded.
    """
    if significand is Significand.LOG2_IN_BINARY32:
        return _carried_by_log2(magnitude, xp)
    if significand is Significand.ROUNDED_TO_ELEMENT:
        assert not isinstance(element, CodebookSpec)  # checked by `block_request`
        precision = element.precision if isinstance(element, FloatSpec) else element.maximum.bit_length()
        dropped = 23 - (precision - 1)
        rounded = (magnitude + xp.uint32(1 << dropped >> 1)) & xp.uint32(-1 << dropped & 0xFFFFFFFF)
        return xp.minimum(rounded, xp.uint32(INFINITY))
    return magnitude


def _carried_by_log2(magnitude: Array, xp: Namespace) -> Array:
    """Magnitudes just below ``2^k`` as ``2^k``: see `formats.block_rule.LOG2_CARRIED`."""
    subnormal = magnitude < xp.uint32(1 << 23)
    top = leading_bit(xp.where(subnormal, magnitude, xp.uint32(0)), xp)
    up = xp.clip(top + 1, 0, 23).astype(xp.uint32)
    above = xp.where(subnormal, xp.uint32(1) << up, (magnitude | xp.uint32(0x7FFFFF)) + xp.uint32(1))
    k = xp.where(subnormal, top + 1 + _LEAST, (above >> xp.uint32(23)).astype(xp.int32) - 127)
    most = xp.asarray(_MOST_BELOW)[xp.clip(k - _LEAST, 0, len(_MOST_BELOW) - 1)]
    return xp.where((magnitude != 0) & (above - magnitude <= most), above, magnitude)


#: by ``k + 149``: how many numbers below ``2^k`` are carried; subnormals lie further apart than ``2^(k - 24)``
_MOST_BELOW = np.array([log2_carried(k) >> max(0, -125 - k) for k in range(_LEAST, 129)], np.uint32)


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
