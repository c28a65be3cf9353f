"""Kernels for each element by itself that no contract names: decoders, code-books, requantisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax

import formats
from formats import Dyadic, Format, IntSpec
from formats.code_books.decision import Ties
from formats.code_books.named import codebooks
from kernels_ref.hopper import element
from kernels_ref.hopper.element_codebook import decode_codebook, encode_codebook
from kernels_ref.hopper.element_requantise import requantise
from kernels_ref.hopper.ptx_case import Case
from kernels_ref.hopper.ptx_lint import Claims

_SIZE = 2 * element.PER_CTA
_MOST = 16


def decoders() -> Iterator[Case]:
    """`kernels_ref.hopper.element.decoder`: every format that it takes, into both dtypes."""
    for spec in map(formats.get, formats.names()):
        if _is_decodable(spec):
            for dtype in element.DECODED:
                yield _decoder(spec, dtype)


def _is_decodable(spec: Format) -> bool:
    try:
        element.decodable(spec, "float32")
    except ValueError:
        return False
    return True


def _decoder(spec: Format, dtype: str) -> Case:
    def run(codes: Any) -> Any:
        return element.decoder(spec, _SIZE, dtype)(codes)

    return _case(f"decode {spec.name} {dtype}", run, "uint8")


def books() -> Iterator[Case]:
    """`kernels_ref.hopper.element_codebook`: every code-book of at most 16 values, both ways."""
    for name, book in codebooks().items():
        if len(book.numerators) <= _MOST:
            yield from _book(name)


def _book(name: str) -> Iterator[Case]:
    def encode(x: Any) -> Any:
        return encode_codebook(x, name, decision=Ties.AWAY_FROM_ZERO, nan="zero")

    def decode(codes: Any) -> Any:
        return decode_codebook(codes, name)

    yield from (_case(f"encode {name} {dtype}", encode, dtype) for dtype in ("float32", "bfloat16", "float16"))
    yield _case(f"decode {name}", decode, "uint8")


def requantisers() -> Iterator[Case]:
    """`kernels_ref.hopper.element_requantise`: every plain integer format of at most 8 bits, three shifts."""
    for spec in map(formats.get, formats.names()):
        if isinstance(spec, IntSpec) and spec.bits <= 8 and spec.has_zero and spec.fraction_bits == 0:
            yield from (_requantiser(spec, shift) for shift in (1, 31, 47))


def _requantiser(spec: IntSpec, shift: int) -> Case:
    def run(x: Any) -> Any:
        dyadic = Dyadic(multiplier=1518500250, shift=shift)
        return requantise(x, dyadic, spec, rounding="nearest_ties_to_away", saturation="sat_finite")

    return _case(f"requantise {spec.name} shift {shift}", run, "int32")


def _case(name: str, run: Callable[[Any], Any], dtype: str) -> Case:
    aval = jax.ShapeDtypeStruct((_SIZE,), dtype)
    return Case(name=f"{name} by Mosaic", program=lambda: (run, (aval,)), claims=Claims())
