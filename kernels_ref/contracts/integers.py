"""The contracts of kernels on integers: sums rescaled to bytes, and scales put in the order of a matrix unit."""

from __future__ import annotations

from formats import Dyadic
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

#: about 1.7e-7: of any int32, a third lies within int8 and the others are saturated
_RATIO = Dyadic(multiplier=1518500250, shift=53)


def integer_contracts() -> tuple[KernelContract, ...]:
    """Requantisation by one dyadic number, and the swizzle of block scales."""
    return (_requantise(), _swizzle())


def _requantise() -> KernelContract:
    return KernelContract(
        name="requantise_int8",
        operation=Operation.REQUANTISE,
        operands=(Operand(name="x", format="int32", shape=("m", "k")),),
        out=(Operand(name="codes", format="uint8", shape=("m", "k")),),
        granularity="tensor",
        layout="row-major",
        golden="reference.requantise",
        kernels=("kernels_ref.requantise", "kernels_ref.hopper.element_requantise.requantise"),
        arguments=(
            ("dyadic", _RATIO),
            ("fmt", "int8"),
            ("rounding", "nearest_ties_to_away"),
            ("saturation", "sat_finite"),
        ),
        example=Shape(m=32, k=640),
        source="HAWQ-V3 (arXiv 2011.10680): one rounding of the exact product with a dyadic number",
    )


def _swizzle() -> KernelContract:
    return KernelContract(
        name="swizzle_block_scales_128x4",
        operation=Operation.SWIZZLE,
        operands=(Operand(name="codes", format="float8_e4m3fn", shape=("m", "k")),),
        out=(Operand(name="words", format="uint8", shape=("m", "k")),),
        granularity="no scale: these are the scales",
        layout="tiles of 128 rows by 4 scales, as cuBLAS reads them",
        golden="reference.pack",
        kernels=("kernels_ref.pack",),
        arguments=(("layout", "block_scales_128x4"),),
        example=Shape(m=256, k=64),
        source="cuBLAS documentation, 1D block scaling factors layout",
    )
