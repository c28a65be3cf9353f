"""The judge against tables worked out by hand and against the closed forms of its definitions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest

import formats
from formats import NanRule, Rounding, Saturation
from reference import exact

INF, NAN = math.inf, math.nan
DETERMINISTIC = [mode for mode in Rounding if not mode.is_stochastic]
STOCHASTIC = [mode for mode in Rounding if mode.is_stochastic]


def encode(value, fmt, rounding="nearest_ties_to_even", saturation="sat_finite", **options):
    return exact.encode(value, fmt, rounding=rounding, saturation=saturation, **options)


def rounded(value, fmt, rounding, saturation="sat_finite", **options):
    return exact.decode(encode(value, fmt, rounding, saturation, **options), fmt)


# float4_e2m1fn holds 0, 0.5, 1, 1.5, 2, 3, 4, 6; the odd codes are those of 0.5, 1.5, 3 and 6.
ROUNDING_TABLE = """
value   even  away  zero  up    down  odd
0.25    0     0.5   0     0.5   0     0.5
-0.25   0     -0.5  0     0     -0.5  -0.5
0.2     0     0     0     0.5   0     0.5
0.3     0.5   0.5   0     0.5   0     0.5
0.75    1     1     0.5   1     0.5   0.5
-0.75   -1    -1    -0.5  -0.5  -1    -0.5
1       1     1     1     1     1     1
1.25    1     1.5   1     1.5   1     1.5
1.75    2     2     1.5   2     1.5   1.5
-1.75   -2    -2    -1.5  -1.5  -2    -1.5
2.25    2     2     2     3     2     3
2.5     2     3     2     3     2     3
-2.5    -2    -3    -2    -2    -3    -3
3.5     4     4     3     4     3     3
5       4     6     4     6     4     6
-5      -4    -6    -4    -4    -6    -6
5.5     6     6     4     6     4     6
"""
MODES = dict(zip(["even", "away", "zero", "up", "down", "odd"], DETERMINISTIC, strict=True))
ROUNDING_ROWS = [line.split() for line in ROUNDING_TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize("row", ROUNDING_ROWS, ids=lambda row: row[0])
def test_rounding_modes(row):
    value, *expected = row
    assert [rounded(Fraction(value), "float4_e2m1fn", mode) for mode in MODES.values()] == [*map(Fraction, expected)]


@pytest.mark.parametrize(
    ("value", "even", "odd"),
    [  # float4_e3m0 holds 0, 1/4, 1/2, 1, 2, ...: code 0 to 4, so that 1/2 and 2 are even and 1 is odd
        (Fraction(1, 8), 0, Fraction(1, 4)),
        (Fraction(3, 8), Fraction(1, 2), Fraction(1, 4)),
        (Fraction(3, 4), Fraction(1, 2), 1),
        (Fraction(3, 2), 2, 1),
        (Fraction(3), 2, 4),
        (Fraction(-3, 2), -2, -1),
        (Fraction(-3), -2, -4),
    ],
)
def test_a_precision_of_1_breaks_ties_by_the_parity_of_the_code(value, even, odd):
    assert rounded(value, "float4_e3m0", "nearest_ties_to_even") == even
    assert rounded(value, "float4_e3m0", "to_odd") == odd


def test_e8m0_parity_is_that_of_its_own_codes():
    """1.5 lies between the codes 127 and 128, 3 between 128 and 129: both go to 2."""
    assert (encode(1.5, "e8m0"), encode(3.0, "e8m0")) == (128, 128)
    assert (encode(1.5, "e8m0", "to_odd"), encode(3.0, "e8m0", "to_odd")) == (127, 129)


# IEEE P3109 Interim Report v4.0, saturation: what becomes of a rounded value. M and lo are the ends of the range.
# A row: value, signed extended, signed finite, unsigned extended, unsigned finite.
P3109_FORMATS = ("Binary8p3se", "Binary8p3sf", "Binary8p3ue", "Binary8p3uf")
SATURATION_TABLE = """
                    sat_finite        sat_propagate        sat_none
