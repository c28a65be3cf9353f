"""Control flow of `jax.lax`, with types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

_T = TypeVar("_T")
_cond: Any = lax.cond  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_fori_loop: Any = lax.fori_loop  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_map: Any = lax.map  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def choose(condition: Array, yes: Callable[[], _T], no: Callable[[], _T]) -> _T:
    """``yes()`` where the scalar ``condition`` holds, else ``no()``; one of them runs."""
    return _cond(condition, yes, no)


def repeat(bounds: tuple[Array, Array], body: Callable[[Array, _T], _T], start: _T) -> _T:
    """``body(i, state)`` for each i from the first bound up to the second."""
    return _fori_loop(*bounds, body, start)


def each(body: Callable[[_T], Array], elements: _T, *, at_a_time: int) -> Array:
    """``body`` of every element of the arrays' first axis, so many at a time."""
    return _map(body, elements, batch_size=at_a_time)


def pick(mask: Array, x: _T, y: _T) -> _T:
    """Every array of ``x`` where the mask holds, else that of ``y``."""

    def one(first: Array, second: Array) -> Array:
        return jnp.where(mask, first, second)

    return jax.tree.map(one, x, y)


def numbered(count: int) -> Array:
    """0, 1, 2 ... as int32."""
    return lax.iota(jnp.int32, count)
