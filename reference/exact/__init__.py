"""The judge: exact definitions in Fractions and ints, independent of everything that it judges."""

from reference.exact.arithmetic import (
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
from reference.exact.bitmod import (
    BitmodGroup,
    bitmod_group,
    bitmod_mx_group,
    bitmod_scale_codes,
    bitmod_terms,
    booth_digits,
)
from reference.exact.block import Block, quantize_block, second_number
from reference.exact.codebook import decode_codebook, encode_codebook
from reference.exact.codec import decode, encode, magnitude
from reference.exact.dot import dot
from reference.exact.gguf import dequantize_gguf, unpack_gguf
from reference.exact.gguf_quantize import quantize_gguf
from reference.exact.packing import pack, unpack
from reference.exact.requantise import requantise
from reference.exact.rounding import round_to_integer
from reference.exact.scaled_product import scaled_dot
from reference.exact.ternary_storage import pack_trits, unpack_trits

__all__ = [
    "BitmodGroup",
    "Block",
    "add",
    "bitmod_group",
    "bitmod_mx_group",
    "bitmod_scale_codes",
    "bitmod_terms",
    "booth_digits",
    "convert",
    "decode",
    "decode_codebook",
    "dequantize_gguf",
    "div",
    "dot",
    "encode",
    "encode_codebook",
    "equal",
    "fma",
    "less",
    "less_equal",
    "magnitude",
    "maximum",
    "maximum_number",
    "minimum",
    "minimum_number",
    "mul",
    "negate",
    "pack",
    "pack_trits",
    "quantize_block",
    "quantize_gguf",
    "requantise",
    "round_to_integer",
    "scaled_dot",
    "second_number",
    "sqrt",
    "sub",
    "unordered",
    "unpack",
    "unpack_gguf",
    "unpack_trits",
]
