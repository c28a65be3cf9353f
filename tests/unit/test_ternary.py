"""Ternary and binary weights, BitNet activations, Q8_K: recorded examples, the judge, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import jax
import ml_dtypes
import numpy as np
import pytest

import kernels_ref.ternary as jax_ternary
from formats.ternary.activations import TOKEN_QUANTIZERS
from formats.ternary.weights import (
    BITNET_B158_CODE,
    BITNET_B158_PAPER,
    TBT_BINARY_CODE,
    TBT_CODE,
    TBT_PAPER,
    TWN_LAYER,
    WEIGHT_QUANTIZERS,
    weight_quantizer,
)
from reference.array import ternary_binary32 as binary32
from reference.array import ternary_mean
from reference.exact import ternary as judge
from reference.quantize.ternary import bitnet_linear, dequantize_ternary, quantize_ternary, quantize_tokens
from reference.ternary_blocks import dequantize_ternary_blocks, quantize_q8_k, quantize_ternary_blocks

W = np.float32([[0.9, -0.2, 0.05, -1.1, 0.4, 0, -0.45, 0.3], [0.02, -0.03, 0.5, 0.015, -0.6, 0.01, 0.25, -0.04]])
X = np.float32([0.5, -1.27, 0.005, 0.015, 0.635, -0.001, 1, -0.2])
COMMON = [[1, 0, 0, -1, 1, 0, -1, 1], [0, 0, 1, 0, -1, 0, 1, 0]]
ABSMEAN = [[1, -1, 0, -1, 1, 0, -1, 1], COMMON[1]]
TERNARY = [name for name in WEIGHT_QUANTIZERS if "bi" not in name.removeprefix("bit") and name != "bwn"]


def awkward(seed=0):
    """Rows of many sizes: normal weights, repeats at thresholds, zeros, subnormals, huge and tiny together."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((7, 12)).astype(np.float32)
    w[1] = np.float32([1, 2, -1, 0, 0.5, 2, 1, -2, 1, 0.5, 1, 1])  # |w| = s / 2 and D often
    w[2] = 0
    w[3] *= np.float32(1e-41)
    w[4, :3] = [3e38, -1e-45, 2e-38]
    w[5] = np.repeat(np.float32([0.75, -0.75]), 6)
    w[6, 1:] = 0
    return w


def same(made, due):
    """Equal as numbers; NaN where NaN is due."""
    np.testing.assert_array_equal(np.atleast_1d(np.asarray(made, np.float64)), np.array([float(v) for v in due]))


@pytest.mark.parametrize(
    ("name", "scales", "codes"),
    [
        ("tbt_code", [0.56666672, 0.24416666], COMMON),
        ("tbt_paper", [0.40515622], COMMON),
        ("twn_layer", [0.5625], COMMON),
        ("twn_row", [0.63, 0.45], COMMON),
        ("bitnet_b158_paper", [0.3040625], ABSMEAN),
        ("bitnet_b158_code", [0.3040625], ABSMEAN),
        ("tbt_binary_code", [0.425, 0.18312499], [[1, -1, 1, -1, 1, 0, -1, 1], [1, -1, 1, 1, -1, 1, 1, -1]]),
    ],
)
def test_recorded_weights(name, scales, codes):
    """Codes as recorded; scales, recorded from sums in another order, within the error of a sum of 8 or 16."""
    made = quantize_ternary(W, name)
    assert made.codes.tolist() == codes
    np.testing.assert_allclose(np.atleast_1d(made.scale), scales, rtol=16 * 2.0**-24)


@pytest.mark.parametrize("name", WEIGHT_QUANTIZERS)
def test_judge_numpy_and_jax_agree_on_weights(name):
    made = weight_quantizer(name)
    quantize = jax.jit(lambda w: jax_ternary.quantize_ternary(w, made))
    for seed in range(3):
        w = awkward(seed) if made.by_row else np.delete(awkward(seed), 4, 0)  # a row of its own keeps the rest visible
        codes, scales = judge.quantize_weights(w.tolist(), made)
        golden = quantize_ternary(w, made)
        assert golden.codes.tolist() == codes
        same(golden.scale, scales)
        under_jax = quantize(w)
        np.testing.assert_array_equal(under_jax[0], golden.codes)
        np.testing.assert_array_equal(np.asarray(under_jax[1]).view(np.uint32), golden.scale.view(np.uint32))


