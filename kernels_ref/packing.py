"""Packing in JAX: the golden model's words under jit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.experimental.xla_metadata import set_xla_metadata  # pyright: ignore[reportUnknownVariableType]
from jax.typing import ArrayLike

import formats
from formats import Layout
from formats.layouts.bits import AnyLayout, BitLayout, SplitLayout
from reference.array import packing as array_packing
from reference.array.rewrite import Stage, unsigned
from reference.packing import check_codes, check_words, each_region, refuse_codes, refuse_words, word_bits


@overload
def pack(codes: ArrayLike, layout: Layout | BitLayout) -> Array: ...
@overload
def pack(codes: ArrayLike, layout: SplitLayout) -> tuple[Array, ...]: ...
@overload
def pack(codes: ArrayLike, layout: str) -> Any: ...
def pack(codes: ArrayLike, layout: str | AnyLayout) -> Any:
    """`reference.pack` in JAX: same arguments, same words; works under jit and vmap.

    Codes that the layout does not store are refused where they can be seen; under a transformation that is the
    caller's part. ``ValueError`` also for words of 64 bits where JAX has none.

    >>> pack(jnp.array([0, 1, 3, 1]), "ternary_2bit")
    Array([137], dtype=uint8)
    """
    spec = formats.layout(layout)
    array: Any = codes if isinstance(codes, Array) else np.asarray(codes)
    _refuse_wide_words(spec)
    check_codes(array, spec)
    if not isinstance(array, Tracer):
        refuse_codes(np.asarray(array), spec)
    return _pack(array.astype(unsigned(spec.code_bits, np)), spec)


def unpack(words: ArrayLike | Sequence[ArrayLike], layout: str | AnyLayout) -> Array:
    """`reference.unpack` in JAX: same arguments, same codes; works under jit and vmap.

    Words that `pack` never produces are refused where they can be seen; under a transformation that is the caller's
    part. ``ValueError`` also for words of 64 bits where JAX has none.

    >>> unpack(jnp.array([137]), "ternary_2bit")
    Array([0, 1, 3, 1], dtype=uint8)
    """
    spec = formats.layout(layout)
    _refuse_wide_words(spec)
    return _unpack(each_region(words, spec, _checked_words), spec)


def _checked_words(words: Any, spec: Layout | BitLayout) -> Any:
    array: Any = words if isinstance(words, Array) else np.asarray(words)
    check_words(array, spec)
    if not isinstance(array, Tracer):
        refuse_words(np.asarray(array), spec)
    return array.astype(unsigned(word_bits(spec), np))


def _refuse_wide_words(spec: AnyLayout) -> None:
    parts = [field.layout for field in spec.fields] if isinstance(spec, SplitLayout) else [spec]
    if max(map(word_bits, parts)) > 32 and jax.dtypes.canonicalize_dtype(np.uint64) != np.uint64:
        raise ValueError(f"{spec.name} has words of 64 bits, which JAX has only with jax_enable_x64; use reference")


def _apart(stage: Stage) -> Stage:
    """The stage as a function that XLA does not inline on a CPU.

    Its loops run over rows of two to five columns. Fused with the reshape that follows they would run over the flat
    array, and be scalar code. Elsewhere the compiler may fuse as it likes.
    """
    called = cast(Stage, jax.jit(stage))  # pyright: ignore[reportUnknownMemberType]

    def on_cpu(numbers: Array) -> Array:
        with set_xla_metadata(inlineable="false"):
            return called(numbers)

    def apart(numbers: Array) -> Any:
        return jax.lax.platform_dependent(numbers, cpu=on_cpu, default=stage)  # pyright: ignore[reportUnknownVariableType]

    return apart


def _pack_array(codes: Array, layout: AnyLayout) -> Any:
    return array_packing.pack(codes, layout, jnp, _apart)


def _unpack_array(words: Any, layout: AnyLayout) -> Array:
    return array_packing.unpack(words, layout, jnp, _apart)


_pack: Callable[..., Any] = jax.jit(_pack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
_unpack: Callable[..., Array] = jax.jit(_unpack_array, static_argnums=1)  # pyright: ignore[reportUnknownMemberType]
