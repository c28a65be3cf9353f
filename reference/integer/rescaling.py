"""From one quantisation to another: accumulators to integers, and integers to integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.integer_only.requantiser import Requantiser
from formats.integer_only.requantisers import requantiser
from reference.integer.addition import centred
from reference.integer.affine import check_integers
from reference.integer.network import Affine, Concatenate, Weighted
from reference.integer.ranges import integer_dtype
from reference.integer.requantise import requantise

Integers = NDArray[np.integer[Any]]


def rescaled(accumulator: ArrayLike, source: Affine, node: Weighted) -> Integers:
    """The integers of a convolution or linear layer from its accumulators: ``clamp(rule(accumulator) + z)``.

    The rule is given ``S_x * weight_scale / S`` of each output channel, as it forms it. ``source``: the quantisation
    of what the layer takes. Raises ``OverflowError`` where a step of the rule leaves its width.

    >>> import formats
    >>> from reference.integer.network import Linear
    >>> out = Affine(format=formats.get("int8"), scale=0.1)
    >>> node = Linear(
    ...     name="worked", inputs=("x",), out=out, weight=np.ones((2, 3), np.int8), weight_scale=(0.1, 0.2),
    ...     bias=np.zeros(2, np.int32), weight_format=formats.get("int4"), rule="hawq_v3_tvm",
    ... )
    >>> rescaled(np.array([[19, 26]], np.int32), Affine(format=formats.get("uint4"), scale=0.2), node)
    array([[ 4, 10]], dtype=int8)
    """
    rule = requantiser(node.rule)
    return requantise(
        accumulator,
        ratio_of(rule, source, node),
        rule=rule,
        fmt=node.out.format,
        zero_point=node.out.zero_point,
        clamp=node.clamp,
    )


def ratio_of(rule: Requantiser, source: Affine, node: Weighted) -> float | list[float]:
    """``S_x * weight_scale / S`` as the rule forms it: one number, or one for each output channel."""
    ratios = [rule.ratio(source.scale, scale, node.out.scale) for scale in node.weight_scale]
    return ratios if len(ratios) > 1 else ratios[0]


def moved(x: ArrayLike, source: Affine, out: Affine, rule: str, clamp: tuple[int, int] | None = None) -> Integers:
    """Integers in another quantisation: ``clamp(rule(x - z_x) + z)``, by the ratio of the scales.

    Raises ``ValueError`` for an integer that ``source`` lacks, ``OverflowError`` where a step of the rule leaves its
    width.

    >>> import formats
    >>> half, one = (Affine(format=formats.get("int8"), scale=s, zero_point=z) for s, z in ((0.5, 3), (1.0, -10)))
    >>> moved([3, 5, 6, 127], half, one, "tvm_tonearest")
    array([-10,  -9,  -8,  52], dtype=int8)
    """
    record = requantiser(rule)
    difference = centred(x, source, "x").astype(np.int32)
    ratio = record.ratio(source.scale, 1.0, out.scale)
    return requantise(difference, ratio, rule=record, fmt=out.format, zero_point=out.zero_point, clamp=clamp)


def concatenate(inputs: Sequence[ArrayLike], sources: Sequence[Affine], node: Concatenate) -> Integers:
    """Side by side along the last axis; an input of another quantisation than the output's is `moved` to it.

    >>> import formats
    >>> half, one = (Affine(format=formats.get("int8"), scale=s) for s in (0.5, 1.0))
    >>> node = Concatenate(name="both", inputs=("a", "b"), out=one, rule="tvm_tonearest")
    >>> concatenate([[[2, 4]], [[2, 4]]], [half, one], node)
    array([[1, 2, 2, 4]], dtype=int8)
    """
    dtype = integer_dtype(node.out.format)
    parts = [
        check_integers(x, source, name).astype(dtype) if source == node.out else moved(x, source, node.out, node.rule)
        for x, source, name in zip(inputs, sources, node.inputs, strict=True)
    ]
    return np.concatenate(parts, axis=-1)
