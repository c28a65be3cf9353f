"""Weights as the kernel takes them: packed once, before any activation is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from formats.products import Factor, ScaledProduct, StreamK, Weight, scaled_product
from formats.products.record import value_format
from kernels_ref.hopper import rows
from kernels_ref.hopper.cut import default_split
from kernels_ref.hopper.decoder import Finish, decoder, left_over
from kernels_ref.hopper.flags import PASSES, cleared
from kernels_ref.hopper.fragments import CHUNK
from kernels_ref.hopper.planes import pack_planes
from kernels_ref.hopper.rows import RowWords
from kernels_ref.hopper.traced import jnp, lax
from kernels_ref.hopper.work import PAIRS, Work
from reference.codec import decode
from reference.products.arguments import Size, check_given, groups_of
from reference.products.terms import check_dtype, checked, refuse_missing_weights

_ENCODER = "kernels_ref.encode"
#: of scales, as the kernel reads them: float16 and E8M0 as bits
_DTYPES: dict[str, Any] = {
    "bfloat16": jnp.bfloat16,
    "float16": jnp.uint16,
    "float32": jnp.float32,
    "float8_e4m3fn": jnp.float8_e4m3fn,
    "float8_e8m0fnu": jnp.uint8,
}


#: at which sums of products of bytes may leave 32 bits
_LONGEST = 1 << 17


@dataclass(frozen=True)
class PackedWeights:
    """What `pack_weights` returns: arrays in the kernel's order, and what they are; a tree for ``jax.jit``."""

    words: Array
    scales: Array | None
    zeros: Array | None
    factors: dict[Factor, Array]  #: those of the weights, float32
    dyadic: tuple[Array, Array] | None
    flags: Array  #: zero before and after each call; see `flags`
    product: ScaledProduct = field(metadata={"static": True})
    work: Work = field(metadata={"static": True})


jax.tree_util.register_dataclass(PackedWeights)


def pack_weights(
    w: ArrayLike,
    *,
    product: str | ScaledProduct,
    group_scale: ArrayLike | None = None,
    zero_point: ArrayLike | None = None,
    weight_scale: ArrayLike | None = None,
    tensor_scale: ArrayLike | None = None,
    multiplier: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    split: StreamK | None = None,
) -> PackedWeights:
    """Weights for `streamed`: the arguments of `scaled_matmul` that do not depend on the activations.

    Codes lie tile by tile (`planes`), so that each thread block reads one run of memory; scales and zero points lie
    beside them. N and K are filled up with zeros to whole tiles and units. ``split`` is the declared stream-K cut, by
    default `default_split`'s for matrices of all shapes; the one that it has for a shape and a batch may be faster.
    Works under jit, where values are not looked at. Errors are those of `kernels_ref.scaled_matmul`; also
    ``ValueError`` for a split that the kernel does not have, for NaN among weights that are decoded, for K at which
    sums of integers may leave 32 bits, and for scales that float32 does not hold beside the power of two that integers
    lack (`decoder.left_over`).

    >>> packed = pack_weights(jnp.zeros((128, 256), jnp.uint8), product="w4a16_channel", weight_scale=jnp.ones(128))
    >>> packed.words.shape
    (1, 48, 128)
    """
    record = scaled_product(product)
    given: dict[str, Any] = {
        "group_scale": group_scale,
        "zero_point": zero_point,
        "weight_scale": weight_scale,
        "tensor_scale": tensor_scale,
        "multiplier": multiplier,
        "shift": shift,
    }
    terms = {name: _array(term) for name, term in given.items() if term is not None}
    codes = _array(w)
    work = _work(record, codes.shape, split or default_split(record))
    _check(record, work, codes, terms)
    layout = _Layout(work)
    scales, zeros = terms.get("group_scale"), terms.get("zero_point")
    factors = {factor: terms[factor.value] for factor in record.epilogue if factor is not Factor.TOKEN_SCALE}
    return PackedWeights(
        words=jnp.asarray(pack_planes(layout.filled(codes), decoder(record), work.split.rows, work.split.depth)),
        scales=None if scales is None else layout.scales(scales, record),
        zeros=None if zeros is None else layout.zeros(zeros, record),
        factors={factor: _float32(term).reshape(-1) for factor, term in factors.items()},
        dyadic=None if record.requantiser is None else (_word(terms["multiplier"]), _word(terms["shift"])),
        flags=cleared(work, PASSES),
        product=record,
        work=work,
    )


def _array(term: ArrayLike) -> Any:
    return term if isinstance(term, Array) else np.asarray(term)


def _float32(term: Any) -> Array:
    return jnp.asarray(term).astype(jnp.float32)


def _word(term: Any) -> Array:
    return jnp.asarray(term).astype(jnp.uint32)


