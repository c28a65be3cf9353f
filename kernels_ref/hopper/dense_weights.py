"""Weights of few bits for the dense kernel: packed as the streaming kernel has them, expanded in registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from numpy.typing import NDArray

from formats.products import ScaledProduct, StreamK, scaled_product
from kernels_ref.codec import as_jax
from kernels_ref.hopper import rows
from kernels_ref.hopper.block_of_weights import interpreted, pieces
from kernels_ref.hopper.decoder import decoder
from kernels_ref.hopper.dense_plan import Plan, is_dense, is_expanded
from kernels_ref.hopper.fragments import CHUNK, ROWS
from kernels_ref.hopper.packed import PackedWeights
from kernels_ref.hopper.planes import LINE, lines, pack_planes
from kernels_ref.pallas import pallas
from reference.products.arguments import Size, expected, groups_of
from reference.products.terms import checked, refuse_missing_weights

#: rows and elements of K that are packed together
UNIT = StreamK()


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """Packed weights: `planes.pack_planes` of units of 128 rows times 256 elements of K, and what N and K are."""

    words: Array
    scales: Array | None  #: codes of the scales of groups, (K / group, N), N filled up to 8 or more
    n: int
    k: int


jax.tree_util.register_dataclass(DenseWeights, data_fields=["words", "scales"], meta_fields=["n", "k"])


def pack_dense(w: ArrayLike, *, product: str | ScaledProduct, group_scale: ArrayLike | None = None) -> DenseWeights:
    """Weights of fewer than 8 bits, codes (N, K), as `dense_matmul` takes them; on the host, once for many calls.

    Rows and K are filled up to whole units with the code 0. ``group_scale``: codes (N, K / group), for products that
    have it. Raises ``TypeError`` under jit, for dtypes, and for a scale that is missing or without meaning;
    ``ValueError`` for a product whose weights are taken as they lie, for shapes, and for codes that the format lacks.

    >>> pack_dense(np.zeros((130, 64), np.uint8), product="w4a8_qqq_channel").words.shape
    (2, 32, 128)
    """
    record = scaled_product(product)
    _check_product(record)
    if isinstance(w, Tracer) or isinstance(group_scale, Tracer):
        raise TypeError("weights are packed on the host: call pack_dense outside of jit")
    codes = np.asarray(w)
    if codes.dtype != np.uint8 or codes.ndim != 2:
        raise TypeError(f"w has dtype {codes.dtype.name} and shape {codes.shape}; it takes uint8 codes (N, K)")
    n, k = codes.shape
    scales = None if group_scale is None else np.asarray(group_scale)
    _check_scales(record, n, k, scales)
    checked_codes = checked("w", codes, record, encoder="reference.encode")
    if scales is not None:
        scales = checked("group_scale", scales, record, encoder="reference.encode")
        refuse_missing_weights(codes, scales[:, groups_of(record.group, k)], record)
        scales = np.pad(scales.T, ((0, 0), (0, -n % 8)))
    whole = np.pad(checked_codes, ((0, -n % UNIT.rows), (0, -k % UNIT.depth)))
    words = pack_planes(whole, decoder(record), UNIT.rows, UNIT.depth)
    return DenseWeights(as_jax(words), None if scales is None else as_jax(scales), n, k)


def dense_weights(packed: PackedWeights) -> DenseWeights:
    """What `pack_dense` makes, from what `pack_weights` made: the words are the same array, for long batches as well.

    Raises ``ValueError`` for a product without packed weights for the dense kernel, and for another ``split`` than
    units of 128 rows times 256 elements of K.

    >>> from kernels_ref.hopper.packed import pack_weights
    >>> w = np.zeros((3, 8), np.uint8)
    >>> packed = pack_weights(w, product="ternary_int8", tensor_scale=np.float32(1), split=UNIT)
    >>> dense_weights(packed).words is packed.words
    True
    """
    product, work = packed.product, packed.work
    _check_product(product)
    if (work.split.rows, work.split.depth) != (UNIT.rows, UNIT.depth):
        raise ValueError(f"{work.split} has other units than the dense kernel: {UNIT.rows} rows, {UNIT.depth} of K")
    scales = packed.scales
    if scales is not None:
        of_units = rows.scales(product, UNIT.depth).unpack(scales)  # (tiles * steps, rows, groups)
        by_unit = of_units.reshape(work.tiles, work.steps, UNIT.rows, -1)
        scales = by_unit.transpose(1, 3, 0, 2).reshape(-1, work.tiles * UNIT.rows)
    return DenseWeights(packed.words, scales, work.n, work.k)


def _check_product(product: ScaledProduct) -> None:
    if not (is_dense(product) and is_expanded(product)):
        raise ValueError(f"{product.name} has no packed weights for the dense kernel")


def _check_scales(product: ScaledProduct, n: int, k: int, scales: NDArray[Any] | None) -> None:
    wanted = {name: shape for name, shape in expected(product, Size(0, n, k, k, None)).items() if name == "group_scale"}
    if scales is None and wanted:
        raise TypeError(f"{product.name} needs group_scale, of shape {wanted['group_scale']}")
    if scales is not None and not wanted:
        raise TypeError(f"group_scale means nothing for {product.name}")
    if scales is not None and scales.shape != wanted["group_scale"]:
        raise ValueError(f"group_scale has shape {scales.shape}; {product.name} takes {wanted['group_scale']}")


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
