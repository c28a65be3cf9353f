"""The map of agreement: exact choices against float32 arithmetic, tables against the judge, surprises that are seen."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from analysis.agreement import (
    MX_FORMATS,
    Chosen,
    Interval,
    Map,
    Way,
    agreement,
    draw_map,
    intervals,
    measure,
    measured,
    pictures,
    way,
    ways,
    whole_blocks,
)
from analysis.agreement import map as agreement_map
from analysis.plots import png
from analysis.tensors import Tensor
from formats.block_formats.named import block
from formats.block_formats.rules import block_rule
from reference import exact
from reference.blocks import dequantize_blocks, quantize_blocks
from reference.exact.block import emax, quantize_block

ULP = Fraction(1, 1 << 23)
TOPS = {"mxfp8_e4m3": 448, "mxfp8_e5m2": 57344, "mxfp6_e2m3": 7.5, "mxfp6_e3m2": 28, "mxfp4": 6, "mxint8": 127 / 64}
EVEN = {
    "mxfp8_e4m3": "31/16", "mxfp8_e5m2": "15/8", "mxfp6_e2m3": "31/16", "mxfp6_e3m2": "15/8", "mxfp4": "7/4",
    "mxint8": "255/128",
}  # fmt: skip


def breakpoint_of(fmt, rule):
    """The significand from which the scale doubles; None if it never does."""
    found = intervals(block(fmt), block_rule(rule))
    assert (found[0].start, found[-1].stop) == (1, 2)
    assert all(a.stop == b.start for a, b in pairwise(found))
    assert [each.headroom for each in found] == [0, -1][: len(found)]
    return found[1].start if len(found) > 1 else None


@pytest.mark.parametrize("fmt", MX_FORMATS)
def test_choices_of_floor_ceil_even_and_a_logarithm(fmt):
    assert breakpoint_of(fmt, "floor") is None
    assert breakpoint_of(fmt, "ceil") == 1 + ULP
    assert breakpoint_of(fmt, "even") == Fraction(EVEN[fmt])
    assert breakpoint_of(fmt, "microxcaling") == 2 - ULP


def product(magnitude, top):
    """The exponent of ``rceil``, by float32 arithmetic."""
    mantissa, exponent = math.frexp(magnitude * (np.float32(1) / np.float32(top)))
    return exponent - (mantissa == 0.5)


def logarithm(magnitude, top):
    """The exponent of ``torchao_rceil``: a float32 quotient and its logarithm rounded to float32."""
    return math.ceil(np.float32(math.log2(magnitude / np.float32(top))))


@pytest.mark.parametrize(("rule", "exponent"), [("rceil", product), ("torchao_rceil", logarithm)])
@pytest.mark.parametrize("fmt", MX_FORMATS)
def test_choices_of_a_quotient(fmt, rule, exponent):
    """All of 2000 significands around the largest element's, one by one; the bisection walks the rest."""
    top = TOPS[fmt]
    middle = int((Fraction(top) / 2 ** emax(block(fmt).element) - 1) / ULP)
    near = range(middle - 1000, min(middle + 1000, 1 << 23))
    magnitudes = [np.float32(8 * (1 + float(ULP) * i)) for i in near]
    first = next(i for i, x in zip(near, magnitudes, strict=True) if exponent(x, top) > exponent(np.float32(8), top))
    assert middle < first <= middle + 8
    assert breakpoint_of(fmt, rule) == 1 + ULP * first


@pytest.mark.parametrize("fmt", ["mxfp8_e4m3", "mxfp4"])
def test_systems_that_equal_a_rule(fmt):
    twin = {"mxfp8_e4m3": ("transformer_engine_mxfp8", "rceil"), "mxfp4": ("ggml_mxfp4", "microxcaling")}[fmt]
    first, second = (intervals(block(fmt), block_rule(rule)) for rule in twin)
    assert first == second
    assert agreement(first, second) == 1


@pytest.mark.parametrize("fmt", ["nvfp4", "deepseek_1x128"])
def test_scales_that_are_no_power_of_two_are_refused(fmt):
    with pytest.raises(ValueError, match=f"{fmt} has scales other than E8M0 alone"):
        intervals(block(fmt), block_rule("floor"))


