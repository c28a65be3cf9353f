"""The contract of a kernel on integers: sums rescaled to bytes."""

from __future__ import annotations

from formats import Dyadic
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

#: about 1.7e-7: of any int32, a third lies within int8 and the others are saturated
_RATIO = Dyadic(multiplier=1518500250, shift=53)


def integer_contracts() -> tuple[KernelContract, ...]:
    """Requantisation by one dyadic number."""
    return (_requantise(),)


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
