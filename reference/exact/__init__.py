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
from reference.exact.codec import decode, encode, magnitude
from reference.exact.dot import dot
from reference.exact.packing import pack, unpack
from reference.exact.requantise import requantise
from reference.exact.rounding import round_to_integer

__all__ = [
    "add",
    "convert",
    "decode",
    "div",
    "dot",
    "encode",
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
    "requantise",
    "round_to_integer",
    "sqrt",
    "sub",
    "unordered",
    "unpack",
]
