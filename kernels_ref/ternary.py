"""Ternary weights, BitNet's activations and linear layer, and llama.cpp's ternary blocks in JAX, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats.ternary.activations import TokenQuantizer, token_quantizer
from formats.ternary.storage import TernaryBlock, ternary_block
from formats.ternary.weights import WeightQuantizer, weight_quantizer
from reference import ternary_blocks as blocks
from reference.array import ternary_blocks as array_blocks
from reference.array import ternary_tokens, ternary_weights
from reference.quantize import ternary

_jit: Any = jax.jit  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
scan: Any = lax.scan


def quantize_ternary(w: ArrayLike, quantizer: str | WeightQuantizer) -> tuple[Array, Array]:
    """Codes (int8) and scales (float32) of `reference.quantize.ternary.quantize_ternary`, bit for bit.

    Same arguments and errors; works under jit, where finiteness is the caller's part. A row of zeros has codes 0 and
    the scale that its record says.

    >>> quantize_ternary(jnp.array([[3.0, -1.0, 1.0, -1.0]]), "tbt_binary_code")
    (Array([[ 1, -1,  1, -1]], dtype=int8), Array([1.5], dtype=float32))
    """
    made, values = weight_quantizer(quantizer), as_array(w)
    ternary.check_values(values, "float32")
    refuse(values, ternary.refuse_values)
    codes, scale = _weights(values, made)
    return codes, scale if made.by_row else scale.reshape(())


def quantize_tokens(x: ArrayLike, quantizer: str | TokenQuantizer) -> tuple[Array, Array]:
    """`reference.quantize.ternary.quantize_tokens` in JAX: same arguments, same codes and scales; works under jit.

    >>> quantize_tokens(jnp.array([0.5, -1.27, 0.635]), "bitnet_tokens_code")
    (Array([  50, -127,   64], dtype=int8), Array(100., dtype=float32))
    """
    made, values = token_quantizer(quantizer), as_array(x)
    ternary.check_tokens(values, made)
    refuse(values, ternary.refuse_values)
    return _tokens(values, made)


def bitnet_linear(codes: ArrayLike, trits: ArrayLike, scale: ArrayLike, gamma: ArrayLike) -> Array:
    """`reference.quantize.ternary.bitnet_linear` in JAX: same arguments, same values; works under jit.

    >>> int8 = jnp.int8
    >>> bitnet_linear(jnp.array([9, 5], int8), jnp.array([[1, -1]], int8), jnp.float32(2), jnp.float32(3))
    Array([6.], dtype=float32)
    """
    q, t, s, g = (as_array(part) for part in (codes, trits, scale, gamma))
    ternary.check_linear(q, t, s, g)
    return _linear(q, t, s, g)


def quantize_ternary_blocks(x: ArrayLike, block: str | TernaryBlock) -> Array:
    """`reference.ternary_blocks.quantize_ternary_blocks` in JAX: same arguments, same bytes; works under jit.

    What that refuses by its values is, under a transformation, the caller's part.

    >>> quantize_ternary_blocks(jnp.zeros(256), "tq2_0").shape
    (1, 66)
    """
    made, values = ternary_block(block), as_array(x)
    blocks.check_values(values)
    refuse(values, blocks.refuse_values)
    return _quantize_blocks(values, made)


def dequantize_ternary_blocks(words: ArrayLike, block: str | TernaryBlock) -> Array:
    """`reference.ternary_blocks.dequantize_ternary_blocks` in JAX: same arguments, same values; works under jit.

    >>> dequantize_ternary_blocks(quantize_ternary_blocks(jnp.full(256, 0.75), "tq1_0"), "tq1_0")[:2]
    Array([0.75, 0.75], dtype=float32)
    """
    made, array = ternary_block(block), as_array(words)
    blocks.check_blocks(array, made)
    return _dequantize_blocks(array, made)


def quantize_q8_k(x: ArrayLike) -> tuple[Array, Array]:
    """`reference.ternary_blocks.quantize_q8_k` in JAX: same arguments, same codes and scales; works under jit.

    >>> quantize_q8_k(jnp.full(256, 2.0))[0][0, :2]
    Array([-127, -127], dtype=int8)
    """
    values = as_array(x)
    blocks.check_values(values)
    refuse(values, blocks.refuse_values)
    return _q8_k(values)


def as_array(values: ArrayLike) -> Any:
    """A JAX array as it is, anything else by NumPy."""
    return values if isinstance(values, Array) else np.asarray(values)


def refuse(values: Any, check: Callable[[Any], None]) -> None:
    """Apply a check of values where they can be seen."""
    if not isinstance(values, Tracer):
        check(np.asarray(values))


def bits(values: Array) -> Array:
    """Patterns of float32."""
    return values.view(jnp.uint32)


def floats(patterns: Array) -> Array:
    """float32 of patterns."""
    return patterns.view(jnp.float32)


def _weights_array(values: Array, made: WeightQuantizer) -> tuple[Array, Array]:
    codes, scale = ternary_weights.quantize_rows(ternary.grouped(bits(values), made), made, jnp, scan)
    return codes.reshape(values.shape), floats(scale)


def _tokens_array(values: Array, made: TokenQuantizer) -> tuple[Array, Array]:
    whole = bits(lax.convert_element_type(values, jnp.float32))  # exact; NumPy's bfloat16 has no uint32 view
    codes, scale = ternary_tokens.quantize_tokens(whole, made, jnp)
    return codes.astype(ternary.code_dtype(made)), floats(scale)


def _linear_array(q: Array, t: Array, s: Array, g: Array) -> Array:
    total = jnp.matmul(q, t.T, preferred_element_type=jnp.int32)
    return floats(ternary_tokens.scaled_products(total, bits(s), bits(g), jnp))


def _quantize_blocks_array(values: Array, made: TernaryBlock) -> Array:
    return array_blocks.quantize(bits(values), made, jnp)


def _dequantize_blocks_array(words: Array, made: TernaryBlock) -> Array:
    return floats(array_blocks.dequantize(words, made, jnp))


def _q8_k_array(values: Array) -> tuple[Array, Array]:
    codes, scale = array_blocks.quantize_q8_k(blocks.split(bits(values)), jnp)
    return codes, floats(scale)


_weights: Callable[..., tuple[Array, Array]] = _jit(_weights_array, static_argnums=1)
_tokens: Callable[..., tuple[Array, Array]] = _jit(_tokens_array, static_argnums=1)
_linear: Callable[..., Array] = _jit(_linear_array)
_quantize_blocks: Callable[..., Array] = _jit(_quantize_blocks_array, static_argnums=1)
_dequantize_blocks: Callable[..., Array] = _jit(_dequantize_blocks_array, static_argnums=1)
_q8_k: Callable[..., tuple[Array, Array]] = _jit(_q8_k_array)
