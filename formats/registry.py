"""Every named format, one literal each, and the lookup by name."""

from __future__ import annotations

import re

from formats.floating import FloatSpec, Nan
from formats.integer import IntSpec
from formats.p3109 import all_p3109, p3109
from formats.policy import Overflow

Format = FloatSpec | IntSpec

_OCP8 = "OCP 8-bit Floating Point Specification (OFP8) 1.0, as implemented by ml_dtypes 0.6.0"
_OCP_MX = "OCP Microscaling Formats (MX) 1.0, as implemented by ml_dtypes 0.6.0"
_ML = "ml_dtypes 0.6.0"
_FNUZ = "Noune et al., 8-bit Numerical Formats for Deep Neural Networks, arXiv 2206.02915; ml_dtypes 0.6.0"
_FPX = "torchao floatx convention (pytorch/ao PR 399): bias 2^(e-1)-1, no special values; not a standard"
_QUALCOMM = "van Baalen et al., FP8 versus INT8, arXiv 2303.17951, appendix A: default bias 2^(E-1), one NaN at -0"
_TWOS = "two's complement"


def _ieee(name: str, bits: int, exponent_bits: int, source: str) -> FloatSpec:
    """An IEEE 754 style format: the top binade holds infinity and the NaNs."""
    fraction_bits = bits - 1 - exponent_bits
    return FloatSpec(
        name=name,
        bits=bits,
        precision=fraction_bits + 1,
        bias=(1 << (exponent_bits - 1)) - 1,
        max_code=(((1 << exponent_bits) - 1) << fraction_bits) - 1,
        has_infinity=True,
        nan=Nan.ABOVE,
        overflow=Overflow.INFINITY,
        source=source,
    )


def _fnuz(name: str, exponent_bits: int, source: str, *, bits: int = 8, bias: int | None = None) -> FloatSpec:
    """Finite values, one NaN in the place of -0; the bias is free, ``2^(E-1)`` unless given."""
    return FloatSpec(
        name=name,
        bits=bits,
        precision=bits - exponent_bits,
        bias=1 << (exponent_bits - 1) if bias is None else bias,
        max_code=(1 << (bits - 1)) - 1,
        nan=Nan.NEGATIVE_ZERO,
        overflow=Overflow.NAN,
        source=source,
    )


def _plain(name: str, exponent_bits: int, fraction_bits: int, source: str) -> FloatSpec:
    """Every code a finite number: no infinity, no NaN; overflow always clamps."""
    bits = 1 + exponent_bits + fraction_bits
    return FloatSpec(
        name=name,
        bits=bits,
        precision=fraction_bits + 1,
        bias=(1 << (exponent_bits - 1)) - 1,
        max_code=(1 << (bits - 1)) - 1,
        source=source,
    )


def _integer(bits: int, *, signed: bool, narrow: bool = False) -> IntSpec:
    high = (1 << (bits - signed)) - 1
    return IntSpec(
        name=f"{'' if signed else 'u'}int{bits}{'_narrow' if narrow else ''}",
        bits=bits,
        minimum=(-high if narrow else -high - 1) if signed else 0,
        maximum=high,
        source=_TWOS + (", the most negative code unused so that the range is symmetric" if narrow else ""),
    )


_FLOATS = (
    _ieee("float16", 16, 5, "IEEE 754-2019 binary16"),
    _ieee("bfloat16", 16, 8, "Intel bfloat16 white paper 338302-001; ml_dtypes 0.6.0"),
    _ieee("tf32", 19, 8, "NVIDIA A100 white paper: binary32's range, binary16's precision; 19 bits, right-aligned"),
    FloatSpec(
        name="float8_e4m3fn", bits=8, precision=4, bias=7, max_code=0x7E, nan=Nan.ABOVE, overflow=Overflow.NAN,
        source=_OCP8,
    ),
    _ieee("float8_e5m2", 8, 5, _OCP8),
    _ieee("float8_e4m3", 8, 4, _ML),
    _ieee("float8_e3m4", 8, 3, _ML),
    _fnuz("float8_e4m3fnuz", 4, _FNUZ),
    _fnuz("float8_e5m2fnuz", 5, _FNUZ),
    _fnuz("float8_e4m3b11fnuz", 4, _ML, bias=11),
    _fnuz("float8_e3m4fnuz", 3, _QUALCOMM),
    _fnuz("float8_e2m5fnuz", 2, _QUALCOMM),
    FloatSpec(
        name="float8_e8m0fnu", bits=8, precision=1, bias=127, max_code=0xFE, signed=False, nan=Nan.ABOVE,
        has_zero=False, overflow=Overflow.NAN, source=_OCP_MX,
    ),
    FloatSpec(
        name="float7_ue4m3fn", bits=7, precision=4, bias=7, max_code=0x7E, signed=False, nan=Nan.ABOVE,
        overflow=Overflow.NAN, source="NVFP4 block scale, PTX ISA type ue4m3: float8_e4m3fn without its sign bit",
    ),
    _plain("float6_e2m3fn", 2, 3, _OCP_MX),
    _plain("float6_e3m2fn", 3, 2, _OCP_MX),
    _plain("float5_e2m2", 2, 2, _FPX),
    _plain("float5_e3m1", 3, 1, _FPX),
    _plain("float4_e2m1fn", 2, 1, _OCP_MX),
    _plain("float4_e3m0", 3, 0, _FPX + "; ZeroQuant-FP (arXiv 2307.09782) names it, its encoding is unverified"),
    _plain("float3_e2m0", 2, 0, _FPX),
)  # fmt: skip

