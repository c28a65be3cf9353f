"""Batch norm folded into the weights that precede it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]


def fold_batch_norm(
    weight: ArrayLike,
    bias: ArrayLike | None,
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    epsilon: float,
) -> tuple[Doubles, Doubles]:
    """Weights and bias of one layer that equals a layer followed by a batch norm with frozen statistics.

    ``g = gamma / sqrt(variance + epsilon)``; ``weight' = g * weight``; ``bias' = (bias - mean) * g + beta``, each
    operation in binary64. ``weight``: output channels along its first axis, any number of others. ``bias``: None is 0.
    The other four: one number for each output channel. ``epsilon``: at least 0; frameworks differ (1e-5, 1e-3).

    Raises ``ValueError`` for shapes that do not match, for ``variance < 0``, and where ``variance + epsilon`` is 0.
    Source: Jacob et al., arXiv 1712.05877, section 3.2; HAWQ-V3, arXiv 2011.10680, whose code folds so as well.

    >>> weight, bias = fold_batch_norm([[2.0], [4.0]], None, [3, 1], [0, 1], [1, 2], [3, 0], 1.0)
    >>> weight.tolist(), bias.tolist()
    ([[3.0], [4.0]], [-1.5, -1.0])
    """
    weights = np.asarray(weight, np.float64)
    channels = weights.shape[:1]
    biases = np.zeros(channels) if bias is None else np.asarray(bias, np.float64)
    named = {"bias": biases, "gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    biases, gain, shift, centre, spread = (_per_channel(name, values, channels) for name, values in named.items())
    if not epsilon >= 0:
        raise ValueError(f"epsilon={epsilon} must be at least 0")
    if not (spread >= 0).all() or not (spread + epsilon > 0).all():
        channel = int(np.argmin(spread))
        raise ValueError(
            f"variance={spread[channel]} of channel {channel} with epsilon={epsilon}; "
            "the variance must not be negative, nor the sum 0"
        )
    factor = gain / np.sqrt(spread + epsilon)
    return weights * factor.reshape(-1, *[1] * (weights.ndim - 1)), (biases - centre) * factor + shift


def _per_channel(name: str, values: ArrayLike, channels: tuple[int, ...]) -> Doubles:
    array = np.asarray(values, np.float64)
    if array.shape != channels or not channels:
        raise ValueError(f"{name} has shape {array.shape}; the weight has {channels or 'no'} output channels")
    return array
