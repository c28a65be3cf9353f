"""The registry, the records' own checks, and what importing formats costs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

import formats
from formats import FloatSpec, IntSpec, Nan, Overflow, Rounding, Saturation

SPECS = [formats.get(name) for name in formats.names()]
FLOAT = {"name": "demo", "bits": 8, "precision": 4, "bias": 7, "max_code": 0x7E, "source": "a test"}
INT = {"name": "demo", "bits": 4, "minimum": -8, "maximum": 7, "source": "a test"}


def test_names_are_unique_and_lead_to_their_records():
    assert len(set(formats.names())) == len(formats.names()) == len(SPECS)
    assert [spec.name for spec in SPECS] == list(formats.names())
    assert len({dataclasses.replace(spec, name="", source="") for spec in SPECS}) > 100


def test_all_120_p3109_formats_to_8_bits_are_registered():
    assert sum(name.startswith("Binary") for name in formats.names()) == 120


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_records_are_frozen_slotted_hashable_and_cite_a_source(spec):
    assert not hasattr(spec, "__dict__")
    assert hash(spec) == hash(dataclasses.replace(spec))
    assert spec == dataclasses.replace(spec)
    assert spec.source.strip()
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.bits = 9


def test_a_record_stands_for_itself():
    spec = FloatSpec(**FLOAT)
    assert formats.get(spec) is spec


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("binary16", "float16"),
        ("tensorfloat32", "tf32"),
        ("e8m0", "float8_e8m0fnu"),
        ("ue8m0", "float8_e8m0fnu"),
        ("ue4m3", "float7_ue4m3fn"),
        ("e2m1", "float4_e2m1fn"),
        ("e2m3", "float6_e2m3fn"),
        ("e3m2", "float6_e3m2fn"),
        ("e4m3fn", "float8_e4m3fn"),
        ("s2f6", "mxint8"),
        ("int2_narrow", "ternary"),
    ],
)
def test_aliases_and_short_spellings(alias, name):
    assert formats.get(alias) is formats.get(name)


def test_parsed_families():
    assert formats.get("binary8p4se") == formats.get("Binary8p4se")
    assert formats.get("Binary15p7uf").bias == 2 ** (15 - 7)
    assert formats.get("float8_e4m3fnuz") == dataclasses.replace(
        formats.get("float8_e4m3b8fnuz"), name="float8_e4m3fnuz", source=formats.get("float8_e4m3fnuz").source
    )
    wide = formats.get("float12_e5m6b3fnuz")
    assert (wide.bits, wide.precision, wide.bias, wide.max_code, wide.nan) == (12, 7, 3, 0x7FF, Nan.NEGATIVE_ZERO)


@pytest.mark.parametrize("name", ["e4m3", "e5m2"])
def test_ambiguous_names_are_refused_with_the_choices(name):
    with pytest.raises(KeyError, match=rf"'{name}' is ambiguous; say which: float8_{name}.*, float8_{name}fnuz"):
        formats.get(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("float8_e4m3f", "unknown format 'float8_e4m3f'; near names: .*float8_e4m3fn"),
        ("FLOAT16", "unknown format 'FLOAT16'; near names: .*float16"),
        ("fp8", "unknown format 'fp8'; near names: "),
        ("", "unknown format ''; near names: float16"),
        ("e9m9", "unknown format 'e9m9'; near names: "),
        ("Binary16p4se", "P3109 formats here have 3 <= K <= 15 bits; got K=16"),
        ("Binary8p8sf", "P3109 needs 1 <= P < K; got K=8, P=8"),
        ("Binary8p9uf", "P3109 needs 1 <= P <= K; got K=8, P=9"),
        ("float8_e4m4fnuz", "unknown format 'float8_e4m4fnuz'"),
        ("float17_e8m8fnuz", "unknown format 'float17_e8m8fnuz'"),
        ("float8_e0m7fnuz", "unknown format 'float8_e0m7fnuz'"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(KeyError, match=message):
        formats.get(name)


def test_names_of_block_formats_and_code_books_lead_there():
    from formats.block_formats.named import blocks
    from formats.code_books.named import codebooks

    elsewhere = set(blocks()) - set(formats.names())
    assert set(blocks()) - elsewhere == {"mxint8", "mxint8_narrow"}  # their elements have the same names
    for name in elsewhere:
        with pytest.raises(KeyError, match=rf"'{name}' is a block format, .*: see formats\.block\('{name}'\)"):
            formats.get(name)
    for name in set(codebooks()) - elsewhere:
        with pytest.raises(KeyError, match=rf"'{name}' is a code-book, .*: see formats\.codebook\('{name}'\)"):
            formats.get(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 33}, "FloatSpec 'demo': bits=33 must lie in 1..32"),
        ({"bits": 0}, "bits=0 must lie in 1..32"),
        ({"precision": 0}, "precision=0 does not fit 8 bits"),
        ({"precision": 8}, "precision=8 does not fit 8 bits"),
        ({"max_code": 0}, "max_code=0x0 does not fit 0x7f"),
        ({"max_code": 0x80}, "max_code=0x80 does not fit 0x7f"),
        ({"max_code": 0x7F, "has_infinity": True}, "max_code=0x7f does not fit 0x7f"),
        ({"signed": False, "nan": Nan.NEGATIVE_ZERO}, "an unsigned format has no code of -0 for a NaN"),
        ({"max_code": 0x7F, "nan": Nan.ABOVE}, "no code above max_code is left for NaN"),
        ({"has_infinity": True, "nan": Nan.ABOVE}, "no code above max_code is left for NaN"),
        ({"overflow": Overflow.INFINITY}, "overflow to infinity needs an infinity"),
        ({"overflow": Overflow.NAN}, "overflow to NaN needs a NaN"),
    ],
)
def test_float_record_checks(change, message):
    with pytest.raises(ValueError, match=message):
        FloatSpec(**{**FLOAT, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 0, "minimum": 0, "maximum": 0}, "IntSpec 'demo': bits=0 must lie in 1..32"),
        ({"bits": 33}, "bits=33 must lie in 1..32"),
        ({"minimum": -9}, r"\[-9, 7\] must hold 0 and lie in \[-8, 7\]"),
        ({"maximum": 8}, r"\[-8, 8\] must hold 0 and lie in \[-8, 7\]"),
        ({"minimum": 1}, r"\[1, 7\] must hold 0 and lie in \[0, 15\]"),
        ({"minimum": -3, "maximum": -1}, r"\[-3, -1\] must hold 0"),
        ({"minimum": 0, "maximum": 0}, r"\[0, 0\] must hold 0 and lie"),
        ({"has_zero": False}, r"only binary \(1 bit, -1 and \+1\) may lack zero"),
    ],
)
def test_integer_record_checks(change, message):
    with pytest.raises(ValueError, match=message):
        IntSpec(**{**INT, **change})


def test_fields_are_given_by_name_only():
    with pytest.raises(TypeError, match="positional"):
        FloatSpec("demo", 8)


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("float8_e4m3fn", "sat_finite sat_propagate sat_none"),
        ("int8", "sat_finite wrap"),
        ("uint4", "sat_finite wrap"),
        ("int8_narrow", "sat_finite"),
        ("ternary", "sat_finite"),
        ("binary", "sat_finite"),
    ],
)
def test_saturations_that_mean_something(name, modes):
    assert [mode.value for mode in formats.get(name).saturations] == modes.split()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("float8_e4m3fn", 0x7F),
        ("float8_e5m2", 0x7E),  # quiet: the top fraction bit is set
        ("float8_e4m3", 0x7C),
        ("float16", 0x7E00),
        ("bfloat16", 0x7FC0),
        ("tf32", 0x3FE00),
        ("float8_e4m3fnuz", 0x80),
        ("Binary8p4se", 0x80),
        ("Binary8p1ue", 0xFF),
        ("float8_e8m0fnu", 0xFF),
        ("float7_ue4m3fn", 0x7F),
        ("float6_e3m2fn", None),
        ("float4_e2m1fn", None),
    ],
)
def test_canonical_nan(name, code):
    assert formats.get(name).nan_code == code


def test_policies_parse_by_name_and_are_never_implied():
    assert formats.parse_enum(Rounding, "to_odd", "rounding") is Rounding.TO_ODD
    assert formats.parse_enum(Saturation, Saturation.WRAP, "saturation") is Saturation.WRAP
    with pytest.raises(TypeError, match="rounding must be stated; choose one of: nearest_ties_to_even, "):
        formats.parse_enum(Rounding, None, "rounding")
    with pytest.raises(ValueError, match="saturation='clamp' is not known; choose one of: sat_finite, "):
        formats.parse_enum(Saturation, "clamp", "saturation")
    with pytest.raises(ValueError, match="rounding='TO_ODD' is not known"):
        formats.parse_enum(Rounding, "TO_ODD", "rounding")


def test_stochastic_roundings():
    assert [mode.name for mode in Rounding if mode.is_stochastic] == ["STOCHASTIC_A", "STOCHASTIC_B", "STOCHASTIC_C"]


def test_import_brings_in_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import formats; formats.get('Binary5p2se')\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["formats"]


def test_a_lookup_that_succeeds_brings_in_no_block_format():
    code = "import sys, formats; formats.get('e2m1'); print('formats.block_formats' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]
