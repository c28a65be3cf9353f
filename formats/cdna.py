"""The rows of AMD's matrix cores (MFMA): M and N change nothing, so that names give K only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from formats.matrix_cores import ExactSteps, JoinedSteps, PairwiseSteps
from formats.results import FLOAT32

_Row = tuple[str, str, str, int, ExactSteps | PairwiseSteps | JoinedSteps]
FP8 = {"fp8": "float8_e4m3fnuz", "bf8": "float8_e5m2fnuz"}


def cdna1() -> Iterator[_Row]:
    """MI100. The sources disagree, so that both readings have a name: ``.exact`` and ``.pairwise``."""
    for operand, products in (("f16", 4), ("bf16", 2)):
        for k in (products, 2 * products, 4 * products):
            name = f"mfma.k{k}.f32.{operand}"
            yield f"{name}.exact", operand, operand, k, ExactSteps(products=products, output=FLOAT32)
            pairwise = PairwiseSteps(products=products, output=FLOAT32, flushes=False)
            yield f"{name}.pairwise", operand, operand, k, pairwise


def cdna2() -> Iterator[_Row]:
    """MI200."""
    for label, operand, products in (("f16", "f16", 4), ("bf16", "bf16", 2), ("bf16_1k", "bf16", 4)):
        for k in (products, 2 * products, 4 * products):
            summation = PairwiseSteps(products=products, output=FLOAT32, flushes=True)
            yield f"mfma.k{k}.f32.{label}", operand, operand, k, summation


def cdna3() -> Iterator[_Row]:
    """MI300."""
    for operand, k in itertools.product(("f16", "bf16"), (4, 8, 16)):
        yield f"mfma.k{k}.f32.{operand}", operand, operand, k, _joined(min(k, 8))
    for k in (4, 8):
        yield f"mfma.k{k}.f32.xf32", "tf32", "tf32", k, _joined(4)
    for k, a, b in itertools.product((16, 32), FP8, FP8):
        yield f"mfma.k{k}.f32.{a}.{b}", a, b, k, _joined(16, interleaved=True, c_reach=25)


def _joined(products: int, *, interleaved: bool = False, c_reach: int | None = None) -> JoinedSteps:
    return JoinedSteps(
        products=products,
        fraction_bits=24,
        sum_bits=31,
        output=FLOAT32,
        interleaved=interleaved,
        c_reach=c_reach,
    )
