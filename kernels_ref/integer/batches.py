"""A large batch in parts: accumulators of 32 bits that outgrow the allocator's pool cost more than the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

#: bytes of the largest accumulators of a part. Above 32 MiB glibc maps fresh pages for each call, whose faults made a
#: product into 77 MB take four times as long as four of a quarter
LIMIT = 20 << 20

_Rows = Callable[[Array], Array]
_map: Callable[[_Rows, Array], Array] = lax.map  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_shapes: Callable[..., Any] = jax.eval_shape  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def in_parts(run: _Rows, x: Array, size: int) -> Array:
    """``run`` of ``size`` rows at a time, one after the other, and of the rest."""
    if len(x) <= size:
        return run(x)
    whole = len(x) // size * size
    parts = _map(run, x[:whole].reshape(-1, size, *x.shape[1:]))
    done = parts.reshape(whole, *parts.shape[2:])
    return done if whole == len(x) else jnp.concatenate([done, run(x[whole:])])


def part_size(run: Callable[[Array], Mapping[str, Array]], x: Array) -> int:
    """How many rows of ``x`` have accumulators of `LIMIT` bytes at most, of any output of ``run``; one at least."""
    row = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    outputs: Mapping[str, jax.ShapeDtypeStruct] = _shapes(run, row)
    return max(1, LIMIT // (4 * max(y.size for y in outputs.values())))
