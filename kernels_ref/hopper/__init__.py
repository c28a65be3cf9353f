"""Kernels for Hopper GPUs: products that stream quantised weights, dense products, elements and blocks.

>>> from kernels_ref.hopper import Variant
>>> Variant().join
'kernel'
"""

from kernels_ref.hopper.block import quantize_blocks, quantize_packed
from kernels_ref.hopper.cut import default_split
from kernels_ref.hopper.dense import dense_matmul
from kernels_ref.hopper.dense_variant import DenseVariant
from kernels_ref.hopper.dense_weights import DenseWeights, dense_weights, pack_dense
from kernels_ref.hopper.element_codebook import decode_codebook, encode_codebook
from kernels_ref.hopper.element_packed import decode_packed, encode_packed
from kernels_ref.hopper.element_requantise import requantise
from kernels_ref.hopper.packed import PackedWeights, pack_weights
from kernels_ref.hopper.scaled_matmul import scaled_matmul, streamed
from kernels_ref.hopper.variant import Variant

__all__ = [
    "DenseVariant",
    "DenseWeights",
    "PackedWeights",
    "Variant",
    "decode_codebook",
    "decode_packed",
    "default_split",
    "dense_matmul",
    "dense_weights",
    "encode_codebook",
    "encode_packed",
    "pack_dense",
    "pack_weights",
    "quantize_blocks",
    "quantize_packed",
    "requantise",
    "scaled_matmul",
    "streamed",
]
