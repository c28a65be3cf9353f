"""`assay show`: codes and values described exactly, and printed."""

from __future__ import annotations

import json
import sys
from bisect import bisect_left, bisect_right
from fractions import Fraction
from itertools import pairwise

import pytest
from rich.console import Console
from typer.testing import CliRunner

import formats
from analysis.cli import app, main
from analysis.show import describe, parse, render, to_json
from analysis.show.code import describe_code
from analysis.show.notation import binary_text, decimal_text, short_text
from analysis.show.value import bracket, describe_value
from formats import NanRule, Rounding, Saturation
from reference import exact

#: nothing registered has a sign and no zero
WITHOUT_ZERO = formats.FloatSpec(name="s", bits=5, precision=2, bias=3, max_code=15, has_zero=False, source="a test")
WALKED = (
    WITHOUT_ZERO,
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu", "float7_ue4m3fn", "float4_e2m1fn",
    "float4_e3m0", "Binary8p1uf", "Binary6p2ue", "Binary4p2se", "Binary3p1sf", "int8_narrow", "mxint8", "uint4",
    "int1", "ternary", "binary",
)  # fmt: skip


def run(*arguments, width=80):
    result = CliRunner().invoke(app, ["show", *arguments], env={"COLUMNS": str(width), "TERM": "dumb"})
    assert result.exception is None, result.output
    return result.output


@pytest.mark.parametrize(
    ("fmt", "code", "kind", "value", "ulp", "below", "above"),
    [
        ("float8_e4m3fn", 0x7E, "normal", Fraction(448), Fraction(32), 0x7D, None),
        ("float8_e4m3fn", 0x01, "subnormal", Fraction(1, 512), Fraction(1, 512), 0x00, 0x02),
        ("float8_e4m3fn", 0x08, "normal", Fraction(1, 64), Fraction(1, 512), 0x07, 0x09),
        ("float8_e4m3fn", 0x81, "subnormal", Fraction(-1, 512), Fraction(1, 512), 0x82, 0x80),
        ("float8_e4m3fn", 0xFE, "normal", Fraction(-448), Fraction(32), None, 0xFD),
        ("float8_e5m2", 0x7B, "normal", Fraction(57344), Fraction(8192), 0x7A, 0x7C),
        ("float8_e5m2", 0x00, "zero", Fraction(0), Fraction(1, 1 << 16), 0x81, 0x01),
        ("float8_e8m0fnu", 0x00, "normal", Fraction(1, 1 << 127), Fraction(1, 1 << 127), None, 0x01),
        ("float4_e2m1fn", 0x4, "normal", Fraction(2), Fraction(1), 0x3, 0x5),
        ("int8_narrow", 0x80, "reserved", Fraction(-128), Fraction(1), None, 0x81),
        ("int8_narrow", 0x81, "integer", Fraction(-127), Fraction(1), None, 0x82),
        ("ternary", 0b10, "reserved", Fraction(-2), Fraction(1), None, 0b11),
        ("ternary", 0b11, "integer", Fraction(-1), Fraction(1), None, 0b00),
        ("binary", 1, "integer", Fraction(-1), Fraction(2), None, 0),
        ("mxint8", 0xA5, "integer", Fraction(-91, 64), Fraction(1, 64), 0xA4, 0xA6),
        ("Binary8p1uf", 0x00, "zero", Fraction(0), Fraction(1, 1 << 127), None, 0x01),
        ("Binary8p1uf", 0xFE, "normal", Fraction(1 << 126), Fraction(1 << 126), 0xFD, None),
    ],
)
def test_a_code_worked_by_hand(fmt, code, kind, value, ulp, below, above):
    found = describe(hex(code), fmt)
    assert (found.kind.value, found.value, found.ulp) == (kind, value, ulp)
    assert (found.below and found.below.code, found.above and found.above.code) == (below, above)