@pytest.mark.parametrize("name", TERNARY)
def test_threshold_is_what_the_record_says(name):
    """Codes are 0 below ``threshold * mean|d|`` and 1 above; at it the decisions' rules differ by nothing here."""
    made = replace(weight_quantizer(name), centred=False)
    w = np.float32([[1] * 8 + [-1] * 8])
    for part, due in ((Fraction(63, 64), 0), (Fraction(65, 64), 1)):
        w[0, 0] = 0  # so that the mean is that of 15 ones and one probe, solved for the probe
        probe = part * made.threshold * 15 / (16 - part * made.threshold)
        w[0, 0] = float(probe)
        assert quantize_ternary(w, made).codes[0, 0] == due


def test_ties_at_half_a_scale_are_zero():
    """|w| = s / 2 exactly: torch's half to even, unlike llama.cpp's half away."""
    w = np.float32([[1, -1, 1, 3, 1, 3, -3, 3]])  # mean 2; BitNet's threshold 1
    no_eps = replace(BITNET_B158_CODE, decision=TBT_CODE.decision)
    assert quantize_ternary(w, no_eps).codes.tolist() == [[0, 0, 0, 1, 0, 1, -1, 1]]
    half = np.zeros(256, np.float32)
    half[:7] = [0.5, -0.5, 1, -1, 0.49, 0.24, -0.26]
    made = dequantize_ternary_blocks(quantize_ternary_blocks(half, "tq2_0"), "tq2_0")
    assert made[:8].tolist() == [1, -1, 1, -1, 0, 0, 0, 0]


def test_a_reciprocal_is_not_a_quotient():
    """Just above half a scale, a product with the rounded reciprocal may round to the tie, and the code to 0."""
    g = np.random.default_rng(8).uniform(0.5, 1, 1000).astype(np.float32)
    w = np.stack([np.nextafter(g / 2, np.float32(1)), np.float32(1.5) * g], axis=1)
    reciprocal = replace(BITNET_B158_CODE, by_row=True)
    quotient = replace(reciprocal, decision=TBT_CODE.decision)
    differ = np.flatnonzero(quantize_ternary(w, quotient).codes[:, 0] != quantize_ternary(w, reciprocal).codes[:, 0])
    assert differ.size > 10
    row = [w[differ[0]].tolist()]
    assert judge.quantize_weights(row, quotient)[0] == [[1, 1]]
    assert judge.quantize_weights(row, reciprocal)[0] == [[0, 1]]


def test_rows_of_zeros():
    w = np.float32([[0, 0], [1, -1]])
    made = quantize_ternary(w, TBT_CODE)
    assert np.isnan(dequantize_ternary(made)[0]).all()
    assert np.isfinite(dequantize_ternary(made)[1]).all()
    assert dequantize_ternary(quantize_ternary(w[:1], BITNET_B158_CODE)).tolist() == [[0, 0]]
    assert quantize_ternary(w[:1], BITNET_B158_CODE).scale == np.float32(1) / (np.float32(1) / np.float32(1e-5))
    assert quantize_ternary(w[:1], TWN_LAYER).scale == 0


def test_sign_of_zero_is_a_third_level_in_the_code_only():
    w = np.float32([[0, 1, -2]])
    assert quantize_ternary(w, TBT_BINARY_CODE).codes.tolist() == [[0, 1, -1]]
    assert quantize_ternary(w, "bwn").codes.tolist() == [[1, 1, -1]]


@pytest.mark.parametrize("name", WEIGHT_QUANTIZERS)
def test_powers_of_two_and_negation(name):
    """Scaling by 2^j scales the scale and keeps the codes (where no epsilon is); negation negates the codes."""
    w = np.random.default_rng(9).standard_normal((4, 33)).astype(np.float32)
    made, back = quantize_ternary(w, name), quantize_ternary(-w, name)
    np.testing.assert_array_equal(back.codes, -made.codes)
    if not made.quantizer.eps:
        up = quantize_ternary(w * np.float32(2**40), name)
        np.testing.assert_array_equal(up.codes, made.codes)
        np.testing.assert_array_equal(up.scale, made.scale * np.float32(2**40))