def test_agreement_is_the_part_of_a_grid_on_which_both_choose_alike():
    rng = np.random.default_rng(0)

    def drawn():
        cuts = [0, *sorted(rng.choice(np.arange(1, 64), rng.integers(0, 4), replace=False).tolist()), 64]
        return [(a, b, int(rng.integers(-2, 1))) for a, b in pairwise(cuts)]

    def chosen(pieces):
        return [headroom for a, b, headroom in pieces for _ in range(a, b)]

    for _ in range(100):
        pair = drawn(), drawn()
        expected = Fraction(sum(a == b for a, b in zip(*map(chosen, pair), strict=True)), 64)
        made = [
            tuple(Interval(start=1 + Fraction(a, 64), stop=1 + Fraction(b, 64), headroom=h) for a, b, h in pieces)
            for pieces in pair
        ]
        assert agreement(*made) == agreement(*reversed(made)) == expected


def golden(fmt, rule, *, name=None, expected="", fault=None):
    """A way by the golden model, which compiles nothing; ``fault`` changes what it made."""

    def quantise(x):
        made = quantize_blocks(x, fmt, rule=rule)
        chosen = Chosen(scales=made.scales.copy(), values=dequantize_blocks(made))
        if fault is not None:
            fault(chosen)
        return chosen

    return Way(name=name or rule, spec=block(fmt), quantise=quantise, expected=expected)


def tensors(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Tensor(name=f"w{i}", values=rng.standard_normal(shape).astype(np.float32), source="drawn")
        for i, shape in enumerate(shapes)
    ]


def judged(x, fmt, rule):
    """Scales and values of every block, by the judge."""
    spec, made = block(fmt), block_rule(rule)
    scales, values = [], []
    for numbers in x.reshape(-1, spec.size):
        found = quantize_block([Fraction(float(v)) for v in numbers], spec, made)
        scale = exact.decode(found.scale, spec.scale.format)
        scales.append(found.scale)
        values += [Fraction(exact.decode(code, spec.element)) * scale for code in found.codes]
    return scales, values


@pytest.mark.parametrize("piece", [1 << 20, 96], ids=["one piece", "pieces, the last filled"])
def test_tables_are_those_of_the_judge(piece, monkeypatch):
    monkeypatch.setattr(measured, "_PIECE", piece)
    data = tensors((3, 64), (2, 32))
    x = np.concatenate([each.values.reshape(-1) for each in data])
    names = ["floor", "even", "ceil"]
    rows, pairs = measure(data, [golden("mxfp4", name) for name in names])
    found = {name: judged(x, "mxfp4", name) for name in names}
    signal = sum(Fraction(float(v)) ** 2 for v in x)
    assert rows["blocks"].tolist() == [8] * 3
    for name, snr in zip(rows["way"], rows["snr_db"], strict=True):
        noise = sum((Fraction(float(v)) - y) ** 2 for v, y in zip(x, found[name][1], strict=True))
        # 256 float64 squares are added, each sum within 256 * 2^-53 of its own: 5e-13 dB in all
        assert snr == pytest.approx(10 * math.log10(signal / noise), abs=1e-12)
    for pair in pairs.itertuples():
        same = [a == b for a, b in zip(found[pair.first][0], found[pair.second][0], strict=True)]
        assert pair.same_scale == sum(same) / 8
    assert pairs["same_scale"].min() < 1
    assert pairs["same_values"].isna().all()


def test_each_tensor_has_its_own_second_level_number():
    data = tensors((2, 32), (4, 16))
    data[1] = Tensor(name="large", values=data[1].values * np.float32(1000), source="drawn")
    rows, _ = measure(data, [golden("nvfp4", "torchao_nvfp4")])
    values = [dequantize_blocks(quantize_blocks(t.values, "nvfp4", rule="torchao_nvfp4")) for t in data]
    noise = sum(float(((t.values.astype(float) - y) ** 2).sum()) for t, y in zip(data, values, strict=True))
    signal = sum(float((t.values.astype(float) ** 2).sum()) for t in data)
    assert rows["snr_db"][0] == pytest.approx(10 * math.log10(signal / noise), abs=1e-12)
    assert rows["blocks"][0] == 8


def test_our_ways_run_the_kernels_and_give_what_the_judge_gives():
    (x,) = tensors((4, 32))
    scales, values = judged(x.values, "mxfp4", "even")
    made = way("mxfp4", "even").quantise(x.values)
    assert made.scales.reshape(-1).tolist() == scales
    assert made.values.reshape(-1).tolist() == values


