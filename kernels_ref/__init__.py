"""THE SAME ON AN ACCELERATOR: JAX executors, Pallas kernels, and the verifier that judges kernels.

>>> import kernels_ref, jax.numpy as jnp
>>> kernels_ref.encode(jnp.float32(0.1), "e3m2", rounding="toward_zero", saturation="sat_finite").item()
1
"""

from kernels_ref.arithmetic import (
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
from kernels_ref.blocks import dequantize_blocks, quantize_blocks
from kernels_ref.codebook import decode_codebook, encode_codebook
from kernels_ref.codec import decode, encode
from kernels_ref.contract import EncodeContract, encode_contract
from kernels_ref.gguf import dequantize_gguf, unpack_gguf
from kernels_ref.gradient import Gradient, round_to
from kernels_ref.matmul import matmul
from kernels_ref.packing import pack, unpack
from kernels_ref.report import Report
from kernels_ref.requantise import requantise
from kernels_ref.scaled_product import scaled_matmul
from kernels_ref.ternary import (
    bitnet_linear,
    dequantize_ternary_blocks,
    quantize_q8_k,
    quantize_ternary,
    quantize_ternary_blocks,
    quantize_tokens,
)
from kernels_ref.ternary_elastic import elastic, elastic_start
from kernels_ref.ternary_storage import pack_trits, unpack_trits
from kernels_ref.verifier import verify

__all__ = [
    "EncodeContract",
    "Gradient",
    "Report",
    "add",
    "bitnet_linear",
    "convert",
    "decode",
    "decode_codebook",
    "dequantize_blocks",
    "dequantize_gguf",
    "dequantize_ternary_blocks",
    "div",
    "elastic",
    "elastic_start",
    "encode",
    "encode_codebook",
    "encode_contract",
    "equal",
    "fma",
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
    "pack_trits",
    "quantize_blocks",
    "quantize_q8_k",
    "quantize_ternary",
    "quantize_ternary_blocks",
    "quantize_tokens",
    "requantise",
    "round_to",
    "scaled_matmul",
    "sqrt",
    "sub",
    "unordered",
    "unpack",
    "unpack_gguf",
    "unpack_trits",
    "verify",
]
