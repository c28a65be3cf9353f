"""WHAT IT DOES: the exact judge (`reference.exact`) and the golden model on NumPy arrays.

>>> import reference
>>> reference.decode(reference.encode([0.1], "e3m2", rounding="toward_zero", saturation="sat_finite"), "e3m2")
array([0.0625], dtype=float32)
"""

from reference import exact
from reference.arithmetic import (
    add,
    convert,
    div,
    equal,
    fma,
    less,
    less_equal,
    maximum,
    maximum_number,
    minimum,
    minimum_number,
    mul,
    negate,
    sqrt,
    sub,
    unordered,
)
from reference.block_conversion import convert_blocks
from reference.blocks import BlockTensor, dequantize_blocks, quantize_blocks
from reference.codebook import decode_codebook, encode_codebook
from reference.codec import decode, encode, round_to
from reference.gguf import dequantize_gguf, gguf_tensor, pack_gguf, unpack_gguf
from reference.gguf_quantize import quantize_gguf
from reference.matmul import matmul
from reference.packing import pack, unpack
from reference.requantise import requantise
from reference.scaled_product import scaled_matmul
from reference.ternary_blocks import dequantize_ternary_blocks, quantize_q8_k, quantize_ternary_blocks
from reference.ternary_storage import pack_trits, unpack_trits

__all__ = [
    "BlockTensor",
    "add",
    "convert",
    "convert_blocks",
    "decode",
    "decode_codebook",
    "dequantize_blocks",
    "dequantize_gguf",
    "dequantize_ternary_blocks",
    "div",
    "encode",
    "encode_codebook",
    "equal",
    "exact",
    "fma",
    "gguf_tensor",
    "less",
    "less_equal",
    "matmul",
    "maximum",
    "maximum_number",
    "minimum",
    "minimum_number",
    "mul",
    "negate",
    "pack",
    "pack_gguf",
    "pack_trits",
    "quantize_blocks",
    "quantize_gguf",
    "quantize_q8_k",
    "quantize_ternary_blocks",
    "requantise",
    "round_to",
    "scaled_matmul",
    "sqrt",
    "sub",
    "unordered",
    "unpack",
    "unpack_gguf",
    "unpack_trits",
]
