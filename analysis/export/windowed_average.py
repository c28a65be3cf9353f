"""ONNX Runtime's QLinearAveragePool, which averages floats."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.array.integer.windows import padded, places
from reference.integer.network import Affine, Pool

F32 = np.float32


def onnxruntime_average(x: NDArray[np.integer[Any]], source: Affine, node: Pool) -> NDArray[np.int64]:
    """``rne(sum / n / S + z)``: ``sum`` adds the real numbers ``(x - z_x) S_x`` row by row, all in binary32.

    The zero point is rounded with the rest; padding counts in no ``n``. ``x``: (batch, rows, columns, channels).
    """
    assert node.window is not None
    real = (x.astype(np.int64) - source.zero_point).astype(F32) * F32(source.scale)
    total, count = _sums(real, node), _sums(np.ones_like(real), node)
    return np.rint(total / count / F32(node.out.scale) + F32(node.out.zero_point)).astype(np.int64)


def _sums(real: NDArray[np.float32], node: Pool) -> NDArray[np.float32]:
    """Each window's numbers, added in their order; zeros outside change no sum."""
    assert node.window is not None
    parts = [pixels for _, _, pixels in places(padded(real, node.padding, 0, np), node.window, node.strides)]
    return functools.reduce(np.add, parts)