@pytest.mark.parametrize(
    ("fmt", "code", "kind", "value", "below", "above"),
    [
        ("float8_e4m3fn", 0x7F, "nan", "nan", None, None),
        ("float8_e4m3fnuz", 0x80, "nan", "nan", None, None),
        ("float8_e5m2", 0x7C, "infinity", "inf", 0x7B, None),
        ("float8_e5m2", 0xFC, "infinity", "-inf", None, 0xFB),
        ("float8_e5m2", 0x80, "zero", "-0", 0x81, 0x01),
        ("Binary8p1uf", 0xFF, "nan", "nan", None, None),
    ],
)
def test_a_code_that_is_no_fraction(fmt, code, kind, value, below, above):
    found = to_json(describe(hex(code), fmt))
    assert (found["kind"], found["value"]) == (kind, value)
    assert [end and end["code"] for end in (found["below"], found["above"])] == [below, above]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", WALKED, ids=lambda fmt: formats.get(fmt).name)
def test_neighbours_are_the_nearest_values_on_either_side(name):
    spec = formats.get(name)
    found = [describe_code(code, spec) for code in range(1 << spec.bits)]
    values = sorted({d.value for d in found if d.value == d.value and d.kind.value != "reserved"})
    for d in found:
        ends = [None if end is None else end.value for end in (d.below, d.above)]
        if d.kind.value == "nan":
            assert ends == [None, None]
            continue
        i, j = bisect_left(values, d.value), bisect_right(values, d.value)
        assert ends == [values[i - 1] if i else None, values[j] if j < len(values) else None], d
        for end in filter(None, (d.below, d.above)):
            assert found[end.code].value == end.value
            assert found[end.code].kind.value != "reserved"


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", WALKED, ids=lambda fmt: formats.get(fmt).name)
def test_definition_and_notations_give_the_value_back(name):
    spec = formats.get(name)
    checked = 0
    for code in range(1 << spec.bits):
        d = describe_code(code, spec)
        assert "".join(field.bits for field in d.fields) == d.binary[2:]
        if isinstance(d.value, Fraction):
            mantissa, _, exponent = d.scaled.partition(" * 2^")
            assert Fraction(d.decimal) == Fraction(mantissa) * Fraction(2) ** int(exponent or "0") == d.value
            if name != "binary":
                assert _evaluate(d.definition) == d.value
            checked += 1
    assert checked > 1


def _evaluate(definition):
    mantissa, _, exponent = definition.partition(" * 2^")
    return Fraction(eval(mantissa)) * Fraction(2) ** int(eval(exponent or "0"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", WALKED, ids=lambda fmt: formats.get(fmt).name)
def test_a_value_is_bracketed_by_its_nearest_values(name):
    spec = formats.get(name)
    every = [describe_code(code, spec) for code in range(1 << spec.bits)]
    values = sorted({d.value for d in every if d.value == d.value and d.kind.value != "reserved"})
    finite = [Fraction(v) for v in values if v not in (float("inf"), float("-inf"))]
    between = [low + (high - low) * Fraction(k, 4) for low, high in pairwise(finite) for k in (1, 2, 3)]
    for x in [*finite, *between, finite[0] - Fraction(1, 3), finite[-1] * 2 + 1, float("inf"), float("-inf")]:
        ends = [None if end is None else end.value for end in bracket(x, spec)]
        i, j = bisect_right(values, x), bisect_left(values, x)
        assert ends == [values[i - 1] if i else None, values[j] if j < len(values) else None], x


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "Binary6p2ue", "int4", "mxint8"])
def test_every_policy_is_the_judges_answer(name):
    spec, n = formats.get(name), 3
    for x in map(parse, ("0.3", "-0.3", "1/3", "464", "1e30", "-1e30", "2.5", "0", "-0", "inf", "-inf", "nan")):
        d = describe_value(x, spec, random_bit_count=n)
        seen = set()
        for policy in d.policies:
            terms = {"rounding": policy.rounding, "saturation": policy.saturation, "nan": policy.nan}
            if policy.rounding.is_stochastic:
                drawn = [exact.encode(x, spec, **terms, random_bits=r, random_bit_count=n) for r in range(1 << n)]
            else:
                drawn = [exact.encode(x, spec, **terms)]
            assert {o.code: o.count for o in policy.outcomes} == {code: drawn.count(code) for code in drawn}
            seen |= set(drawn)
        assert seen == {result.code for result in d.results}
        assert {p.saturation for p in d.policies} == set(spec.saturations)
        assert {p.rounding for p in d.policies} == set(Rounding)


