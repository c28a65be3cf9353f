"""The product of activations and packed weights, and the golden product's door to it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from formats import Rounding, Saturation
from formats.products import Factor, ScaledProduct, StreamK
from formats.products.record import value_format
from kernels_ref.codec import as_jax
from kernels_ref.hopper.finish import epilogue
from kernels_ref.hopper.flags import PASSES, cleared
from kernels_ref.hopper.fragments import CHUNK
from kernels_ref.hopper.join import added
from kernels_ref.hopper.packed import PackedWeights, pack_weights
from kernels_ref.hopper.streaming import DTYPES, Body, kernel
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.hopper.variant import Variant, most_of_four
from kernels_ref.hopper.work import Work
from kernels_ref.pallas import pallas
from reference.array.codec import code_dtype
from reference.array.requantise import requantisation, requantise
from reference.products.terms import check_dtype

_JAX: Any = importlib.import_module("jax")


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
    variant: Variant | None = None,
    interpret: bool = False,
) -> Array:
    """`reference.scaled_matmul` as one Mosaic GPU kernel that streams the weights: same arguments, same codes.

    It is `pack_weights` and `streamed`, whose errors are its own. ``split`` is the declared cut of K, by default
    `default_split`'s; the reference must be given the same.

    >>> a, w = jnp.full((1, 256), 0x3F80, jnp.uint16), jnp.ones((128, 256), jnp.uint8)
    >>> y = scaled_matmul(a, w, product="w4a16_channel", weight_scale=jnp.ones(128),
    ...                   interpret=True)  # doctest: +SKIP
    >>> lax.bitcast_convert_type(y, jnp.bfloat16)[0, 0].item()  # doctest: +SKIP
    256.0
    """
    packed = pack_weights(
        w,
        product=product,
        group_scale=group_scale,
        zero_point=zero_point,
        weight_scale=weight_scale,
        tensor_scale=tensor_scale,
        multiplier=multiplier,
        shift=shift,
        split=split,
    )
    return streamed(packed, a, a_scale=a_scale, token_scale=token_scale, variant=variant, interpret=interpret)


def streamed(
    packed: PackedWeights,
    a: ArrayLike,
    *,
    a_scale: ArrayLike | None = None,
    token_scale: ArrayLike | None = None,
    variant: Variant | None = None,
    interpret: bool = False,
) -> Array:
    """The product of activations and `pack_weights`' weights; what one call on the GPU costs.

    Arguments:
        packed: the weights and all that belongs to them.
        a: codes (M, K) of the product's ``a``, or an array of that dtype.
        a_scale, token_scale: float32, (M, K / group) and (M,), where the product has them.
        variant: how the kernel is laid out; results do not depend on it.
        interpret: run on any backend by Pallas' GPU interpreter, slowly; else a Hopper GPU (H100). It has no signals:
            where tiles have parts, XLA adds them.

    Returns unsigned codes (M, N) of ``product.out``; works under jit. Floating-point sums are the GPU's: the
    interpreter adds in float32, so only sums that are exact in every order are the same there. Products with scales
    keep ``y`` times a power of two (`decoder.left_over`), which no float32 rounds while no sum overflows or is below
    2^-120.

    Raises ``ImportError`` where Mosaic GPU is missing, ``TypeError`` for dtypes and for arguments that are missing or
    without meaning, ``ValueError`` for shapes.
    """
    pallas()
    record = packed.product
    x = _operand(a if isinstance(a, Array) else as_jax(a), record, packed.work)
    m, work = len(x), dealt(record, packed.work, len(x))
    given = dict(packed.factors)
    scales = {
        "a_scale": (a_scale, record.a_grouped),
        "token_scale": (token_scale, Factor.TOKEN_SCALE in record.epilogue),
    }
    for name, (term, due) in scales.items():
        if (term is not None) is not due:
            raise TypeError(f"{record.name} {'needs' if due else 'takes no'} {name}")
    if token_scale is not None:
        given[Factor.TOKEN_SCALE] = _vector("token_scale", as_jax(token_scale), (m,))
    columns = None
    if a_scale is not None:
        columns = _vector("a_scale", as_jax(a_scale), (m, -(-work.k // (record.group or 1))))
    if m == 0:
        return jnp.zeros((0, work.n), code_dtype(value_format(record.out), jnp))
    chosen = variant or Variant()
    if interpret and work.planes > 1:
        chosen = replace(chosen, join="planes")
    tokens, passes = chosen.passes(record, m, work)
    body = Body(product=record, work=work, variant=chosen, tokens=tokens, interpret=interpret)
    if work.planes > 1 and chosen.join != "planes" and not interpret and body.gathered(passes) == 1:
        _check_blocks(work)
    return _call(body, passes, packed, x, columns, given)


def dealt(record: ScaledProduct, work: Work, m: int) -> Work:
    """The work for M tokens: two thread blocks share a tile where four warpgroups of one would lack registers."""
    four = work.rows > 192 and m > most_of_four(record, work.split.depth)
    return replace(work, paired=True) if four and work.planes == 1 else work


def _check_blocks(work: Work) -> None:
    """Thread blocks that wait for each other must all run at once."""
    devices: list[Any] = _JAX.devices()
    due = work.blocks * work.cluster
    for device in devices:
        count = getattr(device, "core_count", due)
        if device.platform == "gpu" and count < due:
            raise ValueError(
                f"split.blocks={work.split.blocks} makes {due} thread blocks wait for each other; {device} runs"
                f" {count} at once: choose another split, or Variant(join='planes')"
            )


def _operand(a: Array, record: ScaledProduct, work: Work) -> Array:
    """Activations as the tensor core takes them."""
    dtype = DTYPES[record.a]
    if a.ndim != 2 or a.shape[1] != work.k:
        raise ValueError(f"a has shape {a.shape}; the weights need (M, {work.k})")
    if a.dtype != dtype:
        check_dtype("a", a.dtype, record, encoder="kernels_ref.encode")
        unsigned = jnp.uint16 if jnp.dtype(dtype).itemsize == 2 else jnp.uint8
        a = lax.bitcast_convert_type(a.astype(unsigned), dtype)
    return a


def _tiled(a: Array, body: Body) -> Array:
    """TMA fills up whole tiles of 8 rows and 128 columns, and a first one that is not whole; XLA must copy others.

    Where lines have 16 bytes, that takes TMA longer than XLA, which fills up whole units then.
    """
    m, k = a.shape
    lines = body.halves is not None
    short = (-m % 8 if m > 8 or lines else 0, -k % (body.work.split.depth if lines else CHUNK))
    return jnp.pad(a, ((0, short[0]), (0, short[1]))) if any(short) else a


def _vector(name: str, term: Array, shape: tuple[int, ...]) -> Array:
    if not jnp.issubdtype(term.dtype, jnp.floating) or term.shape != shape:
        raise ValueError(f"{name} has dtype {term.dtype} and shape {term.shape}; float32 and {shape} are needed")
    return term.astype(jnp.float32)


def _call(
    body: Body, passes: int, packed: PackedWeights, x: Array, columns: Array | None, given: dict[Factor, Array]
) -> Array:
    record, work, m = body.product, body.work, x.shape[0]
    operands = {"words": packed.words, "scales": packed.scales, "zeros": packed.zeros}
    if columns is not None:
        groups = work.steps * work.split.depth // (record.group or 1)
        operands["columns"] = jnp.pad(columns.T, ((0, groups - columns.shape[1]), (0, passes * body.tokens - m)))
    operands["a"] = _tiled(x, body)
    there = {name: operand for name, operand in operands.items() if operand is not None}
    run = kernel(body, list(there), passes, (m, work.n))
    if body.variant.join == "planes":
        sums = added(run(*there.values()), work.parts(), work.split.rows)[: work.n, :m].T
        found = epilogue(record, sums, given)
    else:
        factors = [_filled(body, factor, given[factor], passes) for factor in record.epilogue]
        flags = packed.flags if passes <= PASSES else cleared(work, passes)
        found = run(*there.values(), flags, *factors)[0][:m, : work.n]
    return _codes(found, packed)


def _filled(body: Body, factor: Factor, term: Array, passes: int) -> Array:
    """The interpreter writes whole tiles."""
    due = {Factor.WEIGHT_SCALE: body.work.tiles * body.work.split.rows, Factor.TOKEN_SCALE: passes * body.tokens}
    return jnp.pad(term, (0, due[factor] - len(term))) if body.interpret and factor in due else term


def _codes(found: Array, packed: PackedWeights) -> Array:
    record = packed.product
    out: Any = value_format(record.out)
    if packed.dyadic is not None:
        request = requantisation(out, rounding=Rounding.NEAREST_TIES_TO_AWAY, saturation=Saturation.SAT_FINITE)
        return requantise(found, *packed.dyadic, request, jnp)
    return lax.bitcast_convert_type(found, code_dtype(out, jnp))
