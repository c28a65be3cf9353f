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
from reference.codec import decode, encode, round_to
from reference.matmul import matmul
from reference.packing import pack, unpack
from reference.requantise import requantise

__all__ = [
    "add",
    "convert",
    "decode",
    "div",
    "encode",
    "equal",
    "exact",
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
    "requantise",
    "round_to",
    "sqrt",
    "sub",
    "unordered",
    "unpack",
]