def _work(record: ScaledProduct, shape: tuple[int, ...], split: StreamK) -> Work:
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"w needs two axes (N, K) that are not empty; its shape is {shape}")
    if split.rows not in (64, 128, 192, 256, 384) or (split.rows == 384 and split.blocks > PAIRS):
        # a fifth warpgroup in a thread block would wait for registers
        raise ValueError(f"split.rows={split.rows} must be 64, 128, 192, 256, or 384 with at most {PAIRS} blocks")
    if split.depth % CHUNK or (record.weight_rows % split.rows and record.weight_rows != 1):
        raise ValueError(f"split {split} must have a depth that is a multiple of {CHUNK}, and rows that share scales")
    if record.a == "int8" and decoder(record).exponent and shape[1] >= _LONGEST:
        raise ValueError(f"K={shape[1]} must be below {_LONGEST}: sums of {record.name} are kept in the top of 32 bits")
    return Work(split=split, n=shape[0], k=shape[1])


def _check(record: ScaledProduct, work: Work, codes: Any, terms: dict[str, Any]) -> None:
    """Shapes and dtypes; values, where they can be looked at."""
    of = Size(1, work.n, work.k, work.steps * work.split.depth, work.split)
    shapes: dict[str, tuple[int, ...]] = {name: term.shape for name, term in terms.items()}
    of_activations: dict[str, tuple[int, ...]] = {"token_scale": (1,)} if Factor.TOKEN_SCALE in record.epilogue else {}
    if record.a_grouped:
        of_activations["a_scale"] = (1, -(-work.k // (record.group or 1)))
    check_given(record, of, shapes | of_activations)
    for name, term in ({"w": codes} | terms).items():
        check_dtype(name, term.dtype, record, encoder=_ENCODER)
        if not isinstance(term, Tracer):
            checked(name, np.asarray(term), record, encoder=_ENCODER)
    if any(isinstance(x, Tracer) for x in (codes, *terms.values())):
        return
    if record.weight in (Weight.SCALED, Weight.REQUANTISED):
        shared = np.asarray(terms["group_scale"])[:, groups_of(record.group, work.k)]
        refuse_missing_weights(np.asarray(codes), shared, record)
    if decoder(record).finish in (Finish.MULTIPLY, Finish.MULTIPLY_BY_SCALE):
        _refuse_nan(np.asarray(codes), record)
    if record.scales_sums and record.a == "bfloat16":
        _refuse_large(np.asarray(terms["group_scale"]), record)


def _refuse_nan(codes: Any, record: ScaledProduct) -> None:
    table = np.isnan(decode(np.arange(256, dtype=np.uint8) & ((1 << _bits(record)) - 1), record.w))
    wrong = table[codes]
    if wrong.any():
        where = [int(i) for i in np.argwhere(wrong)[0]]
        raise ValueError(f"w{where} is NaN; {record.name} decodes weights to numbers")


def _refuse_large(given: Any, record: ScaledProduct) -> None:
    """Scales that the kernel multiplies by the power of two that the sums lack."""
    found = given if given.dtype.kind == "f" else decode(given, value_format(record.group_scale or ""))
    numbers = np.asarray(found, np.float64)
    wrong = np.abs(numbers) >= 2.0 ** (128 + decoder(record).exponent - left_over(record))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        most = f"2^{128 + decoder(record).exponent - left_over(record)}"
        raise ValueError(f"group_scale{list(where)} is {numbers[where]}; {record.name} takes less than {most}")


def _bits(record: ScaledProduct) -> int:
    return decoder(record).bits


@dataclass(frozen=True, slots=True)
class _Layout:
    """Arrays by row and by K, filled up and put unit by unit."""

    work: Work

    def filled(self, x: Any, columns: int | None = None) -> Any:
        """(N, any) with whole tiles of rows, and ``columns``, by default a column for each element of K."""
        work = self.work
        xp: Any = np if type(x) is np.ndarray else jnp
        due = (work.tiles * work.split.rows, columns or work.steps * work.split.depth)
        have: tuple[int, int] = x.shape
        return xp.pad(x, [(0, due[axis] - have[axis]) for axis in range(2)])

    def units(self, x: Array, layout: RowWords) -> Array:
        """(N, ``layout.count`` for each unit) to words, unit by unit."""
        work = self.work
        filled = self.filled(x, work.steps * layout.count)
        split = filled.reshape(work.tiles, work.split.rows, work.steps, layout.count).swapaxes(1, 2)
        return layout.pack(split.reshape(work.units, work.split.rows, layout.count))

    def scales(self, codes: Any, record: ScaledProduct) -> Array:
        """Scales of groups as the kernel reads them."""
        dtype, codes = _DTYPES[record.group_scale or ""], jnp.asarray(codes)
        exact = codes.dtype == dtype or jnp.issubdtype(codes.dtype, jnp.floating)
        numbers = codes.astype(dtype) if exact else lax.bitcast_convert_type(codes, dtype)
        numbers = jnp.repeat(numbers, record.weight_rows, axis=0)[: self.work.n]
        return self.units(numbers, rows.scales(record, self.work.split.depth))

    def zeros(self, codes: Any, record: ScaledProduct) -> Array:
        """Zero points, one for each 128 elements of K."""
        of_groups = jnp.asarray(codes).astype(jnp.uint8).reshape(self.work.n, -1)
        of_chunks = of_groups[:, groups_of(record.group and record.group // CHUNK, -(-self.work.k // CHUNK))]
        return self.units(of_chunks, rows.zeros(self.work.split.depth))
