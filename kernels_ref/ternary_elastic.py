"""TBT's elastic activations in JAX, differentiable by the published gradients."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from formats.ternary.activations import ElasticQuantizer, elastic_quantizer
from kernels_ref.ternary import as_array, bits, floats, refuse, scan
from reference.array import ternary_elastic
from reference.quantize import elastic_activations as golden
from reference.quantize.ternary import check_values, refuse_values

_jit: Any = jax.jit  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_custom_vjp: Any = jax.custom_vjp


def elastic(x: ArrayLike, alpha: ArrayLike, quantizer: str | ElasticQuantizer) -> Array:
    """The values of `reference.quantize.elastic`, bit for bit, with the gradients of its `elastic_gradients`.

    Same arguments and errors; works under jit and grad, where the checks of values are the caller's part.

    >>> f = lambda a: elastic(jnp.array([3.0, -1.0, 1.5]), a, "tbt_signed_2bit_paper").sum()
    >>> jax.value_and_grad(f)(jnp.float32(2))
    (Array(0., dtype=float32), Array(-1.0833334, dtype=float32))
    """
    made, values, scale = elastic_quantizer(quantizer), as_array(x), as_array(alpha)
    golden.check_elastic(values, scale)
    refuse(values, refuse_values)
    refuse(scale, golden.refuse_alpha)
    return _elastic(values, scale, made)


def elastic_start(x: ArrayLike, quantizer: str | ElasticQuantizer) -> Array:
    """`reference.quantize.elastic_start` in JAX: same arguments, same value; works under jit.

    >>> elastic_start(jnp.array([1.0, -3.0]), "tbt_signed_2bit_code")
    Array(4., dtype=float32)
    """
    made, values = elastic_quantizer(quantizer), as_array(x)
    golden.check_start(made)
    check_values(values, "float32")
    refuse(values, refuse_values)
    return _start(values, made)


@functools.partial(_custom_vjp, nondiff_argnums=(2,))
def _elastic(x: Array, alpha: Array, made: ElasticQuantizer) -> Array:
    return _forward(x, alpha, made)


def _elastic_forward(x: Array, alpha: Array, made: ElasticQuantizer) -> tuple[Array, tuple[Array, Array]]:
    return _forward(x, alpha, made), (x, alpha)


def _elastic_backward(made: ElasticQuantizer, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    return _backward(*kept, gradient, made)


_elastic.defvjp(_elastic_forward, _elastic_backward)


@functools.partial(_jit, static_argnums=2)
def _forward(x: Array, alpha: Array, made: ElasticQuantizer) -> Array:
    flat = ternary_elastic.forward(bits(x).reshape(-1), bits(alpha).reshape(-1), made, jnp, scan)[1]
    return floats(flat).reshape(x.shape)


@functools.partial(_jit, static_argnums=3)
def _backward(x: Array, alpha: Array, gradient: Array, made: ElasticQuantizer) -> tuple[Array, Array]:
    parts = bits(x).reshape(-1), bits(alpha).reshape(-1), bits(gradient).reshape(-1)
    dx, dalpha = ternary_elastic.backward(parts[0], parts[1], parts[2], made, jnp, scan)
    return floats(dx).reshape(x.shape), floats(dalpha).reshape(alpha.shape)


@functools.partial(_jit, static_argnums=1)
def _start(x: Array, made: ElasticQuantizer) -> Array:
    return floats(ternary_elastic.start(bits(x).reshape(-1), made, jnp, scan))
