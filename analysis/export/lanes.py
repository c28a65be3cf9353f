"""LiteRT's optimised kernels that take several elements at once, and those left over one by one, by another rule.

Hence a result depends on the place of its element in the tensor. Found by experiment on x86-64, as
`analysis.export.kernel_rules`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.export.kernel_rules import by
from formats.integer_only.additions import addition_rule
from formats.integer_only.multipliers import dyadic_rule
from reference.integer.addition import add
from reference.integer.network import Affine, Weighted
from reference.integer.rescaling import moved

Integers = NDArray[np.integer[Any]]
Wide = NDArray[np.int64]

#: channels of a depthwise convolution, and elements of a tensor, row by row, that are computed at once
CHANNELS, ELEMENTS = 8, 16


def lanes_depthwise(accumulator: Integers, source: Affine, node: Weighted) -> Wide:
    """``ruy_neon`` for whole groups of 8 channels, ``tflite_double_rounding`` for those left over."""
    whole = accumulator.shape[-1] // CHANNELS * CHANNELS
    fast = by("ruy_neon", accumulator, source, node)
    slow = by("tflite_double_rounding", accumulator, source, node)
    return np.concatenate([fast[..., :whole], slow[..., whole:]], axis=-1)


def lanes_requantise(x: Integers, source: Affine, out: Affine) -> Wide:
    """``ruy_neon`` for whole groups of 16 elements, ``tflite_double_rounding`` for those left over.

    >>> import formats
    >>> one, half = (Affine(format=formats.get("int8"), scale=scale) for scale in (0.25, 0.5))
    >>> lanes_requantise(np.full(17, -1, np.int8), half, one)[-2:], lanes_requantise(np.full(17, -1), one, half)[-2:]
    (array([-2, -2]), array([0, 0]))
    """
    fast = moved(x, source, out, "ruy_neon").astype(np.int64)
    return _joined(fast, moved(x, source, out, "tflite_double_rounding").astype(np.int64))


def lanes_add(a: Integers, a_affine: Affine, b: Integers, b_affine: Affine, out: Affine) -> Wide:
    """As below for whole groups of 16 elements; the addition ``tflite`` for those left over.

    A term is one rounding, half up: with its multiplier ``q * 2^(s-31)``, ``floor((x - z) 2^(20+s) q / 2^31 + 1/2)``,
    where ``tflite`` rounds again for ``s < 0``. The sum is requantised as ``tflite_double_rounding`` does. Ratios
    ``S_a / (2 max(S_a, S_b))`` are above 2^-20, else ``ValueError``.
    """
    rule = addition_rule("tflite")
    *ratios, last = rule.ratios(a_affine.scale, b_affine.scale, out.scale, bits=8)
    pairs = zip((a, b), (a_affine, b_affine), ratios, strict=True)
    total = sum(_term(x.astype(np.int64) - affine.zero_point, ratio) for x, affine, ratio in pairs)
    q, shift = _pair(last)
    product = (np.asarray(total) * q + (1 << 30)) >> 31
    half = (1 << shift) >> 1
    fast = ((product + half - (product < 0) * (shift > 0)) >> shift) + out.zero_point
    return _joined(fast, add(a, a_affine, b, b_affine, out, rule=rule).astype(np.int64))


def _joined(fast: Wide, slow: Wide) -> Wide:
    whole = fast.size // ELEMENTS * ELEMENTS
    return np.concatenate([fast.ravel()[:whole], slow.ravel()[whole:]]).reshape(fast.shape)


def _pair(ratio: float) -> tuple[int, int]:
    """The multiplier ``q`` and the shift right ``-s`` of a ratio below one."""
    pair = dyadic_rule("tflite").pair(ratio)
    if pair.shift < 31:
        raise ValueError(f"ratio={ratio} of a sum is 1 or more, which these lanes are not known for")
    return pair.multiplier, pair.shift - 31


def _term(difference: Wide, ratio: float) -> Wide:
    q, shift = _pair(ratio)
    if shift > 20:
        raise ValueError(f"ratio={ratio} of a term is below 2^-20, which these lanes are not known for")
    return (((difference << (20 - shift)) * q) + (1 << 30)) >> 31
