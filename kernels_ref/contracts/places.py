"""The contracts of kernels that move codes and nothing else: packing, unpacking, and the order of scales."""

from __future__ import annotations

import formats
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape
from kernels_ref.hopper.element_sixes import is_sixes

#: layout, and how many bytes hold a row of k codes
_IN_USE = (("compressed_tensors_fp6", "3k/4"),)
_OTHERS = (("4bit_low_first", "k/2"), ("6bit_high_first", "3k/4"), ("ternary_2bit", "k/4"), ("ternary_base3", "k/5"))
_CUBLAS = "tiles of 128 rows by 4 scales, as cuBLAS reads them"


def place_contracts() -> tuple[KernelContract, ...]:
    """Four FP6 codes in three bytes and back, and the order in which a matrix unit reads scales of blocks."""
    swizzles = [_swizzle("block_scales_128x4", fmt, "uint8", _CUBLAS) for fmt in ("float8_e4m3fn", "float8_e8m0fnu")]
    return (*_moves(_IN_USE), *swizzles)


def layout_contracts() -> tuple[KernelContract, ...]:
    """Other layouts of bytes, FP6-LLM's split, and MARLIN's orders of float16 scales."""
    marlin = {"marlin_scales_group": 64, "marlin_scales_channel": 32}
    swizzles = [
        _swizzle(layout, "float16", "uint16", f"{columns} columns in the order of MARLIN's threads")
        for layout, columns in marlin.items()
    ]
    return (*_moves(_OTHERS), _pack_fp6_llm(), *swizzles)


def _moves(layouts: tuple[tuple[str, str], ...]) -> list[KernelContract]:
    return [make(layout, size) for layout, size in layouts for make in (_pack, _unpack)]


def _pack(layout: str, size: str) -> KernelContract:
    return _move(f"pack_{layout}", Operation.PACK, layout, _codes(), (_words(size),))


def _unpack(layout: str, size: str) -> KernelContract:
    return _move(f"unpack_{layout}", Operation.UNPACK, layout, _words(size), (_codes(),))


def _words(size: str) -> Operand:
    return Operand(name="words", format="uint8", shape=("m", size))


def _pack_fp6_llm() -> KernelContract:
    """Pieces of 2 and 4 bits of tiles of 64 x 64."""
    pieces = [Operand(name=f"piece{bits}", format="uint32", shape=("m/64", f"{2 * bits}k")) for bits in (2, 4)]
    return _move("pack_fp6_llm", Operation.PACK, "fp6_llm", _codes(), tuple(pieces))


def _codes() -> Operand:
    return Operand(name="codes", format="uint8", shape=("m", "k"))


def _move(name: str, operation: Operation, layout: str, taken: Operand, given: tuple[Operand, ...]) -> KernelContract:
    verb, spec = operation.value, formats.layout(layout)
    mosaic = (f"kernels_ref.hopper.element_sixes.{verb}",) if is_sixes(spec) else ()
    return KernelContract(
        name=name,
        operation=operation,
        operands=(taken,),
        out=given,
        granularity="no scale",
        layout=f"row-major; a code in each byte, and {layout}",
        golden=f"reference.{verb}",
        kernels=(f"kernels_ref.{verb}", *mosaic),
        arguments=(("layout", layout),),
        example=Shape(m=64, k=640),
        source=spec.source,
    )


def _swizzle(layout: str, fmt: str, dtype: str, order: str) -> KernelContract:
    name = f"swizzle_{layout}" if fmt != "float8_e8m0fnu" else f"swizzle_{layout}_{fmt}"
    return KernelContract(
        name=name,
        operation=Operation.SWIZZLE,
        operands=(Operand(name="codes", format=fmt, shape=("m", "k")),),
        out=(Operand(name="words", format=dtype, shape=("m", "k")),),
        granularity="no scale: these are the scales",
        layout=order,
        golden="reference.pack",
        kernels=("kernels_ref.pack",),
        arguments=(("layout", layout),),
        example=Shape(m=256, k=64),
        source=formats.layout(layout).source,
    )
