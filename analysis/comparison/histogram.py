"""How relative errors are distributed, on a stated sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.tensors import Tensor
from reference.quantize import Recipe, dequantize, quantize
from reference.quantize.granularity import channels

#: log2 of the edges; what is smaller than the first, zero errors included, counts in the first bin
EDGES = np.linspace(-14.0, 1.0, 61)
_SAMPLE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Fractions of the non-zero elements by ``log2(|x - y| / |x|)``, per channel and by absmax."""

    recipe: Recipe
    fractions: NDArray[np.float64]
    #: every how many channels one was taken
    stride: int


def histograms(tensors: Sequence[Tensor], recipes: Sequence[Recipe]) -> list[Histogram]:
    """A histogram for each recipe, over every ``stride``-th channel of each tensor: about a million elements."""
    stride = max(1, -(-sum(tensor.values.size for tensor in tensors) // _SAMPLE))
    sampled = [tensor.values.reshape(channels(tensor.values.shape))[::stride] for tensor in tensors]
    return [Histogram(recipe=made, fractions=_fractions(sampled, made), stride=stride) for made in recipes]


def _fractions(sampled: Sequence[NDArray[Any]], made: Recipe) -> NDArray[np.float64]:
    counts = sum(_counts(values, made) for values in sampled)
    return np.asarray(counts) / max(np.sum(counts), 1)


def _counts(values: NDArray[Any], made: Recipe) -> NDArray[np.float64]:
    back = dequantize(quantize(values, made, granularity="channel", scale_rule="absmax"))
    x = values.astype(np.float64)
    error = np.abs(x - back)[x != 0] / np.abs(x[x != 0])
    logs = np.log2(np.maximum(error, 2.0 ** EDGES[0]))
    return np.histogram(np.minimum(logs, EDGES[-1]), EDGES)[0].astype(np.float64)
