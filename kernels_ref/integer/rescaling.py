"""From one quantisation to another: accumulators to integers, and integers to integers."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from formats.integer_only.requantisers import requantiser
from kernels_ref.integer.requantise import requantise
from reference.integer.network import Affine, Concatenate, Weighted
from reference.integer.rescaling import ratio_of


def rescaled(accumulator: Array, source: Affine, node: Weighted) -> Array:
    """The integers of a convolution or linear layer from its accumulators, by the ratio of each output channel."""
    ratio = ratio_of(requantiser(node.rule), source, node)
    return _requantised(accumulator, ratio, node.rule, node.out, node.clamp)


def moved(x: Array, source: Affine, out: Affine, rule: str, clamp: tuple[int, int] | None = None) -> Array:
    """``clamp(rule(x - z_x) + z)``, by the ratio of the scales."""
    centred = x.astype(jnp.int32) - jnp.int32(source.zero_point)
    return _requantised(centred, requantiser(rule).ratio(source.scale, 1.0, out.scale), rule, out, clamp)


def concatenate(inputs: Sequence[Array], sources: Sequence[Affine], node: Concatenate) -> Array:
    """Side by side along the last axis; an input of the output's own quantisation is taken as it is."""
    parts = [
        x if source == node.out else moved(x, source, node.out, node.rule)
        for x, source in zip(inputs, sources, strict=True)
    ]
    return jnp.concatenate(parts, axis=-1)


def _requantised(
    x: Array, ratio: float | Sequence[float], rule: str, out: Affine, clamp: tuple[int, int] | None
) -> Array:
    return requantise(x, ratio, rule=rule, fmt=out.format, zero_point=out.zero_point, clamp=clamp)
