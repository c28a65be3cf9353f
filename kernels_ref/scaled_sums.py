"""The sums of a product with quantised weights in JAX: chains, the fold of their sums, and parts of K."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from formats import FLOAT32, Accumulator, Rounding
from kernels_ref.dot.accumulate import accumulate, joined
from kernels_ref.dot.flow import choose
from kernels_ref.dot.numbers import WIDEST_PRODUCT, number, product, rounded, total
from kernels_ref.dot.parts import unpack
from reference.products.arguments import groups_of

#: the NaN of sums and products: every bit below the sign
NAN = FLOAT32.sign_code - 1
#: the sum of parts, the part at work, and which columns have had a part
_State = tuple[Array, Array, Array]
_map: Any = lax.map  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_RNE = Rounding.NEAREST_TIES_TO_EVEN
#: 32-bit words for the sums of chains at work at one time
_WORDS = 1 << 26


@dataclass(frozen=True)
class Chains:
    """What of a product its sums depend on: products that sum alike are compiled once."""

    rule: Accumulator
    length: int | None
    group: int | None  #: of the scales of ``a``
    lowered: int = 0

    def sums(self, a: Array, v: Array, scale: Array | None, a_scale: Array | None, starts: Array | None) -> Array:
        """Codes (uint32) of the sums (M, N), in the accumulator's output."""
        if self.length is None:
            return self._unchained(a, v, starts)
        short = -self.length % self.rule.k
        x, y = (z.reshape(len(z), a.shape[1] // self.length, self.length) for z in (a, v))
        x, y = (jnp.pad(z, ((0, 0), (0, 0), (0, short))) for z in (x, y))  # pyright: ignore[reportUnknownMemberType]
        right = jnp.transpose(y, (1, 2, 0))

        def some(x: Array, a_scale: Array | None) -> Array:
            zero = lax.full((x.shape[1], len(x), len(v)), jnp.uint32(0))
            d = self._dot(zero, jnp.moveaxis(x, 0, 1), right)
            if self.lowered:
                d = times(d, jnp.uint32((127 + self.lowered) << 23))
            return self._folded(d, scale, a_scale, starts)

        return _by_rows(some, x, a_scale, _WORDS // max(1, x.shape[1] * len(v)))

    def _unchained(self, a: Array, v: Array, starts: Array | None) -> Array:
        """Parts of K that are one chain each."""
        zero = lax.full((len(a), len(v)), jnp.uint32(0))
        if starts is None:
            return self._dot(zero, a, v.T)
        x, y = (jnp.moveaxis(z.reshape(len(z), len(starts), a.shape[1] // len(starts)), 1, 0) for z in (a, v))
        return self._joined(lambda y, some: self._dot(y, some[0], some[1].T), zero, (x, y), starts)

    def _dot(self, c: Array, a: Array, b: Array) -> Array:
        assert self.rule.a is not None
        assert self.rule.b is not None
        return accumulate(c, a, b, self.rule.summation, (self.rule.a, self.rule.b), None)

    def _folded(self, partial: Array, scale: Array | None, a_scale: Array | None, starts: Array | None) -> Array:
        """The sums of chains (C, M, N) folded, each with the scale of its group, (C, N) and (M, groups)."""
        of_a = None
        if a_scale is not None:
            length = self.length or 1
            fill = ((0, 0), (0, -(-len(partial) * length // (self.group or 1)) - a_scale.shape[1]))
            groups = groups_of(self.group, len(partial) * length)[::length]
            of_a = jnp.pad(a_scale, fill).T[groups]  # pyright: ignore[reportUnknownMemberType]

        def run(y: Array, some: tuple[Array, Array | None, Array | None]) -> Array:
            d, s, t = some
            if s is None:
                return joined(y, d, self.rule.summation)
            return _fma(d, s if t is None else times(t[:, None], s), y)

        return self._joined(run, partial[0] & 0, (partial, scale, of_a), starts)

    def _joined(self, run: Callable[[Array, Any], Array], zero: Array, runs: Any, starts: Array | None) -> Array:
        """The parts of K added in order, each the result of its runs from +0; ``starts``: (runs, N)."""
        if starts is None:
            return lax.scan(lambda y, some: (run(y, some), None), zero, runs)[0]

        def ended(total: Array, y: Array, has_total: Array) -> Array:
            return jnp.where(has_total, joined(total, y, self.rule.summation), y)

        def body(state: _State, x: tuple[Any, Array]) -> tuple[_State, None]:
            some, start = x

            def cut() -> _State:
                total, y, has_total = state
                return jnp.where(start, ended(*state), total), jnp.where(start, 0, y), has_total | start

            total, y, has_total = choose(start.any(), cut, lambda: state)
            return (total, run(y, some), has_total), None

        none = lax.full(starts.shape[1:], False)
        return ended(*lax.scan(body, (zero, zero, none), (runs, starts))[0])


@functools.lru_cache(maxsize=64)
def compiled(chains: Chains) -> Callable[..., Array]:
    """`Chains.sums` under jit."""
    return jax.jit(chains.sums)  # pyright: ignore[reportUnknownMemberType]


def _by_rows(some: Callable[[Array, Array | None], Array], x: Array, a_scale: Array | None, rows: int) -> Array:
    """``some`` of at most so many rows at a time, so that memory stays bounded."""
    if rows >= len(x):
        return some(x, a_scale)
    blocks = math.ceil(len(x) / max(1, rows))

    def blocked(z: Array) -> Array:
        fill = ((0, -len(z) % blocks), *((0, 0),) * (z.ndim - 1))
        return jnp.pad(z, fill).reshape(blocks, -1, *z.shape[1:])  # pyright: ignore[reportUnknownMemberType]

    def one(block: tuple[Array, Array | None]) -> Array:
        return some(*block)

    of_blocks: Array = _map(one, (blocked(x), None if a_scale is None else blocked(a_scale)))
    return of_blocks.reshape(-1, of_blocks.shape[-1])[: len(x)]


def times(x: Array, y: Array) -> Array:
    """float32 codes of the products."""
    return rounded(product(unpack(x, FLOAT32), unpack(y, FLOAT32), WIDEST_PRODUCT), FLOAT32, _RNE, nan_code=NAN)


def _fma(d: Array, s: Array, y: Array) -> Array:
    term = product(unpack(d, FLOAT32), unpack(s, FLOAT32), WIDEST_PRODUCT)
    return rounded(total(term, number(unpack(y, FLOAT32)), _RNE), FLOAT32, _RNE, nan_code=NAN)
