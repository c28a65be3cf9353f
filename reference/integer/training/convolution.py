"""Convolutions on int8 tensors with one exponent, forward and backward."""

from __future__ import annotations

import numpy as np

from formats.integer_only.training import NITI_CLIPPED, BlockExponentRule
from reference.array.integer import training_convolution
from reference.integer.training.block_exponent import BlockTensor, Int32, narrow
from reference.integer.training.linear import LONGEST_SUM


def convolution(x: BlockTensor, weight: BlockTensor, *, rule: BlockExponentRule = NITI_CLIPPED) -> BlockTensor:
    """Cross-correlation of ``x`` (batch, height, width, in) with ``weight`` (out, size, size, in), narrowed.

    Stride 1, ``size // 2`` zeros on every side, odd sizes. ``ValueError`` where shapes do not fit or a sum has more
    than 132104 terms. Source: NITI's code, TiConv2d, whose size is 3.

    >>> x = BlockTensor(np.int8([[[[100], [2]], [[3], [4]]]]), -5)
    >>> made = convolution(x, BlockTensor(np.int8(np.arange(9).reshape(1, 3, 3, 1)), -7))
    >>> made.q.ravel().tolist(), made.exponent
    ([116, 89, 34, 7], -10)
    """
    _check(x, weight)
    return narrow(training_convolution.convolve(x.q, weight.q, np), x.exponent + weight.exponent, rule=rule)


def convolution_error(
    error: BlockTensor, weight: BlockTensor, *, rule: BlockExponentRule = NITI_CLIPPED
) -> BlockTensor:
    """The error of the input of a `convolution`, from that of its output (batch, height, width, out)."""
    _check(error, BlockTensor(np.swapaxes(weight.q, 0, 3), weight.exponent))
    return narrow(training_convolution.propagate(error.q, weight.q, np), error.exponent + weight.exponent, rule=rule)


def convolution_gradient(x: BlockTensor, error: BlockTensor, *, size: int) -> Int32:
    """int32 gradients (out, size, size, in) of the weights of a `convolution`; their exponent plays no part."""
    if x.q.ndim != 4 or error.q.ndim != 4 or x.q.shape[:3] != error.q.shape[:3] or not size % 2:
        raise ValueError(
            f"x of shape {x.q.shape}, error of shape {error.q.shape}, size={size}; accepted: (batch, height, width, "
            f"in), (batch, height, width, out) and an odd size"
        )
    if x.q.size // x.q.shape[3] > LONGEST_SUM:
        raise ValueError(f"x of shape {x.q.shape}: int32 holds sums of {LONGEST_SUM} pixels at most")
    return training_convolution.weight_gradient(x.q, error.q, size, np)


def _check(x: BlockTensor, weight: BlockTensor) -> None:
    shape = weight.q.shape
    if x.q.ndim != 4 or len(shape) != 4 or x.q.shape[3] != shape[3] or shape[1] != shape[2] or not shape[1] % 2:
        raise ValueError(
            f"x of shape {x.q.shape} and weight of shape {shape}; accepted: (batch, height, width, in) and (out, size, "
            f"size, in) of an odd size"
        )
    if shape[1] * shape[2] * shape[3] > LONGEST_SUM:
        raise ValueError(f"weight of shape {shape}: int32 holds sums of {LONGEST_SUM} terms at most")
