"""Integer-valued networks on NumPy arrays: rational numbers over one denominator are integers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formats.order.ivnn import Ivnn

LARGEST = (1 << 31) - 1
Int32 = NDArray[np.int32]


def run_ivnn(network: Ivnn, numerators: ArrayLike, *, denominator: int) -> NDArray[np.int32]:
    """The network's numbers over ``denominator``, in int32: exactly those of rational arithmetic.

    ``numerators``: int32 (..., inputs), of ``x = numerators / denominator``. ``denominator``: a multiple of the
    network's own. Raises ``TypeError`` (dtype) or ``ValueError``: axes, the denominator, or numbers within which an
    int32 may overflow, with the bound.

    >>> from formats.order.ivnn import IvnnLayer
    >>> net = Ivnn(layers=(IvnnLayer(weights=((1, -2),), bias=(0,), thresholds=(0,)),))
    >>> run_ivnn(net, np.int32([[7, 2], [2, 7]]), denominator=3)
    array([[3],
           [0]], dtype=int32)
    """
    x = np.asarray(numerators)
    check(network, x, denominator)
    refuse_overflow(network, int(np.abs(x.astype(np.int64)).max(initial=0)), denominator)
    for weights, bias, thresholds in int32_layers(network, denominator):
        x = np.maximum((x[..., None, :] * weights).sum(axis=-1, dtype=np.int32) + bias, thresholds)
    return x


class Layer(NamedTuple):
    """Weights, and biases and thresholds times the denominator."""

    weights: tuple[tuple[int, ...], ...]
    bias: tuple[int, ...]
    thresholds: tuple[int | None, ...]


def integer_layers(network: Ivnn, denominator: int) -> list[Layer]:
    """The layers in integers of any size."""
    return [
        Layer(
            layer.weights,
            tuple(int(b * denominator) for b in layer.bias),
            tuple(None if t is None else int(t * denominator) for t in layer.thresholds),
        )
        for layer in network.layers
    ]


def int32_layers(network: Ivnn, denominator: int) -> list[tuple[Int32, Int32, Int32]]:
    """The same in int32, once `refuse_overflow` has passed; no threshold is the least int32."""
    return [
        (
            np.array(layer.weights, np.int32),
            np.array(layer.bias, np.int32),
            np.array([-LARGEST - 1 if t is None else t for t in layer.thresholds], np.int32),
        )
        for layer in integer_layers(network, denominator)
    ]


def bound(network: Ivnn, largest: int, denominator: int) -> int:
    """The largest magnitude that any sum or partial sum can have for numerators up to ``largest``.

    Layer by layer ``m'_k = max(sum_j |A_kj| m_j + |b_k|, |t_k|)``, over the denominator.

    >>> from formats.order.ivnn import IvnnLayer
    >>> bound(Ivnn(layers=(IvnnLayer(weights=((1, -2),), bias=(4,), thresholds=(0,)),)), 10, 3)
    42
    """
    reached: list[int] = [largest] * network.layers[0].inputs
    found = largest
    for weights, bias, thresholds in integer_layers(network, denominator):
        sums = [
            sum(abs(w) * m for w, m in zip(row, reached, strict=True)) + abs(b)
            for row, b in zip(weights, bias, strict=True)
        ]
        reached = [max(s, 0 if t is None else abs(t)) for s, t in zip(sums, thresholds, strict=True)]
        found = max(found, *reached)
    return found


def check(network: Ivnn, x: Any, denominator: int) -> None:
    """``TypeError`` or ``ValueError`` for what no numbers are needed to see."""
    if x.dtype.name != "int32":
        raise TypeError(f"numerators have dtype {x.dtype.name}; accepted: int32")
    if x.shape[-1:] != (network.layers[0].inputs,):
        raise ValueError(f"numerators of shape {x.shape} have no last axis of {network.layers[0].inputs} inputs")
    if denominator < 1 or denominator % network.denominator:
        raise ValueError(f"denominator={denominator} must be a positive multiple of {network.denominator}")


def refuse_overflow(network: Ivnn, largest: int, denominator: int) -> None:
    """``ValueError`` where int32 may not hold a number of the network."""
    found = bound(network, largest, denominator)
    if found > LARGEST:
        raise ValueError(
            f"numbers may reach {found} over {denominator} for numerators up to {largest}; int32 holds {LARGEST}"
        )
