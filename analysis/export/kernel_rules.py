"""Rules of runtimes' kernels that are no requantisers of `formats.integer_only`: found by experiment, each exact.

All are of one processor: x86-64 with AVX2 and FMA, without VNNI. Scales are binary32 numbers.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.export.fused import fused_multiply_add
from formats.integer_only.requantiser import RatioForm, Requantiser
from formats.integer_only.requantisers import requantiser
from reference.integer.network import Affine, Weighted
from reference.integer.requantise import requantise
from reference.integer.rescaling import ratio_of

Integers = NDArray[np.integer[Any]]
Wide = NDArray[np.int64]
F32 = np.float32


def by(rule: str | Requantiser, accumulator: Integers, source: Affine, node: Weighted) -> Wide:
    """``rule(accumulator) + z`` before the clamp of the node, clamped to its format, as the rule's record says."""
    record = requantiser(rule)
    ratio = ratio_of(record, source, node)
    q = requantise(accumulator, ratio, rule=record, fmt=node.out.format, zero_point=node.out.zero_point)
    return q.astype(np.int64)


def squeezed(name: str) -> Requantiser:
    """The rule of that name with the product of the scales rounded to binary32 before the division in binary64.

    >>> squeezed("ruy_neon").ratio(0.10000000149011612, 0.30000001192092896, 1.0)
    0.030000001192092896
    """
    return replace(requantiser(name), name=f"{name}_squeezed", ratio_form=RatioForm.SQUEEZED)


def binary64_half_away(accumulator: Integers, source: Affine, node: Weighted) -> Wide:
    """``round(accumulator * ratio) + z``: ratio and product in binary64, halves away from zero.

    LiteRT's reference FULLY_CONNECTED, which differs from its reference convolutions.
    """
    ratio = source.scale * np.array(node.weight_scale) / node.out.scale
    product = accumulator.astype(np.float64) * ratio
    whole = np.trunc(product)
    return (whole + np.sign(product) * (np.abs(product - whole) >= 0.5)).astype(np.int64) + node.out.zero_point


def xnnpack_add_takes(a: Affine, b: Affine, out: Affine) -> bool:
    """Whether both ratios lie in [2^-10, 2^8); LiteRT's own kernel runs otherwise."""
    return all(2.0**-10 <= float(F32(x.scale) / F32(out.scale)) < 2.0**8 for x in (a, b))


def xnnpack_add(a: Integers, a_affine: Affine, b: Integers, b_affine: Affine, out: Affine) -> Wide:
    """``floor((m_a (a - z_a) + m_b (b - z_b)) / 2^s + 1/2) + z``: one rounding, halves up.

    The larger of the binary32 ratios ``S_a / S``, ``S_b / S`` lies in ``[2^e, 2^(e+1))``; ``s = 20 - e``, and
    ``m`` is ``ratio * 2^s`` rounded half to even, so has 21 bits.
    """
    ratios = [Fraction(float(F32(x.scale) / F32(out.scale))) for x in (a_affine, b_affine)]
    shift = 20 - int(np.floor(np.log2(float(max(ratios)))))
    first, second = (round(ratio * 2**shift) for ratio in ratios)
    total = (a.astype(np.int64) - a_affine.zero_point) * first + (b.astype(np.int64) - b_affine.zero_point) * second
    return ((total + (1 << (shift - 1))) >> shift) + out.zero_point


def xnnpack_convert_takes(source: Affine, out: Affine) -> bool:
    """Whether the ratio lies in [2^-8, 2^7]; LiteRT's own kernel runs otherwise."""
    return 2.0**-8 <= float(F32(source.scale) / F32(out.scale)) <= 2.0**7


def xnnpack_convert(x: Integers, source: Affine, out: Affine) -> Wide:
    """``floor((x - z_x) m / 2^8 + 1/2) + z`` with ``m = ratio * 2^8`` rounded half to even: 8 bits of fraction."""
    multiplier = round(Fraction(float(F32(source.scale) / F32(out.scale))) * 256)
    return (((x.astype(np.int64) - source.zero_point) * multiplier + 128) >> 8) + out.zero_point


def mlas_add(a: Integers, a_affine: Affine, b: Integers, b_affine: Affine, out: Affine) -> Wide:
    """``rne(fma(r_a, a, fma(r_b, b, c)))`` with ``c = z - fma(r_a, z_a, r_b z_b)``: all in binary32.

    The zero points are rounded with the rest. Ratios: ``S_a / S`` and ``S_b / S`` in binary32.
    """
    first, second = F32(a_affine.scale) / F32(out.scale), F32(b_affine.scale) / F32(out.scale)
    zeros = fused_multiply_add(first, F32(a_affine.zero_point), second * F32(b_affine.zero_point))
    inner = fused_multiply_add(second, b.astype(F32), F32(out.zero_point) - zeros)
    return np.rint(fused_multiply_add(first, a.astype(F32), inner)).astype(np.int64)


def dequantise_quantise(x: Integers, source: Affine, out: Affine) -> Wide:
    """``rne((x - z_x) S_x / S) + z``: a product, then a quotient, in binary32."""
    real = (x.astype(np.int64) - source.zero_point).astype(F32) * F32(source.scale)
    return np.rint(real / F32(out.scale)).astype(np.int64) + out.zero_point


def mlas_global_average(x: Integers, source: Affine, out: Affine) -> Wide:
    """``rne(sum (x - z_x) * m) + z`` with ``m = S_x / (S n)``: the sum is an integer, the rest binary32."""
    count = x.shape[1] * x.shape[2]
    total = x.astype(np.int64).sum(axis=(1, 2)) - count * source.zero_point
    multiplier = F32(source.scale) / (F32(out.scale) * F32(count))
    return np.rint(total.astype(F32) * multiplier).astype(np.int64) + out.zero_point
