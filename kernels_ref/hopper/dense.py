"""Dense products of 8-bit activations for long batches: one Mosaic GPU kernel for each, bound by the matrix unit."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from formats.products import ScaledProduct, scaled_product, scaled_products
from kernels_ref.codec import as_jax
from kernels_ref.hopper.dense_kernel import kernel
from kernels_ref.hopper.dense_operands import filled, matrices, vectors
from kernels_ref.hopper.dense_plan import Plan, is_dense, is_expanded, is_promoted
from kernels_ref.hopper.dense_variant import DenseVariant
from kernels_ref.hopper.dense_weights import DenseWeights, pack_dense
from kernels_ref.pallas import pallas
from reference.products.arguments import Size, check_given, expected, size
from reference.products.terms import check_dtype


def dense_matmul(
    a: ArrayLike,
    w: ArrayLike | DenseWeights,
    *,
    product: str | ScaledProduct,
    group_scale: ArrayLike | None = None,
    a_scale: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
    token_scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    multiplier: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    variant: DenseVariant | None = None,
    interpret: bool = False,
) -> Array:
    """`reference.scaled_matmul` for long batches, as one Mosaic GPU kernel: same arguments, same codes, bit for bit.

    Both operands are rows of 8-bit codes along K; weights of fewer bits are expanded in registers. Sums are those of
    wgmma in the natural order of K, which is not split. Floating-point sums are the GPU's: the interpreter adds in
    float32, so only sums that are exact in every order are the same there.

    Arguments, where they differ:
        w: weights of fewer than 8 bits may come from `pack_dense`, and must under jit, with the scales of their groups
            in them; else each call packs them.
        variant: how the kernel is laid out, by default as `default_variant` says.
        interpret: run on any backend by Pallas' GPU interpreter, slowly; else a Hopper GPU (H100).

    Returns codes (M, N) of ``product.out``; works under jit. M, N and K may be anything, but TMA takes whole tiles of 8
    rows times 128 bytes: where M or N is no multiple of 8, or K none of 128, XLA copies the operand with zeros added,
    and where M is no multiple of 8 or N none of 64, the results without what is beyond them.

    Raises ``ImportError`` where Mosaic GPU is missing (it needs jax 0.11.2, so Python 3.12); ``ValueError`` for a
    product without a dense kernel, for shapes, for a variant that the product does not allow, and for K so long that
    expanded weights might overflow; ``TypeError`` for dtypes and for arguments that are missing or without meaning.
    Only weights that are packed have their values looked at.

    >>> a, w, scale = (jnp.full(shape, 2, jnp.uint8) for shape in ((1, 32), (8, 32), (8,)))
    >>> y = dense_matmul(a, w, product="w8a8_int8", token_scale=scale[:1], weight_scale=scale,
    ...                  interpret=True)  # doctest: +SKIP
    >>> lax.bitcast_convert_type(y, jnp.bfloat16)[0, 0].item()  # doctest: +SKIP
    512.0
    """
    pallas()
    record = scaled_product(product)
    if not is_dense(record):
        accepted = ", ".join(name for name in scaled_products() if is_dense(scaled_product(name)))
        raise ValueError(f"{record.name} has no dense kernel; those with one: {accepted}")
    terms = {
        "group_scale": group_scale,
        "a_scale": a_scale,
        "weight_scale": weight_scale,
        "token_scale": token_scale,
        "tensor_scale": tensor_scale,
        "multiplier": multiplier,
        "shift": shift,
    }
    given = {name: as_jax(term) for name, term in terms.items() if term is not None}
    if is_expanded(record) and not isinstance(w, DenseWeights):
        w = pack_dense(w, product=record, group_scale=given.pop("group_scale", None))
    weights = w if isinstance(w, DenseWeights) else as_jax(w)
    of = _checked(record, as_jax(a), weights, given)
    layout = variant or default_variant(record, of.m, of.n)
    m, n, k = filled(of.m, of.n, of.k)
    plan = Plan(product=record, m=m, n=n, k=k, variant=layout)
    return _compiled(plan, (of.m, of.n), interpret)(as_jax(a), weights, given)


def _checked(record: ScaledProduct, a: Array, w: Array | DenseWeights, given: dict[str, Array]) -> Size:
    """The sizes; what is inside packed weights was checked when they were packed."""
    packed = isinstance(w, DenseWeights)
    if packed and not is_expanded(record):
        raise TypeError(f"{record.name} takes codes of weights, not packed ones")
    for name, array in {"a": a, **({} if packed else {"w": w}), **given}.items():
        check_dtype(name, array.dtype, record, encoder="kernels_ref.encode")
        if name in ("a", "w") and array.dtype != jnp.uint8:
            raise TypeError(f"{name} holds uint8 codes of {record.a}, not {array.dtype.name}")
    of = size(record, a.shape, (w.n, w.k) if packed else w.shape, None)
    shapes = {name: term.shape for name, term in given.items()}
    if packed and w.scales is not None:
        if "group_scale" in given:
            raise TypeError("group_scale was packed with the weights")
        shapes["group_scale"] = expected(record, of)["group_scale"]
    check_given(record, of, shapes)
    return of


@functools.lru_cache(maxsize=256)
def _compiled(
    plan: Plan, shape: tuple[int, int], interpret: bool
) -> Callable[[Array, Array | DenseWeights, dict[str, Array]], Array]:
    code = jnp.dtype(f"uint{plan.out_bits}")

    def run(a: Array, w: Array | DenseWeights, given: dict[str, Array]) -> Array:
        if 0 in shape:
            return lax.full(shape, 0, code)
        y = kernel(plan, interpret=interpret)(*matrices(a, w, plan), *vectors(w, given, plan))
        return lax.bitcast_convert_type(y[: shape[0], : shape[1]], code)

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


def default_variant(product: str | ScaledProduct, m: int, n: int) -> DenseVariant:
    """The layout for M x N results: tiles of 128 x 256, smaller ones where those would be empty or too few.

    >>> default_variant("w8a8_int8", 8192, 8192)  # doctest: +NORMALIZE_WHITESPACE
    DenseVariant(rows=128, columns=256, depth=128, stages=4, warpgroups=2, cluster=2, band=8, blocks=132)
    """
    record = scaled_product(product)
    rows, columns = (n, m) if is_expanded(record) else (m, n)
    warpgroups = 1 if rows <= 64 else 2
    by_rows: dict[str, int] = {"rows": 64 * warpgroups, "warpgroups": warpgroups, "cluster": 2 if rows > 128 else 1}
    if is_promoted(record):
        return DenseVariant(columns=record.weight_rows, **by_rows)
    wide = min(256, max(64, 1 << (columns - 1).bit_length()))
    few = math.ceil(rows / (64 * warpgroups)) * math.ceil(columns / wide) < 132
    wide = max(64, wide // 2) if few and wide > 64 else wide
    return DenseVariant(columns=wide, stages={256: 4, 128: 6, 64: 8}[wide], **by_rows)