nan                 nan nan nan nan   nan nan nan nan      nan nan nan nan
in                  in in in in       in in in in          in in in in
inf                 M M M M           inf M inf M          inf M inf M
-inf                lo lo lo lo       -inf lo lo lo        -inf lo nan nan
big/even            M M M M           M M M M              inf M inf M
big/away            M M M M           M M M M              inf M inf M
big/up              M M M M           M M M M              inf M inf M
big/zero            M M M M           M M M M              M M M M
big/down            M M M M           M M M M              M M M M
big/odd             M M M M           M M M M              inf M M M
-big/even           lo lo lo lo       lo lo lo lo          -inf lo nan nan
-big/away           lo lo lo lo       lo lo lo lo          -inf lo nan nan
-big/down           lo lo lo lo       lo lo lo lo          -inf lo nan nan
-big/zero           lo lo lo lo       lo lo lo lo          lo lo lo lo
-big/up             lo lo lo lo       lo lo lo lo          lo lo lo lo
-big/odd            lo lo lo lo       lo lo lo lo          -inf lo nan nan
"""


def saturation_cases():
    for line in SATURATION_TABLE.strip().splitlines()[1:]:
        source, *cells = line.split()
        for (mode, fmt), cell in zip(itertools.product(list(Saturation)[:3], P3109_FORMATS), cells, strict=True):
            yield pytest.param(source, mode, fmt, cell, id=f"{source}-{mode.value}-{fmt}")


@pytest.mark.parametrize(("source", "mode", "fmt", "cell"), [*saturation_cases()])
def test_p3109_saturation(source, mode, fmt, cell):
    spec = formats.get(fmt)
    top = exact.decode(spec.max_code, spec)
    text, _, rounding = source.partition("/")
    value = {"nan": NAN, "in": Fraction(3), "inf": INF, "-inf": -INF, "big": 2 * top, "-big": -2 * top}[text]
    low = -top if spec.signed else 0
    expected = {"nan": NAN, "in": Fraction(3), "M": top, "lo": low, "inf": INF, "-inf": -INF}[cell]
    for mode_of_rounding in [MODES[rounding]] if rounding else DETERMINISTIC:
        got = rounded(value, spec, mode_of_rounding, mode)
        assert got == expected or (got != got and expected != expected)


@pytest.mark.parametrize("fmt", ["Binary8p3se", "Binary8p3ue", "float8_e4m3fn", "float8_e5m2", "int8"])
def test_values_in_range_do_not_know_saturation(fmt):
    spec = formats.get(fmt)
    for code, rounding in itertools.product(range(1, 100), DETERMINISTIC):
        value = exact.decode(code, spec) * Fraction(31, 32)
        assert len({encode(value, spec, rounding, mode) for mode in spec.saturations}) == 1


def test_finite_p3109_formats_never_overflow_to_nan():
    for fmt, rounding in itertools.product(("Binary8p3sf", "Binary4p2sf", "Binary8p1uf"), DETERMINISTIC):
        top = formats.get(fmt).max_code
        assert encode(2.0**200, fmt, rounding, "sat_none") == encode(INF, fmt, rounding, "sat_none") == top


def test_rounding_comes_before_saturation():
    """A tiny negative number rounds to zero before an unsigned format is asked about its sign."""
    tiny = Fraction(-1, 1 << 200)
    codes = {mode: encode(tiny, "Binary8p3ue", mode, "sat_none") for mode in DETERMINISTIC}
    nan = formats.get("Binary8p3ue").nan_code
    assert codes == {mode: nan if mode in (Rounding.TOWARD_NEGATIVE, Rounding.TO_ODD) else 0 for mode in DETERMINISTIC}


def test_to_odd_stays_at_an_odd_maximum_only():
    assert rounded(10**6, "Binary8p3se", "to_odd", "sat_none") == INF
    assert encode(10**20, "Binary8p3ue", "to_odd", "sat_none") == formats.get("Binary8p3ue").max_code
    assert encode(10**6, "float8_e5m2", "to_odd", "sat_none") == 0x7B
    assert encode(10**6, "float8_e4m3fn", "to_odd", "sat_none") == 0x7F


@pytest.mark.parametrize(
    ("fmt", "saturation", "value", "code"),
    [  # OCP OFP8 and MX
        ("float8_e4m3fn", "sat_finite", 500.0, 0x7E),
        ("float8_e4m3fn", "sat_finite", -INF, 0xFE),
        ("float8_e4m3fn", "sat_propagate", INF, 0x7E),
        ("float8_e4m3fn", "sat_none", 464.0, 0x7E),
        ("float8_e4m3fn", "sat_none", math.nextafter(464.0, INF), 0x7F),
        ("float8_e4m3fn", "sat_none", -INF, 0x7F),
        ("float8_e5m2", "sat_finite", 70000.0, 0x7B),
        ("float8_e5m2", "sat_finite", -INF, 0xFB),
        ("float8_e5m2", "sat_propagate", 70000.0, 0x7B),
        ("float8_e5m2", "sat_propagate", -INF, 0xFC),
        ("float8_e5m2", "sat_none", 61440.0, 0x7C),
        ("float8_e5m2", "sat_none", math.nextafter(61440.0, 0), 0x7B),
        ("float8_e5m2", "sat_none", -INF, 0xFC),
        ("float8_e4m3fnuz", "sat_none", 248.0, 0x80),
        ("float8_e4m3fnuz", "sat_finite", 248.0, 0x7F),
        *((name, mode, sign * value, code | (sign < 0) << bits - 1)
          for name, bits, code in (("float6_e2m3fn", 6, 0x1F), ("float6_e3m2fn", 6, 0x1F), ("float4_e2m1fn", 4, 7))
          for mode in ("sat_finite", "sat_propagate", "sat_none") for value in (100.0, INF) for sign in (1, -1)),
    ],
)  # fmt: skip
def test_ocp_overflow(fmt, saturation, value, code):
    assert encode(value, fmt, saturation=saturation) == code


@pytest.mark.parametrize("fmt", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu", "Binary8p3ue"])
@pytest.mark.parametrize("rule", [None, *NanRule])
def test_a_format_with_nan_ignores_the_nan_rule(fmt, rule):
    assert encode(NAN, fmt, nan=rule) == encode(-NAN, fmt, nan=rule) == formats.get(fmt).nan_code


@pytest.mark.parametrize(
    ("fmt", "zero", "maximum", "minimum"),
    [
        ("float4_e2m1fn", 0, 7, 0xF),
        ("float6_e3m2fn", 0, 0x1F, 0x3F),
        ("int8", 0, 0x7F, 0x80),
        ("int8_narrow", 0, 0x7F, 0x81),
        ("uint4", 0, 15, 0),
        ("binary", 0, 0, 1),
    ],
)
def test_nan_rules(fmt, zero, maximum, minimum):
    assert [encode(NAN, fmt, nan=rule) for rule in ("zero", "maximum", "minimum")] == [zero, maximum, minimum]
    with pytest.raises(ValueError, match=f"{fmt} has no NaN; state nan= as one of: zero, maximum, minimum"):
        encode(NAN, fmt)


@pytest.mark.parametrize("rounding", DETERMINISTIC)
@pytest.mark.parametrize(
    ("fmt", "code"),
    [("float8_e4m3fn", 0x80), ("float4_e2m1fn", 8), ("float8_e4m3fnuz", 0), ("Binary8p3se", 0), ("Binary8p3ue", 0),
     ("float7_ue4m3fn", 0), ("int8", 0), ("binary", 0)],
)  # fmt: skip
def test_negative_zero(fmt, code, rounding):
    for saturation in formats.get(fmt).saturations:
        assert encode(-0.0, fmt, rounding, saturation) == code
        assert encode(0.0, fmt, rounding, saturation) == encode(0, fmt, rounding, saturation) == 0


def test_negative_underflow_keeps_its_sign_where_the_format_can():
    tiny = Fraction(-1, 1 << 60)
    assert [encode(tiny, fmt) for fmt in ("float8_e4m3fn", "float4_e2m1fn", "float8_e4m3fnuz", "Binary8p3se")] == [
        0x80, 8, 0, 0,
    ]  # fmt: skip


def test_e8m0_has_no_zero_and_no_sign():
    for value in (0.0, -0.0, -1.0, -INF):
        assert [encode(value, "e8m0", saturation=mode) for mode in ("sat_finite", "sat_propagate", "sat_none")] == [
            0, 0, 0xFF,
        ]  # fmt: skip
    assert encode(Fraction(1, 1 << 400), "e8m0", saturation="sat_none") == 0
    assert encode(Fraction(3, 1 << 129), "e8m0") == 0  # 0.75 * 2^-127
    assert encode(Fraction(5, 1 << 129), "e8m0") == 0  # 1.25 * 2^-127
    assert encode(Fraction(7, 1 << 129), "e8m0") == 1
    assert encode(INF, "e8m0") == encode(INF, "e8m0", saturation="sat_propagate") == 0xFE


@pytest.mark.parametrize(
    ("fmt", "value", "saturation", "code"),
    [
        ("int8", 127.5, "sat_finite", 0x7F),
        ("int8", 127.5, "wrap", 0x80),
        ("int8", -129, "wrap", 0x7F),
        ("int8", -129, "sat_finite", 0x80),
        ("int8_narrow", -200, "sat_finite", 0x81),
        ("int4", 2**70 + 3, "wrap", 3),
        ("uint8", -1, "wrap", 0xFF),
        ("uint8", -1, "sat_finite", 0),
        ("uint8", INF, "sat_finite", 0xFF),
        ("int8", -INF, "sat_finite", 0x80),
        ("mxint8", 1.0, "sat_finite", 0x40),
        ("mxint8", Fraction(1, 128), "sat_finite", 0),
        ("mxint8", Fraction(3, 128), "sat_finite", 2),
        ("mxint8", -5, "sat_finite", 0x80),
        ("mxint8_narrow", -5, "sat_finite", 0x81),
        ("ternary", 0.5, "sat_finite", 0),
        ("ternary", -0.75, "sat_finite", 3),
        ("binary", Fraction(-1, 1 << 99), "sat_finite", 1),
        ("binary", -INF, "sat_finite", 1),
    ],
)
def test_integers(fmt, value, saturation, code):
    assert encode(value, fmt, saturation=saturation) == code


def test_wrapped_infinity_goes_by_the_nan_rule():
    assert [encode(-INF, "int8", saturation="wrap", nan=rule) for rule in ("zero", "maximum", "minimum")] == [
        0, 0x7F, 0x80,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="int8 has no NaN; state nan="):
        encode(INF, "int8", saturation="wrap")


TICKS = {  # how many of the 2^n random numbers go up, as written in the definition's closed form
    Rounding.STOCHASTIC_A: lambda nu, n: math.floor(nu * 2**n),
    Rounding.STOCHASTIC_B: lambda nu, n: math.floor(nu * 2**n + Fraction(1, 2)),
    Rounding.STOCHASTIC_C: lambda nu, n: round(nu * 2**n),  # Python rounds a Fraction's halves to even
}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", STOCHASTIC)
def test_stochastic_closed_forms(mode, n, sign):
    """All random numbers, at every quarter tick and just beside it, between a normal and a subnormal pair."""
    for quarter, beside in itertools.product(range(4 * 2**n), (-1, 0, 1)):
        nu = Fraction(quarter, 4 * 2**n) + Fraction(beside, 10**6)
        if not 0 <= nu < 1:
            continue
        for base, quantum in ((Fraction(2), Fraction(1, 4)), (Fraction(3, 512), Fraction(1, 512))):
            value = sign * (base + nu * quantum)
            low = encode(sign * base, "float8_e4m3fn")
            codes = [encode(value, "float8_e4m3fn", mode, random_bits=r, random_bit_count=n) for r in range(2**n)]
            assert codes == sorted(codes)
            assert set(codes) <= {low, low + 1}
            assert codes.count(low + 1) == TICKS[mode](nu, n)


@pytest.mark.parametrize("mode", STOCHASTIC)
def test_stochastic_rounding_never_moves_a_value_of_the_format(mode):
    for code, r in itertools.product(range(0x7F), (0, 1, 14, 15)):
        value = exact.decode(code, "float8_e4m3fn")
        assert encode(value, "float8_e4m3fn", mode, random_bits=r, random_bit_count=4) == code


@pytest.mark.parametrize(
    ("bits", "count", "message"),
    [(2, 1, r"random_bits=2 must lie in \[0, 2\^1\)"), (-1, 4, "random_bits=-1"), (0, 25, "random_bit_count in 1..24"),
     (0, 0, "random_bit_count in 1..24")],
)  # fmt: skip
def test_random_bits_out_of_range(bits, count, message):
    with pytest.raises(ValueError, match=message):
        encode(0.1, "e3m2", "stochastic_a", random_bits=bits, random_bit_count=count)


def test_random_bits_are_needed_or_refused():
    for missing in ({}, {"random_bits": 0}, {"random_bit_count": 3}):
        with pytest.raises(TypeError, match="rounding='stochastic_b' needs random_bits and random_bit_count"):
            encode(0.1, "e3m2", "stochastic_b", **missing)
    for superfluous in ({"random_bits": 0}, {"random_bit_count": 3}):
        with pytest.raises(ValueError, match="random bits mean nothing for rounding='to_odd'"):
            encode(0.1, "e3m2", "to_odd", **superfluous)


def test_wrong_use_of_encode():
    with pytest.raises(ValueError, match="saturation='wrap' means nothing for float8_e5m2; accepted: sat_finite, "):
        encode(1, "float8_e5m2", saturation="wrap")
    with pytest.raises(ValueError, match="saturation='sat_none' means nothing for int8; accepted: sat_finite, wrap"):
        encode(1, "int8", saturation="sat_none")
    with pytest.raises(TypeError, match="value must be a Fraction, int or float, not str"):
        encode("1", "int8")
    with pytest.raises(TypeError, match="rounding must be stated"):
        encode(1, "int8", rounding=None)
    with pytest.raises(TypeError, match="saturation must be stated"):
        encode(1, "int8", saturation=None)
    with pytest.raises(KeyError, match="unknown format 'int9'"):
        encode(1, "int9")


def test_wrong_use_of_decode():
    for code in (-1, 16):
        with pytest.raises(ValueError, match=r"does not fit float4_e2m1fn, whose codes are 0\.\.0xf"):
            exact.decode(code, "float4_e2m1fn")


def test_floats_are_taken_exactly():
    """Just past a midpoint by less than any narrower type could tell."""
    above, below = math.nextafter(2.0**-10, 1), math.nextafter(2.0**-10, 0)
    assert [encode(v, "float8_e4m3fn") for v in (below, 2.0**-10, above)] == [0, 0, 1]
    assert encode(2**53 + 1, "uint8", saturation="wrap") == 1
    assert encode(Fraction(17, 16) + Fraction(1, 10**50), "float8_e4m3fn") == encode(1, "float8_e4m3fn") + 1
