"""Quantisation with scales: granularity, scale rules, and the map from numbers to codes and back.

>>> from reference import quantize
>>> quantize.parse_granularity("group32").name
'group32'
"""

from reference.quantize.bitmod import BitmodQuantized, bitmod_dequantize, bitmod_quantize, bitmod_scale_codes
from reference.quantize.elastic_activations import elastic, elastic_gradients, elastic_start
from reference.quantize.granularity import Extent, Granularity, parse_granularity
from reference.quantize.lloyd_max import LloydMaxFit, lloyd_max, quantile_levels
from reference.quantize.quantile import midpoint_quantile_book, sram_quantile_book
from reference.quantize.quantizer import Quantized, dequantize, quantize
from reference.quantize.recipe import Recipe, recipe
from reference.quantize.scale import ScaleRule, Scheme, shrink_factors
from reference.quantize.ternary import (
    TernaryWeights,
    bitnet_linear,
    dequantize_ternary,
    quantize_ternary,
    quantize_tokens,
)

__all__ = [
    "BitmodQuantized",
    "Extent",
    "Granularity",
    "LloydMaxFit",
    "Quantized",
    "Recipe",
    "ScaleRule",
    "Scheme",
    "TernaryWeights",
    "bitmod_dequantize",
    "bitmod_quantize",
    "bitmod_scale_codes",
    "bitnet_linear",
    "dequantize",
    "dequantize_ternary",
    "elastic",
    "elastic_gradients",
    "elastic_start",
    "lloyd_max",
    "midpoint_quantile_book",
    "parse_granularity",
    "quantile_levels",
    "quantize",
    "quantize_ternary",
    "quantize_tokens",
    "recipe",
    "shrink_factors",
    "sram_quantile_book",
]
