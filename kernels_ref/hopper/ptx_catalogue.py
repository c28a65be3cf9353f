"""Every kernel that is compiled and linted, at a size that shows its code, with what it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

import formats
import kernels_ref
from formats import FloatSpec, Rounding
from kernels_ref import mosaic, mosaic_matmul
from kernels_ref.hopper import element_pairs
from kernels_ref.hopper.element_nearest import is_short
from kernels_ref.hopper.ptx_case import Case
from kernels_ref.hopper.ptx_contracts import blocks, packed_elements, sixes
from kernels_ref.hopper.ptx_elements import books, decoders, requantisers
from kernels_ref.hopper.ptx_lint import Claims
from kernels_ref.hopper.ptx_products import dense_products, streamed_products
from kernels_ref.mosaic_matmul import kernel as fp8_product
from kernels_ref.mosaic_matmul import layout
from kernels_ref.mosaic_matmul.step import NARROW, WIDE, Weights
from reference.array.conversion import conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The cases of one public function."""

    kernel: str
    cases: Callable[[], Iterable[Case]]
    #: whether XLA writes the kernel, so that it runs wherever JAX does
    by_xla: bool = False


def cases() -> list[Case]:
    """The whole catalogue.

    >>> names = [case.name for case in cases()]
    >>> len(names) == len(set(names)) > 100
    True
    """
    return [case for family in FAMILIES for case in family.cases()]


def encoders() -> Iterator[Case]:
    """`kernels_ref.mosaic.encode`: every format of at most 8 bits to nearest even, every dtype; three stochastic."""
    for name in (name for name in formats.names() if formats.get(name).bits <= 8):
        for dtype in mosaic.DTYPES:
            yield _encoder(name, dtype, Rounding.NEAREST_TIES_TO_EVEN)
        if isinstance(formats.get(name), FloatSpec):
            yield from (_encoder(name, "float32", rounding) for rounding in Rounding if rounding.is_stochastic)


def _encoder(name: str, dtype: str, rounding: Rounding) -> Case:
    count = {"random_bit_count": 9} if rounding.is_stochastic else {}
    request = conversion(name, rounding=rounding, saturation="sat_finite", nan="maximum", **count)
    size, dtypes = 2 * mosaic.PER_CTA, [dtype, "uint32"] if count else [dtype]
    avals = tuple(jax.ShapeDtypeStruct((size,), each) for each in dtypes)
    # of an exact product, a power of two times a constant, and a number: fused or not, the same
    anchored = mosaic.PER_CTA // 128 if is_short(request) and isinstance(request.spec, FloatSpec) else 0
    pairs = dtype == "bfloat16" and element_pairs.is_short(request)
    return Case(
        name=f"encode {name} {rounding.value} {dtype}",
        program=lambda: (mosaic.kernel(request, size), avals),
        claims=Claims(fused_halves=anchored // 2) if pairs else Claims(fused=anchored),
    )


def plain_codecs() -> Iterator[Case]:
    """`kernels_ref.encode` and `decode`, which XLA turns into kernels: they are integer code as well."""
    for name in (name for name in formats.names() if formats.get(name).bits <= 8):
        yield _plain(name, "encode", "float32")
        yield _plain(name, "decode", "uint8")


def _plain(name: str, verb: str, dtype: str) -> Case:
    terms: dict[str, Any] = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "maximum"}

    def run(x: Any) -> Any:
        return kernels_ref.encode(x, name, **terms) if verb == "encode" else kernels_ref.decode(x, name)

    avals = (jax.ShapeDtypeStruct((8192,), dtype),)
    return Case(name=f"{verb} {name} by XLA", program=lambda: (run, avals), claims=Claims())


def fp8_products() -> Iterator[Case]:
    """`kernels_ref.mosaic_matmul`: sums by fma rounded down, which is meant and is no contraction."""
    for name, weights in (("e4m3", NARROW), ("e5m2", WIDE)):
        for stages in (2, 3):
            yield _fp8_product(name, weights, mosaic_matmul.Variant(stages=stages))


def _fp8_product(name: str, weights: Weights, variant: mosaic_matmul.Variant) -> Case:
    words = [(2, 4, lines, layout.LINE) for lines in (layout.A_LINES, layout.B_LINES)]
    shapes = (*((shape, jnp.int32) for shape in words), ((2, 2, fp8_product.WORDS), jnp.float32))
    avals = tuple(jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes)
    return Case(
        name=f"mosaic_matmul {name} {variant.stages} stages",
        program=lambda: (fp8_product.kernel(2, 2, 4, weights, variant), avals),
        claims=Claims(),
    )


#: who adds a kernel adds one line here
FAMILIES: tuple[Family, ...] = (
    Family(kernel="kernels_ref.mosaic.encode", cases=encoders),
    Family(kernel="kernels_ref.mosaic_matmul.matmul", cases=fp8_products),
    Family(kernel="kernels_ref.hopper.element_packed", cases=packed_elements),
    Family(kernel="kernels_ref.hopper.element_sixes", cases=sixes),
    Family(kernel="kernels_ref.hopper.element.decoder", cases=decoders),
    Family(kernel="kernels_ref.hopper.element_codebook", cases=books),
    Family(kernel="kernels_ref.hopper.element_requantise.requantise", cases=requantisers),
    Family(kernel="kernels_ref.hopper.block.quantize_packed", cases=blocks),
    Family(kernel="kernels_ref.hopper.streamed", cases=streamed_products),
    Family(kernel="kernels_ref.hopper.dense.dense_matmul", cases=dense_products),
    Family(kernel="kernels_ref.encode and decode", cases=plain_codecs, by_xla=True),
)
