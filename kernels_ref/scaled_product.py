"""The golden product with quantised weights in JAX: the same arguments and codes, for CPUs and GPUs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import FLOAT32, Accumulator, FloatSpec, Format, IntegerSum, Rounding, Saturation
from formats.integer_only.requantisers import requantiser
from formats.products import Factor, ScaledProduct, StreamK, Weight, scaled_product
from formats.products.record import value_format
from kernels_ref.dot.accumulate import accumulate, joined
from kernels_ref.dot.flow import choose
from kernels_ref.dot.numbers import WIDEST_PRODUCT, number, rounded, total
from kernels_ref.dot.numbers import product as multiply
from kernels_ref.dot.parts import unpack
from reference.array.codec import code_dtype
from reference.array.requantise import requantisation, requantise
from reference.codec import decode
from reference.products.arguments import Size, check_given, groups_of, size
from reference.products.terms import DYADIC, check_dtype, checked, code_format, refuse_missing_weights
from reference.products.weights import weight_table

#: the sum of parts, the part at work, and which columns have had a part
_State = tuple[Array, Array, Array]
_map: Any = lax.map  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_RNE = Rounding.NEAREST_TIES_TO_EVEN
_ENCODER = "kernels_ref.encode"
#: 32-bit words for the sums of chains at work at one time
_WORDS = 1 << 26
_NAN = FLOAT32.sign_code - 1


def scaled_matmul(
    a: ArrayLike,
    w: ArrayLike,
    *,
    product: str | ScaledProduct,
    group_scale: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    a_scale: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
    token_scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    multiplier: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    split: StreamK | None = None,
) -> Array:
    """`reference.scaled_matmul` in JAX: same arguments, same codes and errors, bit for bit; works under jit.

    Under jit no element can be looked at: codes out of range, scales that are not finite and weights that the product
    does not have are then the caller's to avoid, and accumulators that the requantiser does not hold always are.
    Of requantisers there are those that round a dyadic product once, half away from zero. 64-bit types may be on or
    off.

    >>> a, w = jnp.array([[0x3F80, 0x4000]], jnp.uint16), jnp.array([[3, 0xF]], jnp.uint8)
    >>> hex(scaled_matmul(a, w, product="w4a16_channel", weight_scale=[0.5]).item())
    '0x3f00'
    """
    record = scaled_product(product)
    _check_requantiser(record)
    terms = {
        "group_scale": group_scale,
        "zero_point": zero_point,
        "a_scale": a_scale,
        "weight_scale": weight_scale,
        "token_scale": token_scale,
        "tensor_scale": tensor_scale,
        "multiplier": multiplier,
        "shift": shift,
    }
    stated = {name: _array(term) for name, term in {"a": a, "w": w, **terms}.items() if term is not None}
    of = size(record, stated["a"].shape, stated["w"].shape, split)
    check_given(record, of, {name: term.shape for name, term in stated.items() if name not in ("a", "w")})
    given = {name: _term(name, term, record) for name, term in stated.items()}
    _check_weights(stated, record)
    if not of.m or not of.n:
        return lax.full((of.m, of.n), 0, code_dtype(value_format(record.out), jnp))
    operands = _prepare(record, of)(given)
    chains = _Chains(record.rule, record.chain, record.group if record.a_grouped else None)
    acc = _sum(chains)(*operands, _starts(record, of))
    return _finish(record)(acc, given)


def _check_requantiser(record: ScaledProduct) -> None:
    once = requantiser("hawq_v3_tvm").steps
    if record.requantiser is not None and requantiser(record.requantiser).steps != once:
        raise ValueError(f"{record.requantiser} has no executor here; reference.scaled_matmul has it")


def _array(term: ArrayLike) -> Any:
    return term if isinstance(term, Array) else np.asarray(term)


def _term(name: str, term: Any, record: ScaledProduct) -> Array:
    """Codes, float32 words or integers on the device; checked where they can be looked at."""
    check_dtype(name, term.dtype, record, encoder=_ENCODER)
    if not isinstance(term, Tracer):
        term = checked(name, np.asarray(term), record, encoder=_ENCODER)
    elif term.dtype.kind == "f" or (name not in DYADIC and code_format(name, record) is None):
        term = lax.bitcast_convert_type(term.astype(jnp.float32), jnp.uint32)
    spec = code_format(name, record) or FLOAT32
    return jnp.asarray(term).astype(code_dtype(spec, jnp))  # pyright: ignore[reportUnknownMemberType]


def _check_weights(stated: dict[str, Any], record: ScaledProduct) -> None:
    if record.weight not in (Weight.SCALED, Weight.REQUANTISED):
        return
    w, scale = stated["w"], stated["group_scale"]
    if not (isinstance(w, Tracer) or isinstance(scale, Tracer)):
        w = np.asarray(w)
        refuse_missing_weights(w, np.asarray(scale)[:, groups_of(record.group, w.shape[1])], record)


def _starts(record: ScaledProduct, of: Size) -> Array | None:
    """Where parts of K begin, for each run of K and each column; None where nothing is cut, or no order is seen."""
    rule = record.rule.summation
    if isinstance(rule, IntegerSum) and rule.saturation is Saturation.WRAP:
        return None
    step = record.chain or (of.filled_k if of.split is None else of.split.depth)
    starts = of.starts(step)
    return jnp.asarray(starts) if starts.any() else None  # pyright: ignore[reportUnknownMemberType]


@functools.lru_cache(maxsize=256)
def _prepare(record: ScaledProduct, of: Size) -> Callable[..., tuple[Array, Array, Array | None, Array | None]]:
    """``a`` (M, K) and ``v`` (N, K), K filled up; the scales of sums (chains, N), and those of ``a``."""

    def run(given: dict[str, Array]) -> tuple[Array, Array, Array | None, Array | None]:
        fill = ((0, 0), (0, of.filled_k - of.k))
        a, v = (jnp.pad(z, fill) for z in (given["a"], _weights(given, record)))  # pyright: ignore[reportUnknownMemberType]
        return a, v, _scale(given, record, of), given.get("a_scale")

    return jax.jit(run)  # pyright: ignore[reportUnknownMemberType]


@functools.lru_cache(maxsize=256)
def _finish(record: ScaledProduct) -> Callable[[Array, dict[str, Array]], Array]:
    return jax.jit(functools.partial(_epilogue, record=record))  # pyright: ignore[reportUnknownMemberType]


def _weights(given: dict[str, Array], record: ScaledProduct) -> Array:
    """Codes of ``v`` (N, K)."""
    w, table = given["w"], jnp.asarray(weight_table(record))  # pyright: ignore[reportUnknownMemberType]
    if record.weight is Weight.DECODED:
        return w if record.w == record.a else table[:, 0][w]
    shared = given["zero_point" if record.weight is Weight.MINUS_ZERO_POINT else "group_scale"]
    shared = shared.reshape(w.shape[0], -1)[:, groups_of(record.group, w.shape[1])]
    return table.reshape(-1)[w.astype(jnp.int32) * table.shape[1] + shared]


@dataclass(frozen=True)
class _Chains:
    """What of a product its sums depend on: products that sum alike are compiled once."""

    rule: Accumulator
    length: int | None
    group: int | None  #: of the scales of ``a``

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
            return self._folded(self._dot(zero, jnp.moveaxis(x, 0, 1), right), scale, a_scale, starts)

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
            return _fma(d, s if t is None else _times(t[:, None], s), y)

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
def _sum(chains: _Chains) -> Callable[..., Array]:
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


def _scale(given: dict[str, Array], record: ScaledProduct, of: Size) -> Array | None:
    """float32 codes (chains, N) of the scales of sums; those of groups beyond K are zero."""
    if not record.scales_sums:
        return None
    spec = value_format(record.group_scale or "")
    words = given["group_scale"]
    if spec != FLOAT32:
        words = jnp.asarray(_float32_words(spec))[words]  # pyright: ignore[reportUnknownMemberType]
    words = jnp.repeat(words, record.weight_rows, axis=0)[: of.n].T
    groups = of.filled_k // (record.group or 1)
    words = jnp.pad(words, ((0, groups - len(words)), (0, 0)))  # pyright: ignore[reportUnknownMemberType]
    return jnp.repeat(words, (record.group or 1) // (record.chain or 1), axis=0)


@functools.lru_cache(maxsize=16)
def _float32_words(spec: Format) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The float32 code of every value of a format of at most 16 bits."""
    return decode(np.arange(1 << spec.bits), spec).astype(np.float32).view(np.uint32)


