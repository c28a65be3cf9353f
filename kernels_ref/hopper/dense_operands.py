"""What a dense kernel is given, made of the arguments on the device: types, padding, the order of scales."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from formats.products import Factor
from kernels_ref.hopper.dense_epilogue import moves
from kernels_ref.hopper.dense_plan import Plan
from kernels_ref.hopper.dense_variant import SQUARE
from kernels_ref.hopper.dense_weights import DenseWeights, blocks
from reference.products.terms import DYADIC

#: TMA takes tiles of 8 rows times 128 bytes: operands are filled up to them, results to whole squares
_ROWS, _DEPTH = 8, 128
#: bytes that rows of scales are a multiple of
_PITCH = 16


def filled(m: int, n: int, k: int) -> tuple[int, int, int]:
    """M, N and K of the results and operands in memory, of whole tiles.

    >>> filled(1, 100, 4096)
    (8, 128, 4096)
    """
    return _up(m, _ROWS), _up(n, SQUARE), _up(k, _DEPTH)


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def matrices(a: Array, w: Array | DenseWeights, plan: Plan) -> tuple[Array, Array]:
    """Activations (M, K) and weights, (N, K) or packed, of the types that the kernel takes."""
    left = lax.bitcast_convert_type(_filled(a, (plan.m, plan.k)), plan.operand)
    if isinstance(w, DenseWeights):
        return left, blocks(w.words, plan.product)
    return left, lax.bitcast_convert_type(_filled(w, (_up(w.shape[0], _ROWS), plan.k)), plan.operand)


def vectors(w: Array | DenseWeights, given: dict[str, Array], plan: Plan) -> list[Array]:
    """`Plan.terms`, filled up to whole tiles."""
    made = {name: _words(given[name]) for name in plan.terms if name in given and name != "a_scale"}
    if plan.product.requantiser is not None:
        ratio = (_filled(given[name].astype(jnp.int32), (plan.filled["n"],)) for name in DYADIC)
        made["multiplier"], shift = ratio
        made["move"] = moves(shift)
    if plan.is_promoted:
        turned = _words(given["a_scale"]).T
        made["a_scale"] = _filled(turned, (turned.shape[0], _up(turned.shape[1], _PITCH // 4)))
    elif isinstance(w, DenseWeights) and w.scales is not None:
        made["group_scale"] = w.scales
    for factor, size in ((Factor.WEIGHT_SCALE, "n"), (Factor.TOKEN_SCALE, "m")):
        if factor in plan.product.epilogue:
            made[factor.value] = _filled(made[factor.value], (plan.filled[size],))
    if Factor.TENSOR_SCALE in plan.product.epilogue:
        made[Factor.TENSOR_SCALE.value] = made[Factor.TENSOR_SCALE.value].reshape(1)
    return [made[name] for name in plan.terms]


def _words(term: Array) -> Array:
    """float32 numbers, of numbers or of codes of float32."""
    return lax.bitcast_convert_type(term, jnp.float32) if term.dtype == jnp.uint32 else term.astype(jnp.float32)


def _filled(x: Any, shape: tuple[int, ...]) -> Array:
    ends = [(0, full - size, 0) for full, size in zip(shape, x.shape, strict=True)]
    return lax.pad(x, np.zeros((), x.dtype), ends) if x.shape != shape else x
