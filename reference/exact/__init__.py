"""The judge: exact definitions in Fractions and ints, independent of everything that it judges."""

from reference.exact.codec import decode, encode, magnitude
from reference.exact.packing import pack, unpack
from reference.exact.requantise import requantise
from reference.exact.rounding import round_to_integer

__all__ = ["decode", "encode", "magnitude", "pack", "requantise", "round_to_integer", "unpack"]
