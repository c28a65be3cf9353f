"""Accumulators by name: operand formats, how their products are summed, and the evidence.

Names follow the instructions: ``hopper.wgmma.k32.f32.e4m3.e5m2`` is chip, instruction, shape, result, ``a``, ``b``.
Those that take any operands are called after what they do: ``exact.f32``, ``sequential.f32``, ``fma.f32``,
``pairwise.f32`` (each with ``f32``, ``f16`` or ``bf16``, rounding to nearest even); ``int32.wrap``, ``int9.wrap``.
A suffix ``.promote128`` restarts a sum every 128 elements and adds the results in the output's format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from formats.chips import Evidence, instructions
from formats.integer import IntSpec
from formats.policy import Rounding, Saturation
from formats.registry import Format, get
from formats.results import BFLOAT16, FLOAT16, FLOAT32
from formats.summation import (
    ExactSum,
    FusedSteps,
    HalvedSteps,
    IntegerSum,
    PairwiseSum,
    PromotedSum,
    SequentialSum,
    Summation,
    unpromoted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accumulator:
    """How a dot product is formed: ``c + sum over k of a[k] * b[k]``.

    ``a`` and ``b`` are the formats of the operands, or None where any will do; ``k`` divides the length of a product.

    >>> accumulator("hopper.wgmma.k32.f32.e4m3.e5m2").summation.fraction_bits
    13
    """

    name: str
    summation: Summation
    a: Format | None = None
    b: Format | None = None
    #: elements of K that one instruction takes; a longer K is a chain of instructions
    k: int = 1
    evidence: Evidence | None = None
    source: str

    @property
    def output(self) -> Format:
        """The format of ``c`` and of the result."""
        return output(self.summation)

    @property
    def random_bit_count(self) -> int | None:
        """Random bits of each addition; None where none are drawn."""
        inner = unpromoted(self.summation)
        return inner.random_bit_count if isinstance(inner, SequentialSum) else None

    def operands(self, a: str | Format | None, b: str | Format | None) -> tuple[Format, Format]:
        """The formats of the operands: the accumulator's own, or those stated where it takes any.

        Raises ``TypeError`` where one is neither its own nor stated, ``ValueError`` where it is another.

        >>> [spec.name for spec in accumulator("exact.f32").operands("e4m3fn", "int8")]
        ['float8_e4m3fn', 'int8']
        """
        return self._operand("a", self.a, a), self._operand("b", self.b, b)

    def _operand(self, name: str, own: Format | None, given: str | Format | None) -> Format:
        if given is None:
            if own is None:
                raise TypeError(f"{self.name} takes any operands; state {name}_format")
            return own
        spec = get(given)
        if own is not None and spec != own:
            raise ValueError(f"{name}_format={spec.name!r}, but {self.name} takes {own.name!r}")
        return spec


def output(summation: Summation) -> Format:
    """The format that a sum comes out in."""
    match summation:
        case PromotedSum():
            return output(summation.inner)
        case HalvedSteps():
            return summation.step.output
        case IntegerSum():
            top = 1 << (summation.bits - 1)
            name = f"int{summation.bits}"
            return IntSpec(name=name, bits=summation.bits, minimum=-top, maximum=top - 1, source="two's complement")
        case _:
            return summation.output


def accumulator(name: str | Accumulator) -> Accumulator:
    """The accumulator called ``name``; a record is returned as it is.

    The shapes of wgmma and MFMA may be spelled with M and N (``wgmma.m64n8k32``, ``mfma.32x32x8``), which change
    nothing. Raises ``KeyError`` naming the nearest known names.

    >>> accumulator("exact.f32").output.name
    'float32'
    """
    if isinstance(name, Accumulator):
        return name
    base, promoted, every = name.partition(".promote")
    found = _instruction(base) or _integer(base) or _general(base)
    if found is None or (promoted and not every.isdecimal()):
        import difflib

        near = difflib.get_close_matches(name, accumulators(), n=6, cutoff=0.5) or accumulators()[:6]
        raise KeyError(f"unknown accumulator {name!r}; near it: {', '.join(near)}; all: formats.accumulators()")
    return _promote(found, int(every)) if promoted else found


def accumulators() -> list[str]:
    """Every instruction's name and the general accumulators; integer widths and ``.promote`` go on by rule.

    >>> "hopper.mma.m16n8k16.f32.bf16" in accumulators()
    True
    """
    general = [f"{kind}.{result}" for kind in _GENERAL for result in _RESULTS]
    return [*instructions(), *general, "int32.wrap", "int32.sat_finite"]


_RNE = Rounding.NEAREST_TIES_TO_EVEN
_GENERAL = ("exact", "sequential", "fma", "pairwise")
_RESULTS = {"f32": FLOAT32, "f16": FLOAT16, "bf16": BFLOAT16}


def _instruction(name: str) -> Accumulator | None:
    row = instructions().get(re.sub(r"\b(wgmma\.m64n\d+k|mfma\.\d+x\d+x)", _without_m_and_n, name))
    if row is None:
        return None
    return Accumulator(
        name=row.name,
        summation=row.summation,
        a=get(row.a),
        b=get(row.b),
        k=row.k,
        evidence=row.evidence,
        source=row.source,
    )


def _without_m_and_n(shape: re.Match[str]) -> str:
    return shape[0].partition(".")[0] + ".k"


def _integer(name: str) -> Accumulator | None:
    match = re.fullmatch(r"int([0-9]{1,2})\.(wrap|sat_finite)", name)
    if match is None or not 2 <= int(match[1]) <= 32:
        return None
    summation = IntegerSum(bits=int(match[1]), saturation=Saturation(match[2]))
    return Accumulator(name=name, summation=summation, source="two's complement")


def _general(name: str) -> Accumulator | None:
    kind, _, result = name.partition(".")
    if kind not in _GENERAL or result not in _RESULTS:
        return None
    spec = _RESULTS[result]
    match kind:
        case "exact":
            summation = ExactSum(output=spec, rounding=_RNE)
        case "pairwise":
            summation = PairwiseSum(output=spec, rounding=_RNE)
        case _:
            summation = SequentialSum(output=spec, rounding=_RNE, fused=kind == "fma")
    return Accumulator(name=name, summation=summation, source="IEEE 754-2019, each operation")


def _promote(found: Accumulator, every: int) -> Accumulator:
    inner = found.summation
    if not isinstance(inner, FusedSteps | HalvedSteps | SequentialSum | PairwiseSum):
        raise KeyError(f"{found.name} is not promoted: that is for fused, sequential and pairwise sums")
    if every < 1 or every % found.k:
        raise KeyError(f"{found.name}.promote{every}: {every} must be a multiple of its k={found.k}")
    summation = PromotedSum(inner=inner, every=every)
    return replace(found, name=f"{found.name}.promote{every}", summation=summation)
