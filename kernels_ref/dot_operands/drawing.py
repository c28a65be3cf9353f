"""Operands that make a dot product unit show what it does: random and adversarial, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import formats
from formats import Accumulator, FloatSpec, Format, IntSpec
from kernels_ref.dot_operands import floats, integers
from kernels_ref.dot_operands.block import Block

Codes = NDArray[np.unsignedinteger[Any]]

FLOAT_FAMILIES: dict[str, Callable[[Block[FloatSpec]], None]] = {
    "bits": floats.bits,
    "normal": floats.normal,
    "narrow exponents": floats.narrow_exponents,
    "wide exponents": floats.wide_exponents,
    "cancelling pairs": floats.cancelling_pairs,
    "cancelling c": floats.cancelling_c,
    "subnormals": floats.subnormals,
    "zeros and extremes": floats.zeros_and_extremes,
    "infinities and nan": floats.infinities_and_nan,
    "overflow": floats.overflow,
    "signed zeros": floats.signed_zeros,
    "underflow": floats.underflow,
    "full significands": floats.full_significands,
    "ties": floats.ties,
    "subnormal ties": floats.subnormal_ties,
}
INTEGER_FAMILIES: dict[str, Callable[[Block[IntSpec]], None]] = {
    "bits": integers.bits,
    "small": integers.small,
    "extremes": integers.extremes,
    "one sign": integers.one_sign,
}


@dataclass(frozen=True)
class DotOperands:
    """Codes of a batch of products ``a @ b + c``; item ``i`` is of the family ``families[i]``."""

    a: Codes
    b: Codes
    c: Codes
    families: tuple[str, ...]


def dot_families(accumulator: str | Accumulator) -> tuple[str, ...]:
    """The families that suit an accumulator.

    >>> dot_families("hopper.mma.m16n8k32.s32.s8.s8")
    ('bits', 'small', 'extremes', 'one sign')
    """
    integer = isinstance(formats.accumulator(accumulator).output, IntSpec)
    return tuple(INTEGER_FAMILIES if integer else FLOAT_FAMILIES)


def dot_operands(
    accumulator: str | Accumulator,
    *,
    rows: int,
    columns: int,
    k: int,
    batch: int,
    seed: int,
    a_format: str | Format | None = None,
    b_format: str | Format | None = None,
    only: Sequence[str] | None = None,
) -> DotOperands:
    """A batch of operands: codes ``a`` (batch, rows, k), ``b`` (batch, k, columns), ``c`` (batch, rows, columns).

    The families (all that suit, or ``only`` these) take turns. ``c`` is a mix of zeros, numbers within 2^+-30 of the
    largest product, and any code. Equal arguments give equal operands.

    Raises ``KeyError`` for an unknown family or accumulator and ``ValueError`` where an operand's format is missing,
    has no zero, no sign, or does not go with the accumulator.

    >>> operands = dot_operands("hopper.wgmma.k32.f32.e4m3.e5m2", rows=2, columns=3, k=32, batch=4, seed=0)
    >>> operands.a.shape, operands.b.dtype, operands.c.dtype, operands.families[2]
    ((4, 2, 32), dtype('uint8'), dtype('uint32'), 'narrow exponents')
    """
    found = formats.accumulator(accumulator)
    names = tuple(only or dot_families(found))
    unknown = set(names) - set(dot_families(found))
    if unknown:
        raise KeyError(f"unknown family {min(unknown)!r}; for {found.name}: {', '.join(dot_families(found))}")
    output: Any = found.output
    operands: tuple[Any, Any] = _operand(found, found.a, a_format, "a"), _operand(found, found.b, b_format, "b")
    turns, taken = -(-batch // len(names)), min(len(names), batch)
    blocks = [
        _filled(name, Block(np.random.default_rng([seed, i]), *operands, output, turns, rows, columns, k))
        for i, name in enumerate(names[:taken])
    ]
    a, b, c = (np.stack([getattr(block, part) for block in blocks], axis=1) for part in "abc")
    a, b, c = (part.reshape(-1, *part.shape[2:])[:batch] for part in (a, b, c))
    return DotOperands(a, b, c, (names[:taken] * turns)[:batch])


def _filled(name: str, block: Block[Any]) -> Block[Any]:
    families: dict[str, Callable[[Block[Any]], None]]
    families = INTEGER_FAMILIES if isinstance(block.output, IntSpec) else FLOAT_FAMILIES
    families[name](block)
    return block


def _operand(found: Accumulator, own: Format | None, given: str | Format | None, which: str) -> FloatSpec | IntSpec:
    fmt = own if given is None else formats.get(given) if isinstance(given, str) else given
    if fmt is None:
        raise ValueError(f"{which}_format is missing: {found.name} takes any operands")
    integer = isinstance(found.output, IntSpec)
    if isinstance(fmt, IntSpec) != integer or not fmt.has_zero or (isinstance(fmt, FloatSpec) and not fmt.signed):
        kind = "an integer format" if integer else "a float format with a sign"
        raise ValueError(f"{which}_format={fmt.name}: {found.name} gets {kind} and a zero")
    return fmt