@pytest.fixture
def small(monkeypatch):
    """A map of one format with two rules, and with whatever peers are put in."""
    peers = []
    monkeypatch.setattr(agreement_map, "ways", lambda fmt: [golden(fmt, rule) for rule in ("floor", "even")])
    monkeypatch.setattr(agreement_map, "peers", lambda fmt: peers)
    return peers


def wrong_value(chosen):
    chosen.values[1, 5] = np.nextafter(chosen.values[1, 5], np.float32(9))


def wrong_sign(chosen):
    chosen.values[chosen.values == 0] *= -1


def wrong_scale(chosen):
    chosen.scales[2, 0] += 1


@pytest.mark.parametrize("fault", [wrong_value, wrong_sign, wrong_scale])
def test_a_peer_that_is_wrong_in_one_block_is_a_surprise(fault, small):
    (drawn,) = tensors((4, 32))
    drawn.values[3, 0] = 0
    small += [
        golden("mxfp4", "even", name="right", expected="even"),
        golden("mxfp4", "even", name="wrong", expected="even", fault=fault),
    ]
    found = draw_map({"drawn": [drawn]}, formats=["mxfp4"])
    assert found.surprises[["first", "second"]].to_numpy().tolist() == [["even", "wrong"]]
    assert draw_map({"drawn": [drawn]}, formats=["mxfp4"], with_peers=False).surprises.empty


def test_columns_and_what_is_not_a_number(small):
    small.append(golden("mxfp4", "even", name="peer", expected="even"))
    found = draw_map({"a": tensors((4, 32)), "b": tensors((2, 64), seed=1)}, formats=["mxfp4"])
    assert set(found.rows) == {"data", "format", "way", "expected", "blocks", "snr_db", "cost_db"}
    assert found.rows["data"].tolist() == ["a"] * 3 + ["b"] * 3
    assert found.rows.groupby("data")["cost_db"].min().tolist() == [0, 0]
    even = found.pairs[found.pairs["first"] == "floor"].iloc[0]
    assert even["same_binade"] == 0.75
    assert math.isnan(even["same_values"])
    assert found.pairs.groupby("second")["same_binade"].count().to_dict() == {"even": 2, "peer": 0}


def test_a_format_that_loses_nothing_costs_nothing(small):
    ones = Tensor(name="ones", values=np.ones((1, 32), np.float16), source="made here")
    rows = draw_map({"ones": [ones]}, formats=["mxfp4"]).rows
    assert rows["snr_db"].tolist() == [math.inf] * 2
    assert rows["cost_db"].tolist() == [0] * 2


def test_progress_is_of_the_whole_and_ends(small):
    heard = []
    draw_map({"a": tensors((4, 32))}, formats=["mxfp4", "mxint8"], progress=lambda *told: heard.append(told))
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)
    assert heard[0] == (0, 2000, "mxfp4: 128 numbers")
    assert heard[-1] == (2000, 2000, "mxint8: ")


def test_tensors_without_whole_blocks_are_named(small):
    data = tensors((4, 32), (4, 48), (64,), (32, 0))
    found, left_out = whole_blocks(data, 32)
    assert ([each.name for each in found], left_out) == (["w0", "w2"], ["w1", "w3"])
    assert draw_map({"a": data}, formats=["mxfp4"]).left_out == {"a": ["w1", "w3"]}
    with pytest.raises(ValueError, match="a: no tensor has channels of whole blocks of 32"):
        draw_map({"a": data[1:2]}, formats=["mxfp4"])


def test_bad_input():
    with pytest.raises(KeyError, match="unknown format 'mxfp5' of the map; known: mxfp8_e4m3, mxfp8_e5m2"):
        ways("mxfp5")
    with pytest.raises(ValueError, match="there is nothing to draw"):
        draw_map({"a": tensors((4, 32))}, formats=[])
    with pytest.raises(ValueError, match="there is no tensor"):
        measure([], [golden("mxfp4", "floor")])
    (bad,) = tensors((4, 32))
    bad.values[0, 0] = np.nan
    with pytest.raises(ValueError, match="tensor 'w0' holds NaN or infinity"):
        measure([bad], [golden("mxfp4", "floor")])


def test_picture(small):
    found = draw_map({"$a_$": tensors((4, 32)), "b": tensors((2, 64), seed=1)}, formats=["mxfp4", "mxint8"])
    assert isinstance(found, Map)
    figure = pictures.picture(found)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mxfp4", "", "mxint8", ""]
    assert png(figure).startswith(b"\x89PNG")