def test_the_tie_at_two_and_a_half_in_float4():
    d = describe("2.5", "float4_e2m1fn", random_bit_count=3)
    assert (d.below.code, d.above.code, d.nu, d.ulp) == (4, 5, Fraction(1, 2), 1)
    codes = {p.rounding.value: [o.code for o in p.outcomes] for p in d.policies}
    assert codes["nearest_ties_to_even"] == [4]
    assert codes["nearest_ties_to_away"] == codes["to_odd"] == [5]
    assert codes["stochastic_a"] == [4, 5]
    assert [(r.code, r.error, r.error_ulp) for r in d.results] == [
        (4, Fraction(-1, 2), Fraction(-1, 2)),
        (5, Fraction(1, 2), Fraction(1, 2)),
    ]


def test_nu_counts_from_zero_on_both_sides():
    assert describe("0.3", "float4_e2m1fn").nu == describe("-0.3", "float4_e2m1fn").nu == Fraction(3, 5)


def test_stochastic_counts_follow_the_definitions():
    """nu = 3/5, n = 3: floor(4.8) = 4, floor(4.8 + 1/2) = 5 and rint(4.8) = 5 of 8 go up."""
    d = describe("0.3", "float8_e4m3fn", random_bit_count=3)
    up = {p.rounding: p.outcomes[-1].count for p in d.policies if p.random_bit_count}
    assert up == {Rounding.STOCHASTIC_A: 4, Rounding.STOCHASTIC_B: 5, Rounding.STOCHASTIC_C: 5}


def test_nan_rules_show_only_where_they_decide():
    assert {p.nan for p in describe("nan", "float4_e2m1fn").policies} == set(NanRule)
    assert {p.nan for p in describe("nan", "float8_e4m3fn").policies} == {None}
    rules = {(p.saturation, p.nan) for p in describe("inf", "int8").policies}
    assert rules == {(Saturation.SAT_FINITE, None), *((Saturation.WRAP, rule) for rule in NanRule)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.3", Fraction(3, 10)),
        ("-1e-3", Fraction(-1, 1000)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("+2/6", Fraction(1, 3)),
        ("0x1.8p-3", Fraction(3, 16)),
        ("-0x0.1p+4", Fraction(-1)),
        ("126", Fraction(126)),
        ("Infinity", float("inf")),
        ("-inf", float("-inf")),
    ],
)
def test_values_are_taken_exactly(text, value):
    assert parse(text) == value


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e5", "-0/3", "-0x0p1"])
def test_minus_zero_is_minus_zero(text):
    assert str(parse(text)) == "-0.0"


def test_spelling_decides_unless_it_is_overridden():
    assert parse("0x7E").code == parse("0b1111110").code == parse("126", as_code=True).code == 126
    assert parse("0x7E", as_code=False) == 126


@pytest.mark.parametrize(
    ("text", "as_code", "message"),
    [
        ("abc", None, "'abc' is neither a value"),
        ("", None, "'' is neither a value"),
        ("0x", None, "'0x' is neither a value"),
        ("-0x7E", None, "'-0x7E' is neither a value"),
        ("1/0", None, "'1/0' divides by zero"),
        ("1e999999999", None, "exponent 999999999 is too large; at most 1000"),
        ("0x1p-99999", None, "exponent -99999 is too large; at most 1000"),
        ("1" * 1001, None, "a number of 1001 characters is too long; at most 1000"),
        ("0.3", True, "'0.3' is no code; write 0x7E"),
    ],
)
def test_bad_text_is_named(text, as_code, message):
    with pytest.raises(ValueError, match=message):
        parse(text, as_code=as_code)


def test_notations():
    assert decimal_text(Fraction(1, 1 << 9)) == "0.001953125"
    assert decimal_text(Fraction(3, 10)) is None
    assert binary_text(Fraction(-96)) == "-3 * 2^5"
    assert short_text(Fraction(10) ** 400) == "~1.00000e+400"


