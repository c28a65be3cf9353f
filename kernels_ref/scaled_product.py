"""The golden product with quantised weights in JAX: the same arguments and codes, for CPUs and GPUs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from formats import FLOAT32, FloatSpec, Format, IntegerSum, Rounding, Saturation
from formats.integer_only.requantisers import requantiser
from formats.products import Factor, ScaledProduct, StreamK, Weight, scaled_product
from formats.products.record import value_format
from kernels_ref.dot.numbers import number, rounded
from kernels_ref.dot.parts import unpack
from kernels_ref.scaled_sums import NAN, Chains, compiled, times
from reference.array.codec import code_dtype
from reference.array.requantise import requantisation, requantise
from reference.codec import decode
from reference.products.arguments import Size, check_given, groups_of, size
from reference.products.terms import DYADIC, check_dtype, checked, code_format, refuse_missing_weights
from reference.products.weights import weight_table

_RNE = Rounding.NEAREST_TIES_TO_EVEN
_ENCODER = "kernels_ref.encode"


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
    chains = Chains(record.rule, record.chain, record.group if record.a_grouped else None, record.lowered)
    acc = compiled(chains)(*operands, _starts(record, of))
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
        return w if record.w == record.a and not record.lowered else table[:, 0][w]
    shared = given["zero_point" if record.weight is Weight.MINUS_ZERO_POINT else "group_scale"]
    shared = shared.reshape(w.shape[0], -1)[:, groups_of(record.group, w.shape[1])]
    return table.reshape(-1)[w.astype(jnp.int32) * table.shape[1] + shared]


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


def _epilogue(acc: Array, given: dict[str, Array], record: ScaledProduct) -> Array:
    """Codes of the output: of floats, after the factors; of integers, by the requantiser."""
    out = value_format(record.out)
    if record.requantiser is not None:
        request = requantisation(out, rounding=Rounding.NEAREST_TIES_TO_AWAY, saturation=Saturation.SAT_FINITE)
        return requantise(acc.astype(jnp.int32), given["multiplier"], given["shift"], request, jnp)
    y = rounded(number(unpack(acc, record.rule.output)), FLOAT32, _RNE, nan_code=NAN)
    for factor in record.epilogue:
        words = given[factor.value]
        y = times(y, words[:, None] if factor is Factor.TOKEN_SCALE else words)
    assert isinstance(out, FloatSpec)
    if out != FLOAT32:
        y = rounded(number(unpack(y, FLOAT32)), out, _RNE, nan_code=out.sign_code - 1)
    return y.astype(code_dtype(out, jnp))