def test_idempotence_differs():
    """TWN keeps alpha * t; the absmean scale shrinks by the zeros: mean|alpha t| = alpha (1 - P0)."""
    w = np.random.default_rng(10).standard_normal((8, 64)).astype(np.float32)
    first = quantize_ternary(w, TWN_LAYER)
    again = quantize_ternary(dequantize_ternary(first), TWN_LAYER)
    assert (again.codes.tolist(), again.scale) == (first.codes.tolist(), first.scale)
    absmean = quantize_ternary(w, BITNET_B158_PAPER)
    kept = Fraction(int((absmean.codes != 0).sum()), w.size)
    shrunk = quantize_ternary(dequantize_ternary(absmean), BITNET_B158_PAPER)
    assert float(shrunk.scale) == float(judge.rounded(Fraction(float(absmean.scale)) * kept))


class TestTokens:
    @pytest.mark.parametrize(
        ("name", "codes"),
        [
            ("bitnet_tokens_code", [50, -127, 0, 2, 64, 0, 100, -20]),
            ("bitnet_tokens_paper", [50, -128, 1, 2, 64, 0, 101, -20]),
        ],
    )
    def test_recorded(self, name, codes):
        assert quantize_tokens(X, name)[0].tolist() == codes

    @pytest.mark.parametrize("name", TOKEN_QUANTIZERS)
    def test_judge_numpy_and_jax_agree(self, name):
        rng = np.random.default_rng(11)
        x = (rng.standard_normal((60, 9)) * 2.0 ** rng.integers(-30, 30, (60, 1))).astype(np.float32)
        x[0], x[1] = 0, np.float32(1e-41)
        x[2:12] = (rng.integers(-254, 255, (10, 9)) / 2).astype(np.float32)  # half-way for a maximum of 127
        x[2:12, 0] = 127
        x = x.astype(ml_dtypes.bfloat16) if "bfloat16" in name else x
        codes, scale = quantize_tokens(x, name)
        due = [judge.quantize_tokens(row, name) for row in x.astype(np.float64).tolist()]
        assert codes.tolist() == [row for row, _ in due]
        same(scale, [s for _, s in due])
        under_jax = jax_ternary.quantize_tokens(x, name)
        np.testing.assert_array_equal(under_jax[0], codes)
        np.testing.assert_array_equal(np.asarray(under_jax[1]), scale)
        assert under_jax[0].dtype == codes.dtype

    def test_zeros(self):
        codes, scale = quantize_tokens(np.zeros(3, np.float32), "bitnet_tokens_code")
        assert (codes.tolist(), scale) == ([0, 0, 0], np.float32(127) / np.float32(1e-5))
        assert quantize_tokens(np.zeros(3, np.float32), "bitnet_tokens_paper")[1] == np.inf


class TestLinear:
    def test_recorded(self):
        codes, scale = quantize_tokens(X, "bitnet_tokens_code")
        trits = np.int8(ABSMEAN)
        assert (codes.astype(int) @ trits.T).tolist() == [119, 36]
        made = bitnet_linear(codes, trits, scale, np.float32(0.3040625))
        np.testing.assert_allclose(made, [0.36183436, 0.10946249], rtol=2.0**-23)

    def test_judge_numpy_and_jax_agree(self):
        rng = np.random.default_rng(12)
        q, t = rng.integers(-128, 128, (6, 200), np.int8), rng.integers(-1, 2, (5, 200), np.int8)
        s, g = rng.uniform(1, 1e6, 6).astype(np.float32), np.float32(0.0137)
        made = bitnet_linear(q, t, s, g)
        for i, row in enumerate(made):
            same(row, [judge.bitnet_linear(q[i].tolist(), w, float(s[i]), float(g)) for w in t.tolist()])
        np.testing.assert_array_equal(jax_ternary.bitnet_linear(q, t, s, g), made)

    def test_refused(self):
        q, t, s, g = np.zeros((2, 3), np.int8), np.zeros((4, 3), np.int8), np.ones(2, np.float32), np.float32(1)
        with pytest.raises(TypeError, match="codes have dtype int16; accepted: int8"):
            bitnet_linear(q.astype(np.int16), t, s, g)
        with pytest.raises(ValueError, match=r"shapes must be .* not codes \(2, 3\), trits \(4, 2\)"):
            bitnet_linear(q, t[:, :2], s, g)
        with pytest.raises(ValueError, match="k=16777216 products may pass int32; at most 16777215"):
            bitnet_linear(
                np.broadcast_to(np.int8(1), (1, 1 << 24)), np.broadcast_to(np.int8(1), (1, 1 << 24)), s[:1], g
            )


