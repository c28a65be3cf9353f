"""The contracts of kernels that work on each element by itself: encode, decode, with and without packing.

Those of the formats in use are a list of their own: the run of every kernel on a GPU takes no others.
"""

from __future__ import annotations

from typing import Any

import formats
from formats import FloatSpec
from kernels_ref.contracts.record import KernelContract, Operand, Operation, Shape

_HERE = "kernels_ref.contracts.compositions"
_PACKED = "kernels_ref.hopper.element_packed"
_NEAREST = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
_STOCHASTIC = {**_NEAREST, "rounding": "stochastic_a", "random_bit_count": 16}

_DTYPES = ("bfloat16", "float32")

_BYTES = ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e3m2fn", "float6_e2m3fn", "float4_e2m1fn", "int8")
#: format, layout, and how many bytes hold k codes
_PACKINGS = (
    ("float4_e2m1fn", "4bit_low_first", "k/2"),
    ("int4", "4bit_low_first", "k/2"),
    ("float6_e3m2fn", "compressed_tensors_fp6", "3k/4"),
    ("ternary", "ternary_2bit", "k/4"),
    ("ternary", "ternary_base3", "k/5"),
)
_EXAMPLE = Shape(m=32, k=640)


def element_contracts() -> tuple[KernelContract, ...]:
    """Encoders from bfloat16 and float32, by nearest and stochastic rounding, packed ones, decoders, codes alone."""
    from_bfloat16 = [_encode(fmt, "bfloat16", _NEAREST) for fmt in _BYTES]
    others = [_encode("float8_e4m3fn", "float32", _NEAREST), _encode("float8_e4m3fn", "bfloat16", _STOCHASTIC)]
    packed = [_encode_packed(*packing) for packing in _PACKINGS]
    unpacked = [*(_decode(fmt, "bfloat16") for fmt in _BYTES), _decode("float8_e4m3fn", "float32")]
    return (*from_bfloat16, *others, *packed, *(_decode_packed(*packing) for packing in _PACKINGS), *unpacked)


def format_contracts() -> tuple[KernelContract, ...]:
    """`kernels_ref.encode` and its inverse for every registered format of at most 8 bits and both dtypes.

    Floats by stochastic rounding too, with 16 given bits for each element.
    """
    names = [name for name in formats.names() if formats.get(name).bits <= 8]
    floats = [name for name in names if isinstance(formats.get(name), FloatSpec)]
    nearest = [_encode(fmt, dtype, _NEAREST) for fmt in names for dtype in _DTYPES]
    stochastic = [_encode(fmt, dtype, _STOCHASTIC) for fmt in floats for dtype in _DTYPES]
    return (*nearest, *stochastic, *(_decode(fmt, dtype) for fmt in names for dtype in _DTYPES))


def _encode(fmt: str, dtype: str, policy: dict[str, Any]) -> KernelContract:
    stochastic = "random_bit_count" in policy
    bits = [Operand(name="random_bits", format="uint16", shape=("m", "k"))] if stochastic else []
    return KernelContract(
        name=f"encode_{fmt}_{dtype}{'_stochastic' if stochastic else ''}",
        operation=Operation.ENCODE,
        operands=(Operand(name="x", format=dtype, shape=("m", "k")), *bits),
        out=(Operand(name="codes", format="uint8", shape=("m", "k")),),
        granularity="no scale",
        layout="row-major; a code in each byte",
        golden="reference.encode",
        kernels=("kernels_ref.encode", "kernels_ref.mosaic.encode"),
        arguments=(("fmt", fmt), *policy.items()),
        example=_EXAMPLE,
        source=formats.get(fmt).source,
    )


def _decode(fmt: str, dtype: str) -> KernelContract:
    return KernelContract(
        name=f"decode_{fmt}_{dtype}",
        operation=Operation.DECODE,
        operands=(Operand(name="codes", format="uint8", shape=("m", "k")),),
        out=(Operand(name="y", format=dtype, shape=("m", "k")),),
        granularity="no scale",
        layout="row-major; a code in each byte",
        golden=f"{_HERE}.decode",
        kernels=(f"{_HERE}.decode_on_xla", "kernels_ref.mosaic.decode"),
        arguments=(("fmt", fmt), ("dtype", dtype)),
        example=_EXAMPLE,
        source=formats.get(fmt).source,
    )


def _encode_packed(fmt: str, layout: str, size: str) -> KernelContract:
    return KernelContract(
        name=f"encode_{fmt}_{layout}",
        operation=Operation.ENCODE,
        operands=(Operand(name="x", format="bfloat16", shape=("m", "k")),),
        out=(Operand(name="words", format="uint8", shape=("m", size)),),
        granularity="no scale",
        layout=f"row-major; codes packed as {layout}",
        golden=f"{_HERE}.encode_packed",
        kernels=(f"{_HERE}.encode_packed_on_xla", f"{_PACKED}.encode_packed"),
        arguments=(("fmt", fmt), ("layout", layout), *_NEAREST.items()),
        example=_EXAMPLE,
        source=formats.get(fmt).source,
    )


def _decode_packed(fmt: str, layout: str, size: str) -> KernelContract:
    return KernelContract(
        name=f"decode_{fmt}_{layout}",
        operation=Operation.DECODE,
        operands=(Operand(name="words", format="uint8", shape=("m", size)),),
        out=(Operand(name="y", format="bfloat16", shape=("m", "k")),),
        granularity="no scale",
        layout=f"row-major; codes packed as {layout}",
        golden=f"{_HERE}.decode_packed",
        kernels=(f"{_HERE}.decode_packed_on_xla", f"{_PACKED}.decode_packed"),
        arguments=(("fmt", fmt), ("layout", layout), ("dtype", "bfloat16")),
        example=_EXAMPLE,
        source=formats.get(fmt).source,
    )
