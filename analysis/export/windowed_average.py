"""ONNX Runtime's QLinearAveragePool, which averages floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    padded = np.pad(real, ((0, 0), *node.padding, (0, 0)))
    rows, columns = ((padded.shape[1 + axis] - node.window[axis]) // node.strides[axis] + 1 for axis in (0, 1))
    down, right = node.strides
    total = np.zeros((real.shape[0], rows, columns, real.shape[3]), F32)
    for row in range(node.window[0]):
        for column in range(node.window[1]):
            total += padded[:, row : row + rows * down : down, column : column + columns * right : right][
                :, :rows, :columns
            ]
    return total
