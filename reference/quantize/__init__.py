"""Quantisation with scales: granularity, scale rules, and the map from numbers to codes and back.

>>> from reference import quantize
>>> quantize.parse_granularity("group32").name
'group32'
"""

from reference.quantize.granularity import Extent, Granularity, parse_granularity
from reference.quantize.quantizer import Quantized, dequantize, quantize
from reference.quantize.recipe import Recipe, recipe
from reference.quantize.scale import ScaleRule, Scheme, shrink_factors

__all__ = [
    "Extent",
    "Granularity",
    "Quantized",
    "Recipe",
    "ScaleRule",
    "Scheme",
    "dequantize",
    "parse_granularity",
    "quantize",
    "recipe",
    "shrink_factors",
]
