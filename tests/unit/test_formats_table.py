"""Every format against a table of its properties, made without this code, and against its codes' values.

Columns: name, bits, sign/exponent/fraction bits, precision, bias, emin, emax, largest finite value (its code), smallest
normal and subnormal value, codes of zeros, infinities and NaNs, number of finite codes and of finite values, and the
overflow tie with what ties-to-even does there. The 8-bit floats were checked against ml_dtypes and gfloat, P3109's
against the working group's published value tables.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest

import formats
from formats import FloatSpec, Rounding, Saturation
from reference import exact

TABLE = """
float8_e4m3fn | 8 | 1/4/3 | 4 | 7 | -6 | 8 | 448 (0x7E) | 2^-6 | 2^-9 | 0x00, 0x80 | - | 0x7F, 0xFF | 254 / 253 | 464 stays max
float8_e5m2 | 8 | 1/5/2 | 3 | 15 | -14 | 15 | 57344 (0x7B) | 2^-14 | 2^-16 | 0x00, 0x80 | 0x7C, 0xFC | 0x7D-0x7F, 0xFD-0xFF | 248 / 247 | 61440 overflows
float8_e4m3 | 8 | 1/4/3 | 4 | 7 | -6 | 7 | 240 (0x77) | 2^-6 | 2^-9 | 0x00, 0x80 | 0x78, 0xF8 | 0x79-0x7F, 0xF9-0xFF | 240 / 239 | 248 overflows
float8_e3m4 | 8 | 1/3/4 | 5 | 3 | -2 | 3 | 15.5 (0x6F) | 2^-2 | 2^-6 | 0x00, 0x80 | 0x70, 0xF0 | 0x71-0x7F, 0xF1-0xFF | 224 / 223 | 15.75 overflows
float8_e4m3fnuz | 8 | 1/4/3 | 4 | 8 | -7 | 7 | 240 (0x7F) | 2^-7 | 2^-10 | 0x00 | - | 0x80 | 255 / 255 | 248 overflows
float8_e5m2fnuz | 8 | 1/5/2 | 3 | 16 | -15 | 15 | 57344 (0x7F) | 2^-15 | 2^-17 | 0x00 | - | 0x80 | 255 / 255 | 61440 overflows
float8_e4m3b11fnuz | 8 | 1/4/3 | 4 | 11 | -10 | 4 | 30 (0x7F) | 2^-10 | 2^-13 | 0x00 | - | 0x80 | 255 / 255 | 31 overflows
float8_e8m0fnu | 8 | 0/8/0 | 1 | 127 | -127 | 127 | 2^127 (0xFE) | 2^-127 | - | - | - | 0xFF | 255 / 255 | 1.5*2^127 stays max
float6_e2m3fn | 6 | 1/2/3 | 4 | 1 | 0 | 2 | 7.5 (0x1F) | 1 | 2^-3 | 0x00, 0x20 | - | - | 64 / 63 | 7.75 overflows
float6_e3m2fn | 6 | 1/3/2 | 3 | 3 | -2 | 4 | 28 (0x1F) | 2^-2 | 2^-4 | 0x00, 0x20 | - | - | 64 / 63 | 30 overflows
float4_e2m1fn | 4 | 1/2/1 | 2 | 1 | 0 | 2 | 6 (0x7) | 1 | 2^-1 | 0x0, 0x8 | - | - | 16 / 15 | 7 overflows
float4_e3m0 | 4 | 1/3/0 | 1 | 3 | -2 | 4 | 16 (0x7) | 2^-2 | - | 0x0, 0x8 | - | - | 16 / 15 | 24 overflows
float5_e2m2 | 5 | 1/2/2 | 3 | 1 | 0 | 2 | 7 (0x0F) | 1 | 2^-2 | 0x00, 0x10 | - | - | 32 / 31 | 7.5 overflows
float5_e3m1 | 5 | 1/3/1 | 2 | 3 | -2 | 4 | 24 (0x0F) | 2^-2 | 2^-3 | 0x00, 0x10 | - | - | 32 / 31 | 28 overflows
float3_e2m0 | 3 | 1/2/0 | 1 | 1 | 0 | 2 | 4 (0x3) | 1 | - | 0x0, 0x4 | - | - | 8 / 7 | 6 overflows
bfloat16 | 16 | 1/8/7 | 8 | 127 | -126 | 127 | 1.9921875*2^127 (0x7F7F) | 2^-126 | 2^-133 | 0, 0x8000 | 0x7F80, 0xFF80 | 0x7F81-0x7FFF, 0xFF81-0xFFFF | 65280 / 65279 | 1.99609375*2^127 overflows
float16 | 16 | 1/5/10 | 11 | 15 | -14 | 15 | 65504 (0x7BFF) | 2^-14 | 2^-24 | 0, 0x8000 | 0x7C00, 0xFC00 | 0x7C01-0x7FFF, 0xFC01-0xFFFF | 63488 / 63487 | 65520 overflows
tf32 | 19 | 1/8/10 | 11 | 127 | -126 | 127 | 1.9990234375*2^127 (0x3FBFF) | 2^-126 | 2^-136 | 0, 0x40000 | 0x3FC00, 0x7FC00 | 0x3FC01-0x3FFFF, 0x7FC01-0x7FFFF | 522240 / 522239 | 1.99951171875*2^127 overflows
Binary8p1se | 8 | 1/7/0 | 1 | 64 | -63 | 62 | 2^62 (0x7E) | 2^-63 | - | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 1.5*2^62 stays max
Binary8p1sf | 8 | 1/7/0 | 1 | 64 | -63 | 63 | 2^63 (0x7F) | 2^-63 | - | 0x00 | - | 0x80 | 255 / 255 | 1.5*2^63 overflows
Binary8p1ue | 8 | 0/8/0 | 1 | 128 | -127 | 125 | 2^125 (0xFD) | 2^-127 | - | 0x00 | 0xFE | 0xFF | 254 / 254 | 1.5*2^125 overflows
Binary8p1uf | 8 | 0/8/0 | 1 | 128 | -127 | 126 | 2^126 (0xFE) | 2^-127 | - | 0x00 | - | 0xFF | 255 / 255 | 1.5*2^126 stays max
Binary8p2se | 8 | 1/6/1 | 2 | 32 | -31 | 31 | 2^31 (0x7E) | 2^-31 | 2^-32 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 1.25*2^31 stays max
Binary8p2sf | 8 | 1/6/1 | 2 | 32 | -31 | 31 | 1.5*2^31 (0x7F) | 2^-31 | 2^-32 | 0x00 | - | 0x80 | 255 / 255 | 1.75*2^31 overflows
Binary8p2ue | 8 | 0/7/1 | 2 | 64 | -63 | 62 | 1.5*2^62 (0xFD) | 2^-63 | 2^-64 | 0x00 | 0xFE | 0xFF | 254 / 254 | 1.75*2^62 overflows
Binary8p2uf | 8 | 0/7/1 | 2 | 64 | -63 | 63 | 2^63 (0xFE) | 2^-63 | 2^-64 | 0x00 | - | 0xFF | 255 / 255 | 1.25*2^63 stays max
Binary8p3se | 8 | 1/5/2 | 3 | 16 | -15 | 15 | 49152 (0x7E) | 2^-15 | 2^-17 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 53248 stays max
Binary8p3sf | 8 | 1/5/2 | 3 | 16 | -15 | 15 | 57344 (0x7F) | 2^-15 | 2^-17 | 0x00 | - | 0x80 | 255 / 255 | 61440 overflows
Binary8p3ue | 8 | 0/6/2 | 3 | 32 | -31 | 31 | 1.25*2^31 (0xFD) | 2^-31 | 2^-33 | 0x00 | 0xFE | 0xFF | 254 / 254 | 1.375*2^31 overflows
Binary8p3uf | 8 | 0/6/2 | 3 | 32 | -31 | 31 | 1.5*2^31 (0xFE) | 2^-31 | 2^-33 | 0x00 | - | 0xFF | 255 / 255 | 1.625*2^31 stays max
Binary8p4se | 8 | 1/4/3 | 4 | 8 | -7 | 7 | 224 (0x7E) | 2^-7 | 2^-10 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 232 stays max
Binary8p4sf | 8 | 1/4/3 | 4 | 8 | -7 | 7 | 240 (0x7F) | 2^-7 | 2^-10 | 0x00 | - | 0x80 | 255 / 255 | 248 overflows
Binary8p4ue | 8 | 0/5/3 | 4 | 16 | -15 | 15 | 53248 (0xFD) | 2^-15 | 2^-18 | 0x00 | 0xFE | 0xFF | 254 / 254 | 55296 overflows
Binary8p4uf | 8 | 0/5/3 | 4 | 16 | -15 | 15 | 57344 (0xFE) | 2^-15 | 2^-18 | 0x00 | - | 0xFF | 255 / 255 | 59392 stays max
Binary8p5se | 8 | 1/3/4 | 5 | 4 | -3 | 3 | 15 (0x7E) | 2^-3 | 2^-7 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 15.25 stays max
Binary8p5sf | 8 | 1/3/4 | 5 | 4 | -3 | 3 | 15.5 (0x7F) | 2^-3 | 2^-7 | 0x00 | - | 0x80 | 255 / 255 | 15.75 overflows
Binary8p5ue | 8 | 0/4/4 | 5 | 8 | -7 | 7 | 232 (0xFD) | 2^-7 | 2^-11 | 0x00 | 0xFE | 0xFF | 254 / 254 | 236 overflows
Binary8p5uf | 8 | 0/4/4 | 5 | 8 | -7 | 7 | 240 (0xFE) | 2^-7 | 2^-11 | 0x00 | - | 0xFF | 255 / 255 | 244 stays max
Binary8p6se | 8 | 1/2/5 | 6 | 2 | -1 | 1 | 3.875 (0x7E) | 2^-1 | 2^-6 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 3.90625 stays max
Binary8p6sf | 8 | 1/2/5 | 6 | 2 | -1 | 1 | 3.9375 (0x7F) | 2^-1 | 2^-6 | 0x00 | - | 0x80 | 255 / 255 | 3.96875 overflows
Binary8p6ue | 8 | 0/3/5 | 6 | 4 | -3 | 3 | 15.25 (0xFD) | 2^-3 | 2^-8 | 0x00 | 0xFE | 0xFF | 254 / 254 | 15.375 overflows
Binary8p6uf | 8 | 0/3/5 | 6 | 4 | -3 | 3 | 15.5 (0xFE) | 2^-3 | 2^-8 | 0x00 | - | 0xFF | 255 / 255 | 15.625 stays max
Binary8p7se | 8 | 1/1/6 | 7 | 1 | 0 | 0 | 1.96875 (0x7E) | 1 | 2^-6 | 0x00 | 0x7F, 0xFF | 0x80 | 253 / 253 | 1.9765625 stays max
Binary8p7sf | 8 | 1/1/6 | 7 | 1 | 0 | 0 | 1.984375 (0x7F) | 1 | 2^-6 | 0x00 | - | 0x80 | 255 / 255 | 1.9921875 overflows
Binary8p7ue | 8 | 0/2/6 | 7 | 2 | -1 | 1 | 3.90625 (0xFD) | 2^-1 | 2^-7 | 0x00 | 0xFE | 0xFF | 254 / 254 | 3.921875 overflows
Binary8p7uf | 8 | 0/2/6 | 7 | 2 | -1 | 1 | 3.9375 (0xFE) | 2^-1 | 2^-7 | 0x00 | - | 0xFF | 255 / 255 | 3.953125 stays max
Binary8p8ue | 8 | 0/1/7 | 8 | 1 | 0 | 0 | 1.9765625 (0xFD) | 1 | 2^-7 | 0x00 | 0xFE | 0xFF | 254 / 254 | 1.98046875 overflows
Binary8p8uf | 8 | 0/1/7 | 8 | 1 | 0 | 0 | 1.984375 (0xFE) | 1 | 2^-7 | 0x00 | - | 0xFF | 255 / 255 | 1.98828125 stays max
Binary3p1se | 3 | 1/2/0 | 1 | 2 | -1 | 0 | 1 (0x2) | 2^-1 | - | 0x0 | 0x3, 0x7 | 0x4 | 5 / 5 | 1.5 stays max
Binary3p1sf | 3 | 1/2/0 | 1 | 2 | -1 | 1 | 2 (0x3) | 2^-1 | - | 0x0 | - | 0x4 | 7 / 7 | 3 overflows
Binary3p2se | 3 | 1/1/1 | 2 | 1 | 0 | 0 | 1 (0x2) | 1 | 2^-1 | 0x0 | 0x3, 0x7 | 0x4 | 5 / 5 | 1.25 stays max
Binary3p2sf | 3 | 1/1/1 | 2 | 1 | 0 | 0 | 1.5 (0x3) | 1 | 2^-1 | 0x0 | - | 0x4 | 7 / 7 | 1.75 overflows
Binary4p1se | 4 | 1/3/0 | 1 | 4 | -3 | 2 | 4 (0x6) | 2^-3 | - | 0x0 | 0x7, 0xF | 0x8 | 13 / 13 | 6 stays max
Binary4p1sf | 4 | 1/3/0 | 1 | 4 | -3 | 3 | 8 (0x7) | 2^-3 | - | 0x0 | - | 0x8 | 15 / 15 | 12 overflows
Binary4p2se | 4 | 1/2/1 | 2 | 2 | -1 | 1 | 2 (0x6) | 2^-1 | 2^-2 | 0x0 | 0x7, 0xF | 0x8 | 13 / 13 | 2.5 stays max
Binary4p2sf | 4 | 1/2/1 | 2 | 2 | -1 | 1 | 3 (0x7) | 2^-1 | 2^-2 | 0x0 | - | 0x8 | 15 / 15 | 3.5 overflows
Binary4p3sf | 4 | 1/1/2 | 3 | 1 | 0 | 0 | 1.75 (0x7) | 1 | 2^-2 | 0x0 | - | 0x8 | 15 / 15 | 1.875 overflows
Binary5p2se | 5 | 1/3/1 | 2 | 4 | -3 | 3 | 8 (0x0E) | 2^-3 | 2^-4 | 0x00 | 0x0F, 0x1F | 0x10 | 29 / 29 | 10 stays max
Binary5p2sf | 5 | 1/3/1 | 2 | 4 | -3 | 3 | 12 (0x0F) | 2^-3 | 2^-4 | 0x00 | - | 0x10 | 31 / 31 | 14 overflows
Binary5p3se | 5 | 1/2/2 | 3 | 2 | -1 | 1 | 3 (0x0E) | 2^-1 | 2^-3 | 0x00 | 0x0F, 0x1F | 0x10 | 29 / 29 | 3.25 stays max
Binary5p3sf | 5 | 1/2/2 | 3 | 2 | -1 | 1 | 3.5 (0x0F) | 2^-1 | 2^-3 | 0x00 | - | 0x10 | 31 / 31 | 3.75 overflows
Binary6p2se | 6 | 1/4/1 | 2 | 8 | -7 | 7 | 128 (0x1E) | 2^-7 | 2^-8 | 0x00 | 0x1F, 0x3F | 0x20 | 61 / 61 | 160 stays max
Binary6p3se | 6 | 1/3/2 | 3 | 4 | -3 | 3 | 12 (0x1E) | 2^-3 | 2^-5 | 0x00 | 0x1F, 0x3F | 0x20 | 61 / 61 | 13 stays max
Binary6p3sf | 6 | 1/3/2 | 3 | 4 | -3 | 3 | 14 (0x1F) | 2^-3 | 2^-5 | 0x00 | - | 0x20 | 63 / 63 | 15 overflows
Binary6p4se | 6 | 1/2/3 | 4 | 2 | -1 | 1 | 3.5 (0x1E) | 2^-1 | 2^-4 | 0x00 | 0x1F, 0x3F | 0x20 | 61 / 61 | 3.625 stays max
Binary6p4sf | 6 | 1/2/3 | 4 | 2 | -1 | 1 | 3.75 (0x1F) | 2^-1 | 2^-4 | 0x00 | - | 0x20 | 63 / 63 | 3.875 overflows
"""  # noqa: E501

ROWS = {line.split(" | ")[0]: [cell.strip() for cell in line.split(" | ")] for line in TABLE.strip().splitlines()}

VALUES = """
float8_e4m3fn: 0x01=2^-9; 0x07=7*2^-9; 0x08=2^-6; 0x38=1; 0x7D=416; 0x7E=448; 0x7F=nan
float8_e5m2: 0x01=2^-16; 0x03=3*2^-16; 0x04=2^-14; 0x3C=1; 0x7A=49152; 0x7B=57344; 0x7C=inf
float8_e4m3: 0x01=2^-9; 0x08=2^-6; 0x38=1; 0x76=224; 0x77=240; 0x78=inf
float8_e3m4: 0x01=2^-6; 0x0F=15*2^-6; 0x10=2^-2; 0x30=1; 0x6F=15.5; 0x70=inf
float8_e4m3fnuz: 0x01=2^-10; 0x08=2^-7; 0x40=1; 0x7E=224; 0x7F=240; 0x80=nan
float8_e5m2fnuz: 0x01=2^-17; 0x04=2^-15; 0x40=1; 0x7E=49152; 0x7F=57344; 0x80=nan
float8_e4m3b11fnuz: 0x01=2^-13; 0x08=2^-10; 0x58=1; 0x7E=28; 0x7F=30; 0x80=nan
float8_e8m0fnu: 0x00=2^-127; 0x01=2^-126; 0x7F=1; 0xFD=2^126; 0xFE=2^127; 0xFF=nan
float6_e2m3fn: 0x01=0.125; 0x07=0.875; 0x08=1; 0x1E=7; 0x1F=7.5; 0x3F=-7.5
float6_e3m2fn: 0x01=0.0625; 0x04=0.25; 0x0C=1; 0x1E=24; 0x1F=28; 0x3F=-28
float4_e2m1fn: 0x0=0; 0x1=0.5; 0x2=1; 0x3=1.5; 0x4=2; 0x5=3; 0x6=4; 0x7=6; 0xF=-6
float4_e3m0: 0x0=0; 0x1=0.25; 0x2=0.5; 0x3=1; 0x4=2; 0x5=4; 0x6=8; 0x7=16; 0xF=-16
float3_e2m0: 0x0=0; 0x1=1; 0x2=2; 0x3=4; 0x7=-4
Binary8p4se: 0x01=2^-10; 0x08=2^-7; 0x40=1; 0x7E=224; 0x7F=inf; 0x80=nan; 0xFF=-inf
Binary8p3se: 0x01=2^-17; 0x40=1; 0x7E=49152
Binary8p1uf: 0x00=0; 0x01=2^-127; 0x80=1; 0xFE=2^126; 0xFF=nan
Binary4p2sf: 0x0=0; 0x1=0.25; 0x2=0.5; 0x3=0.75; 0x4=1; 0x5=1.5; 0x6=2; 0x7=3; 0x8=nan
mxint8: 0x40=1; 0x7F=1.984375; 0x80=-2; 0xFF=-0.015625
int4: 0x0=0; 0x7=7; 0x8=-8; 0xF=-1
int4_narrow: 0x7=7; 0x9=-7; 0x8=-8
ternary: 0x0=0; 0x1=1; 0x3=-1
binary: 0x0=1; 0x1=-1
"""

INTEGERS = {
    "int2": (2, -2, 1),
    "int4": (4, -8, 7),
    "int8": (8, -128, 127),
    "ternary": (2, -1, 1),
    "int4_narrow": (4, -7, 7),
    "int8_narrow": (8, -127, 127),
    "uint2": (2, 0, 3),
    "uint4": (4, 0, 15),
    "uint8": (8, 0, 255),
}


def number(text):
    """A Fraction from ``1.5*2^-3``, ``2^4`` or ``0.25``."""
    factor, _, power = text.rpartition("2^")
    return Fraction(factor.rstrip("*") or 1) * Fraction(2) ** int(power) if power and "2^" in text else Fraction(text)


def codes(text):
    """Codes from ``0x7D-0x7F, 0xFD``; none from ``-``."""
    if text == "-":
        return []
    ends = [[int(end, 16) for end in part.split("-")] for part in text.split(", ")]
    return sorted(code for low, *high in ends for code in range(low, (high or [low])[0] + 1))


def float_spec(name):
    spec = formats.get(name)
    assert isinstance(spec, FloatSpec)
    return spec


@pytest.mark.parametrize("name", ROWS)
def test_fields(name):
    _, bits, fields, precision, bias, emin, emax, *_ = ROWS[name]
    spec = float_spec(name)
    assert spec.bits == int(bits)
    assert f"{int(spec.signed)}/{spec.exponent_bits}/{spec.fraction_bits}" == fields
    assert (spec.precision, spec.bias, spec.emin, spec.emax) == tuple(map(int, (precision, bias, emin, emax)))


@pytest.mark.parametrize("name", ROWS)
def test_values_of_all_codes(name):
    *_, largest, normal, subnormal, zeros, infinities, nans, counts, _ = ROWS[name]
    spec = float_spec(name)
    values = [exact.decode(code, spec) for code in range(1 << spec.bits)]
    finite = {code: v for code, v in enumerate(values) if not isinstance(v, float) or v == 0}
    positive = {v for v in finite.values() if v > 0}
    value, code = re.fullmatch(r"(.+) \((.+)\)", largest).groups()
    assert max(positive) == number(value) == values[int(code, 16)]
    assert number(normal) == Fraction(2) ** spec.emin
    assert number(normal) in positive
    assert min(positive) == number(normal if subnormal == "-" else subnormal)
    assert [c for c, v in finite.items() if v == 0] == [int(c, 16) for c in zeros.split(", ") if c != "-"]
    assert [c for c, v in enumerate(values) if isinstance(v, float) and math.isinf(v)] == codes(infinities)
    assert [c for c, v in enumerate(values) if v != v] == codes(nans)
    assert [len(finite), len(set(finite.values()))] == [int(n) for n in counts.split(" / ")]


@pytest.mark.parametrize("name", ROWS)
def test_overflow_tie(name):
    """In a format with one more binade above, the tie shows whether ties-to-even leaves the maximum."""
    tie, outcome = re.fullmatch(r"(\S+) (overflows|stays max)", ROWS[name][-1]).groups()
    spec = float_spec(name)
    wider = FloatSpec(
        name="wider", bits=spec.bits + 1, precision=spec.precision, bias=spec.bias, max_code=spec.max_code + 1,
        signed=spec.signed, has_zero=spec.has_zero, source="a test",
    )  # fmt: skip
    top, beyond = (exact.decode(code, wider) for code in (spec.max_code, spec.max_code + 1))
    assert number(tie) == (top + beyond) / 2
    policy = {"rounding": Rounding.NEAREST_TIES_TO_EVEN, "saturation": Saturation.SAT_FINITE}
    assert exact.encode(number(tie), wider, **policy) == spec.max_code + (outcome == "overflows")


@pytest.mark.parametrize("line", VALUES.strip().splitlines(), ids=lambda line: line.split(":")[0])
def test_values_by_code(line):
    name, pairs = line.split(": ")
    for code, text in (pair.split("=") for pair in pairs.split("; ")):
        value = exact.decode(int(code, 16), name)
        expected = float(text) if text.endswith(("nan", "inf")) else number(text)
        assert value == expected or (value != value and expected != expected), (name, code)


@pytest.mark.parametrize(("name", "expected"), INTEGERS.items())
def test_integer_ranges(name, expected):
    spec = formats.get(name)
    assert (spec.bits, spec.minimum, spec.maximum) == expected


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", range(3, 9))
def test_p3109_formulas(bits, signed, extended):
    """Interim Report v4.0: bias, exponent of the maximum, and the codes of 1, NaN, infinity and the maximum."""
    for precision in range(1, bits + (not signed)):
        spec = formats.p3109(bits=bits, precision=precision, signed=signed, extended=extended)
        values = [exact.decode(code, spec) for code in range(1 << bits)]
        one, nan, top = (2 ** (bits - 2), 2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (
            2 ** (bits - 1), 2**bits - 1, 2**bits - 2)  # fmt: skip
        assert values[one] == 1
        assert [c for c, v in enumerate(values) if v != v] == [nan]
        infinities = [top, 2**bits - 1][: 1 + signed] if extended else []
        assert [c for c, v in enumerate(values) if v in (math.inf, -math.inf)] == infinities
        assert spec.max_code == top - extended
        assert spec.bias == 2 ** (bits - precision - signed)
        assert spec.emax == p3109_emax(bits, precision, signed, extended)
        assert Fraction(2) ** spec.emax <= values[spec.max_code] < Fraction(2) ** (spec.emax + 1)


def p3109_emax(bits, precision, signed, extended):
    match signed, precision, extended:
        case False, 1, True:
            return 2 ** (bits - 1) - 3
        case False, 1, False:
            return 2 ** (bits - 1) - 2
        case True, 1, True:
            return 2 ** (bits - 2) - 2
        case False, 2, True:
            return 2 ** (bits - 2) - 2
        case _:
            return 2 ** (bits - precision - signed) - 1
