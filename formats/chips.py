"""The matrix units of GPUs: a row for each instruction and pair of operand formats, with the evidence for it.

Left out, since nothing recorded stands behind them: block-scaled operands of Blackwell (mxf8f6f4, mxf4, nvfp4), sparse
operands, float64, and integers of 4 bits and of chips other than Hopper.
"""

from __future__ import annotations

import enum
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from formats import cdna
from formats.policy import Rounding, Saturation
from formats.results import FLOAT16, FLOAT32
from formats.summation import FusedSteps, HalvedSteps, IntegerSum, Summation


class Evidence(enum.Enum):
    """What stands behind a row; rows of a chip that differ in K or in mixing operands share what one of them has."""

    MEASURED = "measured"  #: equal to recorded results of the chip, special values and floors included
    VECTORS = "published vectors"  #: equal to published results on normal data; floors and specials are second hand
    SECOND_HAND = "second hand"  #: taken from the source; no recorded results were compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """A matrix instruction: what it multiplies, how it sums, and how well that is known."""

    name: str
    #: names of the operands' formats
    a: str
    b: str
    #: elements of K that one instruction takes
    k: int
    summation: Summation
    evidence: Evidence
    source: str


_FORMATS = {
    "f16": "float16",
    "bf16": "bfloat16",
    "tf32": "tf32",
    "e4m3": "float8_e4m3fn",
    "e5m2": "float8_e5m2",
    "e2m3": "float6_e2m3fn",
    "e3m2": "float6_e3m2fn",
    "e2m1": "float4_e2m1fn",
    "s8": "int8",
    "u8": "uint8",
    **cdna.FP8,
}
_FP8 = ("e4m3", "e5m2")
_NARROW = (*_FP8, "e2m3", "e3m2", "e2m1")
_H100 = "173.5 million results of an H100 80GB HBM3 on 13 families of operands, CUDA 13.0; arXiv 2512.07004"
_PUBLISHED = (
    "results recorded in MATLAB-tensor-core at b12b5a7 (arXiv 2512.07004, 2510.15884); MMA-Sim, arXiv 2511.10909"
)
_MMA_SIM = "MMA-Sim at c785138, arXiv 2511.10909"
_AMD = (
    "MMA-Sim at 1727461 and 735c9b7, arXiv 2511.10909; "
    "MATLAB-tensor-core, models CDNA1 (5569986), CDNA2 (0bce470) and CDNA3 (1430b1d)"
)


def _step(output: str, products: int, fraction_bits: int, spare: int, kept_bits: int | None = None) -> FusedSteps:
    """A fused step whose floor lies 5 + ``spare`` below the exponent of the output's smallest normal value."""
    spec = FLOAT32 if output == "f32" else FLOAT16
    return FusedSteps(
        products=products,
        fraction_bits=fraction_bits,
        floor=spec.emin - 5 - spare,
        output=spec,
        kept_bits=spec.fraction_bits if kept_bits is None else kept_bits,
        rounding=Rounding.TOWARD_ZERO if output == "f32" else Rounding.NEAREST_TIES_TO_EVEN,
    )


Row = tuple[str, str, str, int, Summation]  # name without the chip, formats of a and b, elements of K, how it sums


def _halves(shape: str, k: int, products: int, fraction_bits: int, spare: int) -> Iterator[Row]:
    """float16 and bfloat16 operands; float16 results come with float16 operands only."""
    for output, operand in (("f32", "f16"), ("f16", "f16"), ("f32", "bf16")):
        yield f"{shape}.{output}.{operand}", operand, operand, k, _step(output, products, fraction_bits, spare)


def _tf32(shape: str, k: int, products: int, fraction_bits: int, spare: int) -> Iterator[Row]:
    yield f"{shape}.f32.tf32", "tf32", "tf32", k, _step("f32", products, fraction_bits, spare)


def _narrow(
    shape: str, k: int, products: int, fraction_bits: int, spare: int, *, kept: int | None = None, of: tuple[str, ...]
) -> Iterator[Row]:
    """Operands of at most 8 bits in any mix; ``kept`` fraction bits in float32 results."""
    for output, a, b in itertools.product(("f32", "f16"), of, of):
        step = _step(output, products, fraction_bits, spare, kept if output == "f32" else None)
        yield f"{shape}.{output}.{a}.{b}", a, b, k, step


