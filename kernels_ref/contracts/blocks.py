"""The contracts of kernels that quantise a tensor into blocks, with their scales, in one pass."""

from __future__ import annotations

from dataclasses import replace

from formats.block_formats.named import block
from formats.block_formats.spec import BlockSpec
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

_HERE = "kernels_ref.contracts.compositions"

#: block format, rule, and dtype of the numbers
_QUANTISED = (
    ("int4_g128", "absmax", "bfloat16"),
    ("mxfp4", "floor", "bfloat16"),
    ("nvfp4", "torchao_nvfp4", "bfloat16"),
    ("mxfp8_e4m3", "floor", "bfloat16"),
    ("mxfp6_e3m2", "floor", "bfloat16"),
    ("int4_g128", "absmax", "float32"),
    ("mxfp4", "floor", "float32"),
    ("nvfp4", "torchao_nvfp4", "float32"),
)
#: those whose second number is an operand
_KNOWN = (("nvfp4", "torchao_nvfp4", "bfloat16"), ("nvfp4", "torchao_nvfp4", "float32"))


def block_contracts() -> tuple[KernelContract, ...]:
    """Formats of 4 bits come packed; others with a code in each byte. ``_known``: the second number is given."""
    found = (_quantise(name, rule, dtype) for name, rule, dtype in _QUANTISED)
    return (*found, *(_with_known_second(_quantise(name, rule, dtype)) for name, rule, dtype in _KNOWN))


def _with_known_second(claim: KernelContract) -> KernelContract:
    """The contract with the second number among the operands, and among the results as it is."""
    second = next(each for each in claim.out if each.name == "second")
    return replace(claim, name=f"{claim.name}_known", operands=(*claim.operands, second))


def _quantise(name: str, rule: str, dtype: str) -> KernelContract:
    spec = block(name)
    packed = spec.element.bits == 4
    scale = Operand(name="scales", format=_scale_dtype(spec), shape=("m", f"k/{spec.size}"))
    second = [] if spec.scale.second is None else [Operand(name="second", format="float32", shape=())]
    return KernelContract(
        name=f"quantise_{name}_{dtype}",
        operation=Operation.QUANTISE_BLOCKS,
        operands=(Operand(name="x", format=dtype, shape=("m", "k")),),
        out=(Operand(name="codes", format="uint8", shape=("m", "k/2" if packed else "k")), scale, *second),
        granularity=f"{spec.size} neighbours{', and the tensor' if second else ''}",
        layout="row-major; " + ("two codes in a byte, the first one low" if packed else "a code in each byte"),
        golden=f"{_HERE}.quantize_packed",
        kernels=(f"{_HERE}.quantize_packed_on_xla", "kernels_ref.hopper.block.quantize_packed"),
        arguments=(("block_format", name), ("rule", rule)),
        example=Shape(m=16, k=512),
        source=spec.source,
    )


def _scale_dtype(spec: BlockSpec) -> str:
    """Of the array that holds codes of scales."""
    bits = spec.scale.format.bits
    return "uint8" if bits <= 8 else "uint16" if bits <= 16 else "uint32"