class TestBlocks:
    @pytest.mark.parametrize("kind", ["tq1_0", "tq2_0"])
    def test_by_the_judge(self, kind):
        rng = np.random.default_rng(13)
        x = (rng.standard_normal((6, 256)) * 2.0 ** rng.integers(-40, 12, (6, 1))).astype(np.float32)
        x[0] = 0
        made = dequantize_ternary_blocks(quantize_ternary_blocks(x, kind), kind)
        for row, values in zip(x.tolist(), made, strict=True):
            trits, d = judge.quantize_block(row, kind)
            same(values, [float(d) * t if t else 0.0 for t in trits])

    def test_zeros(self):
        zeros = np.zeros(256, np.float32)
        assert quantize_ternary_blocks(zeros, "tq1_0").tobytes() == b"\x80" * 48 + b"\x7f" * 4 + bytes(2)
        assert quantize_ternary_blocks(zeros, "tq2_0").tobytes() == b"\x55" * 64 + bytes(2)

    def test_activations(self):
        rng = np.random.default_rng(14)
        x = (rng.standard_normal((4, 512)) * 2.0 ** rng.integers(-20, 20, (4, 1))).astype(np.float32)
        x[0, :256] = 0
        x[1, 3], x[1, 9] = 50, -50  # the first of two extremes
        codes, scale = quantize_q8_k(x)
        for i, row in enumerate(x.reshape(8, 256).tolist()):
            due = judge.quantize_q8_k(row)
            assert codes.reshape(8, 256)[i].tolist() == due[0]
            same(scale.reshape(-1)[i], [due[1]])
        assert (codes[1, 0, 3], codes[1, 0, 9], scale[1, 0] < 0) == (-127, 127, True)
        under_jax = jax_ternary.quantize_q8_k(x)
        np.testing.assert_array_equal(under_jax[0], codes)
        np.testing.assert_array_equal(under_jax[1], scale)

    def test_refused(self):
        with pytest.raises(ValueError, match="2 NaN or infinite elements"):
            quantize_ternary_blocks(np.float32([np.nan, np.inf] * 1 + [0] * 254), "tq1_0")
        with pytest.raises(
            ValueError, match=r"block \[0\] has the greatest magnitude 9\.99.*e-41: its reciprocal is inf"
        ):
            quantize_ternary_blocks(np.full(256, 1e-40, np.float32), "tq1_0")
        with pytest.raises(ValueError, match=r"blocks of 256 do not fill the last axis of shape \(255,\)"):
            quantize_ternary_blocks(np.zeros(255, np.float32), "tq1_0")
        with pytest.raises(TypeError, match="values have dtype float64; accepted: float32"):
            quantize_ternary_blocks(np.zeros(256), "tq1_0")
        with pytest.raises(ValueError, match=r"tq1_0 blocks have shape \(\.\.\., blocks, 54\), not \(1, 66\)"):
            dequantize_ternary_blocks(np.zeros((1, 66), np.uint8), "tq1_0")
        with pytest.raises(KeyError, match="unknown block 'tq3_0'; known: tq1_0, tq2_0"):
            quantize_ternary_blocks(np.zeros(256, np.float32), "tq3_0")