def _rewritten(shape: str, k: int) -> Iterator[Row]:
    """FP8 ``mma.sync`` where the chip has no such instruction."""
    for output, a, b in itertools.product(("f32", "f16"), _FP8, _FP8):
        yield f"{shape}.{output}.{a}.{b}", a, b, k, HalvedSteps(step=_step(output, k // 2, 25, 2))


def _integers(shape: str, k: int) -> Iterator[Row]:
    for a, b in itertools.product(("s8", "u8"), repeat=2):
        for suffix, saturation in (("", Saturation.WRAP), (".sat", Saturation.SAT_FINITE)):
            yield f"{shape}.s32.{a}.{b}{suffix}", a, b, k, IntegerSum(bits=32, saturation=saturation, products=k)


def _volta() -> Iterator[Row]:
    for output in ("f32", "f16"):
        yield f"mma.m8n8k4.{output}.f16", "f16", "f16", 4, _step(output, 4, 23, 0)


def _turing() -> Iterator[Row]:
    for output, (shape, k) in itertools.product(("f32", "f16"), (("m8n8k4", 4), ("m16n8k8", 8))):
        yield f"mma.{shape}.{output}.f16", "f16", "f16", k, _step(output, k, 24, 1)


def _ampere() -> Iterator[Row]:
    for k in (8, 16):
        yield from _halves(f"mma.m16n8k{k}", k, 8, 24, 1)
    for k in (4, 8):
        yield from _tf32(f"mma.m16n8k{k}", k, 4, 24, 1)


def _ada() -> Iterator[Row]:
    yield from _ampere()
    for k in (16, 32):
        yield from _narrow(f"mma.m16n8k{k}", k, 16, 13, 1, kept=13, of=_FP8)


def _wide_warps() -> Iterator[Row]:
    """``mma.sync`` of Hopper and of data-centre Blackwell."""
    for k in (8, 16):
        yield from _halves(f"mma.m16n8k{k}", k, k, 25, 2)
    for k in (4, 8):
        yield from _tf32(f"mma.m16n8k{k}", k, k, 25, 2)
    for k in (16, 32):
        yield from _rewritten(f"mma.m16n8k{k}", k)


def _hopper() -> Iterator[Row]:
    yield from _wide_warps()
    yield from _halves("wgmma.k16", 16, 16, 25, 2)
    yield from _tf32("wgmma.k8", 8, 8, 25, 2)
    yield from _narrow("wgmma.k32", 32, 32, 13, 2, kept=13, of=_FP8)
    for shape, k in (("mma.m16n8k16", 16), ("mma.m16n8k32", 32), ("wgmma.k32", 32)):
        yield from _integers(shape, k)


def _tensor_memory() -> Iterator[Row]:
    """``tcgen05.mma``: float32 results are whole again."""
    yield from _halves("tcgen05.k16", 16, 16, 25, 2)
    yield from _tf32("tcgen05.k8", 8, 8, 25, 2)
    yield from _narrow("tcgen05.k32", 32, 32, 25, 2, of=_NARROW)


def _consumer_blackwell() -> Iterator[Row]:
    yield from _halves("mma.m16n8k16", 16, 16, 25, 2)
    yield from _tf32("mma.m16n8k8", 8, 8, 25, 2)
    yield from _narrow("mma.m16n8k32", 32, 32, 25, 2, of=_NARROW)


def _rows() -> Iterator[Instruction]:
    chips = (
        ("volta", _volta(), Evidence.VECTORS, _PUBLISHED),
        ("turing", _turing(), Evidence.SECOND_HAND, _MMA_SIM),
        ("ampere", _ampere(), Evidence.VECTORS, _PUBLISHED),
        ("ada", _ada(), Evidence.VECTORS, _PUBLISHED),
        ("hopper", _hopper(), Evidence.MEASURED, _H100),
        ("blackwell", _wide_warps(), Evidence.VECTORS, _PUBLISHED + "; NVIDIA/cutlass issue 1986"),
        ("blackwell", _tensor_memory(), Evidence.SECOND_HAND, _MMA_SIM + "; DeepGEMM issue 176"),
        ("blackwell_rtx", _consumer_blackwell(), Evidence.SECOND_HAND, _MMA_SIM),
        ("cdna1", cdna.cdna1(), Evidence.SECOND_HAND, _AMD),
        ("cdna2", cdna.cdna2(), Evidence.SECOND_HAND, _AMD),
        ("cdna3", cdna.cdna3(), Evidence.SECOND_HAND, _AMD),
    )
    for chip, rows, evidence, source in chips:
        for name, a, b, k, summation in rows:
            yield Instruction(
                name=f"{chip}.{name}",
                a=_FORMATS[a],
                b=_FORMATS[b],
                k=k,
                summation=summation,
                evidence=evidence,
                source=source,
            )


@functools.cache
def instructions() -> dict[str, Instruction]:
    """Every instruction by name.

    >>> instructions()["ada.mma.m16n8k32.f32.e4m3.e4m3"].summation.products
    16
    """
    return {row.name: row for row in _rows()}