def _times(x: Array, y: Array) -> Array:
    return rounded(multiply(unpack(x, FLOAT32), unpack(y, FLOAT32), WIDEST_PRODUCT), FLOAT32, _RNE, nan_code=_NAN)


def _fma(d: Array, s: Array, y: Array) -> Array:
    term = multiply(unpack(d, FLOAT32), unpack(s, FLOAT32), WIDEST_PRODUCT)
    return rounded(total(term, number(unpack(y, FLOAT32)), _RNE), FLOAT32, _RNE, nan_code=_NAN)


def _epilogue(acc: Array, given: dict[str, Array], record: ScaledProduct) -> Array:
    """Codes of the output: of floats, after the factors; of integers, by the requantiser."""
    out = value_format(record.out)
    if record.requantiser is not None:
        request = requantisation(out, rounding=Rounding.NEAREST_TIES_TO_AWAY, saturation=Saturation.SAT_FINITE)
        return requantise(acc.astype(jnp.int32), given["multiplier"], given["shift"], request, jnp)
    y = rounded(number(unpack(acc, record.rule.output)), FLOAT32, _RNE, nan_code=_NAN)
    for factor in record.epilogue:
        words = given[factor.value]
        y = _times(y, words[:, None] if factor is Factor.TOKEN_SCALE else words)
    assert isinstance(out, FloatSpec)
    if out != FLOAT32:
        y = rounded(number(unpack(y, FLOAT32)), out, _RNE, nan_code=out.sign_code - 1)
    return y.astype(code_dtype(out, jnp))
