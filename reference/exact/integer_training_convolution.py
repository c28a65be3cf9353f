"""The judge of convolutions in integer training: sums over windows, in Python integers."""

from __future__ import annotations

from itertools import product

#: [picture][row][column][channel]
Pictures = list[list[list[list[int]]]]


def convolve(x: Pictures, weight: Pictures) -> Pictures:
    """``y[b, i, j, o] = sum x[b, i + k - s, j + l - s, c] * weight[o, k, l, c]``, zeros outside, ``s = size // 2``.

    >>> convolve([[[[1], [2]], [[3], [4]]]], [[[[0], [0], [0]], [[1], [0], [0]], [[0], [0], [5]]]])
    [[[[20], [1]], [[0], [3]]]]
    """
    height, width, size = len(x[0]), len(x[0][0]), len(weight[0])
    made: Pictures = [[[[0 for _ in weight] for _ in row] for row in picture] for picture in x]
    for b, i, j, o in product(range(len(x)), range(height), range(width), range(len(weight))):
        made[b][i][j][o] = sum(
            v * w
            for k, m in product(range(size), repeat=2)
            if 0 <= i + k - size // 2 < height and 0 <= j + m - size // 2 < width
            for v, w in zip(x[b][i + k - size // 2][j + m - size // 2], weight[o][k][m], strict=True)
        )
    return made


def propagate(error: Pictures, weight: Pictures) -> Pictures:
    """The derivative of ``sum error * convolve(x, weight)`` by every ``x``."""
    height, width, size = len(error[0]), len(error[0][0]), len(weight[0])
    made: Pictures = [[[[0 for _ in weight[0][0][0]] for _ in row] for row in picture] for picture in error]
    for b, i, j, o, k, m in product(
        range(len(error)), range(height), range(width), range(len(weight)), range(size), range(size)
    ):
        row, column = i + k - size // 2, j + m - size // 2
        if 0 <= row < height and 0 <= column < width:
            for c, w in enumerate(weight[o][k][m]):
                made[b][row][column][c] += error[b][i][j][o] * w
    return made


def weight_gradient(x: Pictures, error: Pictures, size: int) -> Pictures:
    """The derivative of ``sum error * convolve(x, weight)`` by every weight."""
    height, width, outputs = len(x[0]), len(x[0][0]), len(error[0][0][0])
    made: Pictures = [[[[0 for _ in x[0][0][0]] for _ in range(size)] for _ in range(size)] for _ in range(outputs)]
    for b, i, j, o, k, m in product(
        range(len(x)), range(height), range(width), range(outputs), range(size), range(size)
    ):
        row, column = i + k - size // 2, j + m - size // 2
        if 0 <= row < height and 0 <= column < width:
            for c, v in enumerate(x[b][row][column]):
                made[o][k][m][c] += error[b][i][j][o] * v
    return made
