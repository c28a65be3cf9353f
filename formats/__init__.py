"""WHAT exists: number formats, policies and layouts as frozen records. Standard library only.

>>> import formats
>>> formats.get("float8_e4m3fn").max_code
126
"""

from formats.dyadic import HAWQ_V3, Dyadic, DyadicSpec
from formats.floating import FloatSpec, Nan
from formats.integer import IntSpec
from formats.layout import TERNARY_2BIT, TERNARY_BASE3, Layout, layout
from formats.p3109 import p3109
from formats.policy import NanRule, Overflow, Rounding, Saturation, parse_enum
from formats.registry import Format, get, names

__all__ = [
    "HAWQ_V3",
    "TERNARY_2BIT",
    "TERNARY_BASE3",
    "Dyadic",
    "DyadicSpec",
    "FloatSpec",
    "Format",
    "IntSpec",
    "Layout",
    "Nan",
    "NanRule",
    "Overflow",
    "Rounding",
    "Saturation",
    "get",
    "layout",
    "names",
    "p3109",
    "parse_enum",
]