_INTEGERS = (
    *(_integer(bits, signed=signed) for bits in (1, 2, 4, 8) for signed in (True, False)),
    *(_integer(bits, signed=True, narrow=True) for bits in (4, 8)),
    IntSpec(
        name="mxint8", bits=8, minimum=-128, maximum=127, fraction_bits=6,
        source="OCP MX 1.0 INT8 element: int8 / 64 (0x80 = -2 may be left unused)",
    ),
    IntSpec(
        name="mxint8_narrow", bits=8, minimum=-127, maximum=127, fraction_bits=6,
        source="OCP MX 1.0 INT8 element without 0x80, as microxcaling produces it",
    ),
    IntSpec(name="ternary", bits=2, minimum=-1, maximum=1, source="narrow-range int2; TWN, arXiv 1605.04711"),
    IntSpec(name="binary", bits=1, minimum=-1, maximum=1, has_zero=False, source="sign; XNOR-Net, arXiv 1603.05279"),
)  # fmt: skip

_ALIASES = {
    "binary16": "float16",
    "tensorfloat32": "tf32",
    "e4m3fn": "float8_e4m3fn",
    "e4m3fnuz": "float8_e4m3fnuz",
    "e5m2fnuz": "float8_e5m2fnuz",
    "e8m0": "float8_e8m0fnu",
    "ue8m0": "float8_e8m0fnu",
    "ue4m3": "float7_ue4m3fn",
    "int2_narrow": "ternary",
    "s2f6": "mxint8",
}


def _build() -> dict[str, Format]:
    found: dict[str, Format] = {}
    for spec in (*_FLOATS, *_INTEGERS, *(f for bits in range(3, 9) for f in all_p3109(bits))):
        if spec.name in found:
            raise ValueError(f"two formats are called {spec.name!r}")
        found[spec.name] = spec
    return found


_REGISTRY = _build()


def names() -> tuple[str, ...]:
    """Every registered name, in the order of registration.

    >>> len(names()) > 150 and "float8_e4m3fn" in names()
    True
    """
    return tuple(_REGISTRY)


def get(name: str | FloatSpec | IntSpec) -> Format:
    """The format called ``name``; a record is returned as it is.

    Besides registered names and a few aliases, three spellings are parsed:

    * P3109: ``Binary5p3sf`` (3 <= K <= 15);
    * ``e3m2``: the one registered format with these fields; an ambiguous one (``e4m3``) is refused;
    * ``float{K}_e{E}m{M}fnuz`` and ``...b{B}fnuz``: the FP8 family with free bias, at any width up to 16.

    Raises ``KeyError`` naming near matches, or what has a name that is a block format's or a code-book's.

    >>> get("e3m2").name, get("Binary10p4se").bits, get("float8_e3m4b7fnuz").bias
    ('float6_e3m2fn', 10, 7)
    """
    if isinstance(name, (FloatSpec, IntSpec)):
        return name
    found = _REGISTRY.get(_ALIASES.get(name, name))
    return _parse(name) if found is None else found


def _parse(name: str) -> Format:
    if match := re.fullmatch(r"[Bb]inary(\d+)p(\d+)([su])([ef])", name):
        bits, precision = int(match[1]), int(match[2])
        try:
            return p3109(bits=bits, precision=precision, signed=match[3] == "s", extended=match[4] == "e")
        except ValueError as error:
            raise KeyError(f"{name!r}: {error}") from None
    if match := re.fullmatch(r"float(\d+)_e(\d+)m(\d+)(?:b(\d+))?fnuz", name):
        bits, exponent_bits, fraction_bits = int(match[1]), int(match[2]), int(match[3])
        if bits == 1 + exponent_bits + fraction_bits and 3 <= bits <= 16 and exponent_bits:
            bias = int(match[4]) if match[4] else None
            return _fnuz(name, exponent_bits, _QUALCOMM, bits=bits, bias=bias)
    if match := re.fullmatch(r"e(\d+)m(\d+)", name):
        pattern = re.compile(rf"(float\d+_|u?){name}(b\d+)?(fn)?(uz|u)?")
        candidates = [known for known in _REGISTRY if pattern.fullmatch(known)]
        if len(candidates) == 1:
            return _REGISTRY[candidates[0]]
        if candidates:
            raise KeyError(f"{name!r} is ambiguous; say which: {', '.join(candidates)}")
    raise KeyError(_elsewhere(name) or f"unknown format {name!r}; near names: {', '.join(_near(name))}")


def _elsewhere(name: str) -> str:
    """What has this name, if not a format; empty if nothing has."""
    from formats.block_formats.named import blocks  # both build on this module, and only a failed lookup needs them
    from formats.code_books.named import codebooks

    if name in blocks():
        return f"{name!r} is a block format, elements under a shared scale: see formats.block({name!r})"
    if name in codebooks():
        return f"{name!r} is a code-book, a table of values by code: see formats.codebook({name!r})"
    return ""


def _near(name: str) -> list[str]:
    import difflib  # only when a lookup has failed

    known = {spelling.lower(): spelling for spelling in (*_REGISTRY, *_ALIASES)}
    close = difflib.get_close_matches(str(name).lower(), known, n=5, cutoff=0.4)
    return [known[spelling] for spelling in close] or list(_REGISTRY)[:5]
