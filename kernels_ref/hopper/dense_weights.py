"""Weights of few bits for the dense kernel: packed as the streaming kernel has them, expanded in registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

import formats
from formats.products import ScaledProduct, StreamK, scaled_product
from kernels_ref.hopper.block_of_weights import interpreted, pieces
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.dense_plan import Plan, is_dense, is_expanded
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.planes import LINE, lines, pack_planes
from kernels_ref.pallas import pallas
from reference.matmul import refuse_named_codes

#: rows and elements of K that are packed together
UNIT = StreamK()


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """Packed weights: `planes.pack_planes` of units of 128 rows times 256 elements of K, and what N and K are."""

    words: Array
    n: int
    k: int


jax.tree_util.register_dataclass(DenseWeights, data_fields=["words"], meta_fields=["n", "k"])


def pack_dense(w: ArrayLike, *, product: str | ScaledProduct) -> DenseWeights:
    """Weights of fewer than 8 bits, codes (N, K), as `dense_matmul` takes them; on the host, once for many calls.

    Rows and K are filled up to whole units with the code 0. Raises ``TypeError`` under jit and for dtypes,
    ``ValueError`` for a product whose weights are taken as they lie, and for codes that the format lacks.

    >>> pack_dense(np.zeros((130, 64), np.uint8), product="w4a8_qqq_channel").words.shape
    (2, 32, 128)
    """
    record = scaled_product(product)
    if not (is_dense(record) and is_expanded(record)):
        raise ValueError(f"{record.name} has no packed weights for the dense kernel")
    if isinstance(w, Tracer):
        raise TypeError("weights are packed on the host: call pack_dense outside of jit")
    codes = np.asarray(w)
    if codes.dtype != np.uint8 or codes.ndim != 2:
        raise TypeError(f"w has dtype {codes.dtype.name} and shape {codes.shape}; it takes uint8 codes (N, K)")
    refuse_named_codes("w", codes, formats.get(record.w))
    n, k = codes.shape
    whole = np.pad(codes, ((0, -n % UNIT.rows), (0, -k % UNIT.depth)))
    words = pack_planes(whole, decoder(record), UNIT.rows, UNIT.depth)
    return DenseWeights(jnp.asarray(words), n, k)  # pyright: ignore[reportUnknownMemberType]


def block_lines(product: ScaledProduct) -> int:
    """Lines of 128 words of a block of 64 rows times 128 elements of K."""
    return lines(decoder(product))


def blocks(words: Array, product: ScaledProduct) -> Array:
    """The words block by block, (blocks, lines, 128); `block_index` says which is where."""
    return words.reshape(-1, block_lines(product), LINE)


def block_index(row: Any, step: Any, k: int) -> Any:
    """Which block has rows from ``row`` on, a multiple of 64, and K from ``128 step`` on."""
    high, deep = UNIT.rows // ROWS, UNIT.depth // CHUNK
    block = row // ROWS
    unit = block // high * -(-k // UNIT.depth) + step // deep
    return (unit * high + block % high) * deep + step % deep


def expanded(ref: Any, scale: Any, plan: Plan, *, interpret: bool) -> Any:
    """The weights of a block times a power of two, as the left operand of the matrix unit; ``scale``: of its rows."""
    code = decoder(plan.product)
    rows = [] if scale is None else [scale | scale << 16]
    if interpret:
        return interpreted(code, plan.operand, ref[...], *rows)
    plgpu, _ = pallas()
    layout = plgpu.Layout.WG_STRIDED((lines(code), LINE), vec_size=4)
    words = plgpu.load(ref, layout=layout, optimized=False)
    (operand,) = pieces(code, plan.operand, CHUNK, CHUNK)(words, *rows)
    return operand


def exponent(product: ScaledProduct) -> int:
    """The power of two."""
    return decoder(product).exponent