class TestSteps:
    EDGES = np.uint32(
        [0, 1, 2, 3, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x3F000000, 0x3F7FFFFF, 0x3F800000, 0x7F7FFFFF, 0x7F800000]
    )

    @pytest.mark.parametrize("name", ["mul", "div", "add"])
    def test_words_are_numpys_floats(self, name):
        rng = np.random.default_rng(15)
        edges = np.concatenate([self.EDGES, self.EDGES | np.uint32(1 << 31), np.uint32([0x7FC00000])])
        a = np.concatenate([np.repeat(edges, edges.size), rng.integers(0, 1 << 32, 5000, np.uint32)])
        b = np.concatenate([np.tile(edges, edges.size), rng.integers(0, 1 << 32, 5000, np.uint32)])
        step = getattr(binary32, name)
        under_jax = jax.jit(lambda x, y: step(x, y, jax.numpy))(a, b)
        np.testing.assert_array_equal(under_jax, step(a, b, np))

    @pytest.mark.parametrize("factor", [Fraction(1), Fraction(4, 3), Fraction(7, 10)])
    def test_constants_are_rounded_once(self, factor):
        assert binary32.constant(factor) == np.float32(float(judge.rounded(factor))).view(np.uint32)

    @pytest.mark.parametrize("scale", [1, 1e-45, 1e-44, 1e-40, 1e30, 3e38])
    def test_means_are_exact(self, scale):
        rng = np.random.default_rng(16)
        x = np.clip(rng.standard_normal((6, 7)) * scale, -3e38, 3e38).astype(np.float32)
        factor = Fraction(7, 10)
        made = ternary_mean.mean(x.view(np.uint32), factor, np, ternary_mean.scan_numpy).view(np.float32)
        same(made, [judge.rounded(factor * sum(map(Fraction, row)) / 7) for row in x.tolist()])

    def test_more_numbers_than_a_limb_adds_without_a_carry(self):
        x = np.full((1, (1 << 16) + 3), np.float32(2) - np.float32(2.0**-23))
        x[0, -1] = 2.0**-100
        made = ternary_mean.mean(x.view(np.uint32), Fraction(1), np, ternary_mean.scan_numpy).view(np.float32)
        same(made, [judge.rounded(sum(map(Fraction, x[0].tolist())) / x.size)])
        mean = jax.jit(lambda u: ternary_mean.mean(u, Fraction(1), jax.numpy, jax.lax.scan))
        under_jax = mean(x.view(np.uint32))
        assert np.asarray(under_jax).tolist() == made.view(np.uint32).tolist()

    def test_order_does_not_matter_as_it_does_to_floats(self):
        x = np.float32([1e8, 1, -1e8, 1] * 5)
        means = {
            float(ternary_mean.mean(p.view(np.uint32), Fraction(1), np, ternary_mean.scan_numpy).view(np.float32))
            for p in (x, np.sort(x), x[::-1].copy())
        }
        assert means == {0.5}

    def test_denominators_have_an_end(self):
        with pytest.raises(ValueError, match="a denominator of 2147483648 is beyond 2147483647: take fewer elements"):
            ternary_mean._step(1 << 31)


class TestRefused:
    @pytest.mark.parametrize("quantize", [quantize_ternary, jax_ternary.quantize_ternary])
    def test_weights(self, quantize):
        with pytest.raises(TypeError, match="values have dtype int32; accepted: float32"):
            quantize(np.zeros((2, 2), np.int32), TBT_PAPER)
        with pytest.raises(ValueError, match=r"values of shape \(0, 3\) hold no element to quantise"):
            quantize(np.zeros((0, 3), np.float32), TBT_PAPER)
        with pytest.raises(ValueError, match="values hold 1 NaN or infinite elements; no scale fits them"):
            quantize(np.float32([[np.inf, 1]]), TBT_PAPER)
        with pytest.raises(KeyError, match="unknown weight quantiser 'tbt'; known: tbt_paper"):
            quantize(W, "tbt")

    def test_tokens(self):
        with pytest.raises(TypeError, match="values have dtype float32; accepted: bfloat16"):
            quantize_tokens(X, "bitnet_tokens_code_bfloat16")
        with pytest.raises(ValueError, match="a scalar has none"):
            quantize_tokens(np.float32(1), "bitnet_tokens_code")
        with pytest.raises(KeyError, match="unknown token quantiser"):
            quantize_tokens(X, "int8")

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"factor": Fraction(0)}, "factor=0 must be positive"),
            ({"eps": Fraction(1)}, "eps=1 does not go with guard=none"),
            ({"sign_of_zero": 2}, "sign_of_zero=2 must be"),
        ],
    )
    def test_records(self, changes, match):
        with pytest.raises(ValueError, match=match):
            replace(TBT_PAPER, **changes)