def test_json_schema():
    code = json.loads(run("0x7E", "-f", "e4m3fn", "--json"))
    assert set(code) == {"input", "as", "descriptions"}
    assert (code["input"], code["as"]) == ("0x7E", "code")
    (found,) = code["descriptions"]
    assert set(found) == {
        "format", "bits", "source", "code", "hexadecimal", "binary", "fields", "kind", "definition", "value", "decimal",
        "scaled", "ulp", "below", "above",
    }  # fmt: skip
    assert (found["code"], found["value"], found["below"]["value"], found["above"]) == (126, "448/1", "416/1", None)
    value = json.loads(run("1/3", "-f", "e4m3fn", "-f", "int4", "--json"))
    assert [d["format"] for d in value["descriptions"]] == ["float8_e4m3fn", "int4"]
    for found in value["descriptions"]:
        assert set(found) == {
            "format", "bits", "source", "value", "below", "above", "nu", "ulp", "policies", "results",
        }  # fmt: skip
        assert set(found["policies"][0]) == {"rounding", "saturation", "nan", "random_bit_count", "outcomes"}
        assert set(found["policies"][0]["outcomes"][0]) == {"code", "hexadecimal", "count"}
        assert set(found["results"][0]) == {"code", "hexadecimal", "value", "error", "error_ulp"}
        assert found["value"] == "1/3"


def test_one_policy_is_one_row_a_format():
    lines = run("2.5", "-f", "e2m1", "-f", "int4", "--rounding", "to_odd", "--saturation", "sat_none").splitlines()
    assert lines[0].strip() == "2.5: to_odd, sat_none"
    assert lines[2].split()[:5] == ["float4_e2m1fn", "0x5", "3", "0.5", "0.5"]
    assert lines[3].split() == ["int4", "mode", "not", "here"]


def test_all_formats_have_a_row():
    rows = run("0.3", "--all").splitlines()[2:]
    narrow = [name for name in formats.names() if formats.get(name).bits <= 8]
    assert [row.split()[0] for row in rows if row.strip()] == narrow


def test_a_code_shows_in_the_usual_formats_that_have_it():
    shown = [line.split()[0] for line in run("0x3F").splitlines()[2:] if line.strip()]
    assert shown[-2:] == ["float6_e3m2fn", "int8"]
    assert "float4_e2m1fn" not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["0x7E", "-f", "e4m3fn"],
        ["0x00", "-f", "e8m0"],
        ["500", "-f", "float8_e5m2", "-f", "float8_e4m3fn", "-f", "int8", "-f", "Binary6p2ue"],
        ["inf", "-f", "int8"],
        ["nan", "-f", "float4_e2m1fn"],
        ["0.3"],
        ["0x7E"],
        ["1/3", "--rounding", "stochastic_c", "--saturation", "sat_none"],
        ["-f", "float16", "--", "-1e-30"],
    ],
)
def test_output_fits_eighty_columns(arguments):
    lines = run(*arguments).splitlines()
    assert len(lines) > 3
    assert max(len(line) for line in lines) <= 80


def test_fields_are_coloured():
    console = Console(force_terminal=True, width=80, color_system="standard")
    with console.capture() as capture:
        console.print(render(describe("0x7E", "e4m3fn")))
    assert "\x1b[31m0\x1b[0m \x1b[32m1111\x1b[0m \x1b[34m110\x1b[0m" in capture.get()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0x100", "-f", "int8"], "code 0x100 does not fit int8, whose codes are 0..0xff"),
        (["0.3", "-f", "flot8_e4m3fn"], "unknown format 'flot8_e4m3fn'; near names: float8_e4m3fn"),
        (["0.3", "-f", "e4m3"], "'e4m3' is ambiguous; say which: float8_e4m3fn"),
        (["abc"], "'abc' is neither a value"),
        (["0x1FFFF"], "the code fits none of 10 formats, the widest of 16 bits"),
        (["0.3", "-f", "int8", "--all"], "--format and --all exclude each other"),
        (["0.3", "--rounding", "to_odd"], "saturation must be stated; choose one of: sat_finite"),
        (["0.3", "--rounding", "odd", "--saturation", "wrap"], "rounding='odd' is not known"),
        (["0.3", "--random-bits", "25"], "random_bit_count=25 must lie in 1..24"),
    ],
)
def test_wrong_use_exits_with_two(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["assay", "show", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_right_use_exits_with_zero(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["assay", "show", "0x7E", "-f", "e4m3fn"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    assert "448 = 7 * 2^6" in capsys.readouterr().out
