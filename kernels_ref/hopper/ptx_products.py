"""Products with quantised weights as cases of the lint, each with the claims that follow from its record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from formats.products import Factor, ScaledProduct, StreamK, Weight, scaled_product, scaled_products
from kernels_ref.hopper.cut import default_split
from kernels_ref.hopper.dense import default_variant, dense_matmul
from kernels_ref.hopper.dense_plan import is_dense, is_expanded
from kernels_ref.hopper.dense_weights import pack_dense
from kernels_ref.hopper.fragments import ROWS
from kernels_ref.hopper.packed import PackedWeights, pack_weights
from kernels_ref.hopper.ptx_case import Case, Program
from kernels_ref.hopper.ptx_lint import Claims
from kernels_ref.hopper.scaled_matmul import dealt, streamed
from kernels_ref.hopper.variant import Variant
from kernels_ref.hopper.work import Work
from reference.products.arguments import expected, size

#: N and K of the weights of a large layer
N, K = 28672, 8192
#: rows of activations: each is code of its own
BATCHES = (8, 16, 64, 256)
_THREADS = 128


def streamed_products() -> Iterator[Case]:
    """`kernels_ref.hopper.streamed`: every product, at each batch, and cut as is best for these N and K."""
    for name in scaled_products():
        product = scaled_product(name)
        usual, few = default_split(product), default_split(product, shape=(N, K), tokens=16)
        yield from (_streamed(product, m, usual) for m in BATCHES)
        if few != usual:
            yield from (_streamed(product, m, few) for m in BATCHES if m <= 64)


def _streamed(product: ScaledProduct, m: int, split: StreamK) -> Case:
    work = dealt(product, Work(split=split, n=N, k=K), m)

    def pack(w: Any, terms: Any) -> PackedWeights:
        return pack_weights(w, product=product, split=split, **terms)

    def run(packed: PackedWeights, a: Any, late: Any) -> Any:
        return streamed(packed, a, **late)

    def program() -> Program:
        terms = _terms(product, m, N, K)
        late = {name: terms.pop(name) for name in ("a_scale", Factor.TOKEN_SCALE.value) if name in terms}
        packed: Any = jax.eval_shape(pack, _array((N, K), "uint8"), terms)  # pyright: ignore[reportUnknownMemberType]
        return run, (packed, _array((m, K), _codes(product.a)), late)

    name = f"streamed {product.name} M={m}" + (", K whole" if work.planes == 1 else "")
    return Case(name=name, program=program, claims=_of_streamed(product, m, work))


def _of_streamed(product: ScaledProduct, m: int, work: Work) -> Claims:
    """What follows from the record, for a thread and a unit of K.

    Each sum takes one fused addition for each group, where groups are folded so. Expanding two weights to bfloat16
    takes one of halves, and scaling them one more; expanding them to float16 takes one, and requantising them one more:
    all but the last are exact, or products alone. Parts of a tile are handed over by one semaphore.
    """
    split = work.split
    folds = split.depth // (product.group or split.depth) if product.scales_sums else 0
    pairs = ROWS * split.depth // _THREADS // 2
    expanded = product.a == "bfloat16" or product.weight is Weight.REQUANTISED
    halves = pairs * (expanded + (expanded and product.weight in (Weight.SCALED, Weight.REQUANTISED)))
    tokens, _ = Variant().passes(product, m, work)
    return Claims(fused=folds * ROWS * tokens // _THREADS, fused_halves=halves, semaphores=int(work.planes > 1))


def dense_products() -> Iterator[Case]:
    """`kernels_ref.hopper.dense.dense_matmul`: every product that has one, large and small."""
    for name in scaled_products():
        if is_dense(scaled_product(name)):
            for m, n in ((8192, 8192), (64, 512)):
                yield _dense(scaled_product(name), m, n)


def _dense(product: ScaledProduct, m: int, n: int) -> Case:
    k = 512

    def run(a: Any, w: Any, terms: Any) -> Any:
        return dense_matmul(a, w, product=product, **terms)

    def program() -> Program:
        terms = _terms(product, m, n, k)
        w = _array((n, k), "uint8")
        if is_expanded(product):
            late = terms.pop("group_scale", None)
            scales = None if late is None else np.zeros(late.shape, late.dtype)
            w = pack_dense(np.zeros((n, k), np.uint8), product=product, group_scale=scales)
        return run, (_array((m, k), "uint8"), w, terms)

    variant = default_variant(product, m, n)
    # promoted sums are folded by one fused addition each, in two copies of the loop over groups
    fused = 2 * variant.own_rows * variant.columns // _THREADS if product.a_grouped else 0
    claims = Claims(fused=fused, fused_halves=None if product.weight is Weight.REQUANTISED else 0)
    return Case(name=f"dense {product.name} {m} x {n}", program=program, claims=claims)


def _array(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def _terms(product: ScaledProduct, m: int, n: int, k: int) -> dict[str, Any]:
    """Shapes and dtypes of all arguments but the two matrices."""
    shapes = expected(product, size(product, (m, k), (n, k), None))
    formats = {"group_scale": product.group_scale, "zero_point": product.zero_point}
    named: dict[str, Any] = {"multiplier": "int32", "shift": "int32"}
    return {
        term: _array(shape, named.get(term) or _codes(formats.get(term) or "float32")) for term, shape in shapes.items()
    }


def _codes(fmt: str) -> Any:
    """Codes as they are given; float32 as numbers."""
    return {"float32": jnp.float32, "bfloat16": jnp.uint16, "float16": jnp.uint16}.get(fmt, jnp.uint8)
