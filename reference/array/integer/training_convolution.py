"""Convolutions of integer training in 32-bit words, once for NumPy and jax.numpy: NHWC, weights OHWI, stride 1."""

from __future__ import annotations

from reference.array.carrier import Array, Namespace
from reference.array.integer.training_step import multiply


def patches(x: Array, size: int, xp: Namespace) -> Array:
    """(pixels, size * size * channels): what each window of an odd size sees, zeros outside of the picture."""
    side, (batch, height, width, channels) = size // 2, x.shape
    padded = xp.pad(x, ((0, 0), (side, side), (side, side), (0, 0)))
    seen = [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return xp.concatenate(seen, axis=3).reshape(batch * height * width, size * size * channels)


def convolve(x: Array, weight: Array, xp: Namespace) -> Array:
    """int32 accumulators (batch, height, width, out), as cross-correlation."""
    product = multiply(patches(x, weight.shape[1], xp), weight.reshape(len(weight), -1).T, xp)
    return product.reshape(*x.shape[:3], len(weight))


def propagate(error: Array, weight: Array, xp: Namespace) -> Array:
    """int32 errors of the input: the convolution with the weights turned around, in and out exchanged."""
    return convolve(error, xp.transpose(weight[:, ::-1, ::-1], (3, 1, 2, 0)), xp)


def weight_gradient(x: Array, error: Array, size: int, xp: Namespace) -> Array:
    """int32 gradients (out, size, size, in) of the weights."""
    product = multiply(error.reshape(-1, error.shape[3]).T, patches(x, size, xp), xp)
    return product.reshape(error.shape[3], size, size, x.shape[3])
