"""``jax.lax.dot_general`` through XLA, which picks its kernels by timing them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax
from numpy.typing import NDArray

from hardware.products import TO_TF32, Candidate, Product, split

SHAPES = ((128, 128, 512), (256, 256, 256))
TYPES: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "int8": np.int8,
}


def products() -> Iterator[Product]:
    for m, n, k in SHAPES:
        for name, candidates in _candidates(k):
            call = partial(_dot, name, "int32" if name == "int8" else "float32")
            yield Product(f"lax.dot_general {name}", name, name, m, n, k, call, list(candidates))


def _candidates(k: int) -> Iterator[tuple[str, Iterator[Candidate]]]:
    yield "float16", split("k16 chain", "hopper.wgmma.k16.f32.f16", k)
    yield "bfloat16", split("k16 chain", "hopper.wgmma.k16.f32.bf16", k)
    yield "float32", _tf32(k)
    for name, short in (("float8_e4m3fn", "e4m3"), ("float8_e5m2", "e5m2")):
        yield name, _narrow(f"hopper.wgmma.k32.f32.{short}.{short}", k)
    yield "int8", iter([Candidate("exact", "int32.wrap")])


def _tf32(k: int) -> Iterator[Candidate]:
    for rounding in TO_TF32:
        text = f"k8 chain, operands {rounding.value}"
        yield from split(text, "hopper.wgmma.k8.f32.tf32", k, operands="tf32", rounding=rounding)


def _narrow(native: str, k: int) -> Iterator[Candidate]:
    widened = "hopper.wgmma.k16.f32.f16"
    yield from split("widened to float16, k16 chain", widened, k, operands="float16")
    yield from split("widened to float16, pairs of four", widened, k, order="pairs_of_four", operands="float16")
    yield from split("k32 chain", native, k)
    yield from split("k32 chain restarted every 128", f"{native}.promote128", k)


def _dot(name: str, out: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    left, right = (jnp.asarray(np.ascontiguousarray(codes).view(TYPES[name])) for codes in (a, b))
    result = np.asarray(_jitted(left, right, out))
    return result.view(np.uint32)


@partial(jax.jit, static_argnums=2)
def _jitted(left: jax.Array, right: jax.Array, out: str) -> jax.Array:
    dimensions = (((1,), (0,)), ((), ()))
    return lax.dot_general(left, right, dimensions, preferred_element_type=jnp.dtype(out))
