"""Scales, zero points and integers of tensors: worked numbers, and what must hold for any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import formats
from analysis.networks import integer_parameters as integers
from analysis.networks.calibration import Range
from reference.integer.network import Affine

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
F32 = np.float32


def test_hawq_v3s_layer_of_four_bits():
    """Worked in fractions: x in [0, 3], two outputs; a tie at -3.5."""
    weight = np.array([[0.7, -0.35, 0.1], [-1.4, 0.25, 0.6]], F32)
    bias, found = np.array([0.5, -0.3], F32), integers.scale_only_uint4(Range(0.0, 3.0))
    assert (found.scale, found.zero_point, found.format.name) == (float(F32(0.2)), 0, "uint4")
    codes, scale = integers.hawq_weights(weight, 4)
    assert codes.tolist() == [[7, -4, 1], [-7, 1, 3]]
    assert np.array_equal(scale, np.array([0.1, 0.2], F32))
    # -0.3 / (1/25) = -7.5 would tie to -8: in float32 the unit is 0.04 + 9e-10 and the bias not -0.3
    assert integers.biases("l", bias, found.scale, scale, integers.half_even).tolist() == [25, -7]
    tie = integers.biases("l", np.array([0.625, -0.9375], F32), 0.5, np.array([0.25, 0.25], F32), integers.half_even)
    assert tie.tolist() == [5, -8]


def test_tensorflow_lites_zero_points():
    cases = [
        (Range(1.0, 6.0), 6 / 255, -128),  # widened to hold 0
        (Range(-6.0, -1.0), 6 / 255, 127),
        (Range(-127.0, 128.0), 1.0, -1),
        (Range(-0.5, 254.5), 1.0, -128),  # -127.5: halves away from zero
        (Range(-128.0, 127.0), 1.0, 0),
    ]
    for found, scale, zero_point in cases:
        affine = integers.asymmetric(found)
        assert (affine.scale, affine.zero_point) == (float(F32(scale)), zero_point)
    with pytest.raises(ValueError, match=r"range \[0.0, 0.0\] has the scale 0.0"):
        integers.asymmetric(Range(0.0, 0.0))


@given(FLOATS, FLOATS)
def test_asymmetric_ranges_hold_zero_and_their_ends(a, b):
    low, high = min(a, b), max(a, b)
    if max(high, 0) - min(low, 0) < 1e-30:
        return
    affine = integers.asymmetric(Range(low, high))
    assert affine.value(affine.zero_point) == 0
    for end in (min(low, 0.0), max(high, 0.0)):  # half a step, and float32's errors in the scale and the zero point
        nearest = min(max(round(end / affine.scale) + affine.zero_point, -128), 127)
        assert abs(affine.value(nearest) - end) <= affine.scale * (0.5 + 512 * 2.0**-23)


def test_symmetric_scales_as_the_code_forms_them():
    int8 = formats.get("int8")
    assert integers.symmetric(Range(-1.0, 3.0), int8, 8).scale == float(F32(3) / F32(127))
    assert integers.symmetric(Range(-4.0, 3.0), int8, 16).scale == float(F32(4) / F32(32767))
    assert integers.symmetric(Range(0.0, 0.0), int8, 8).scale == float(F32(1e-8) / F32(127))
    with pytest.raises(ValueError, match=r"range \[-1.0, 3.0\]: unsigned 4 bits without a zero point hold no negative"):
        integers.scale_only_uint4(Range(-1.0, 3.0))


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_lie_within_half_a_step(bits):
    weight = np.random.default_rng(bits).normal(size=(9, 3, 3, 5)).astype(F32)
    largest = 2 ** (bits - 1) - 1
    ways = [integers.hawq_weights(weight, bits)]
    if bits == 8:
        ways.append(integers.tflite_weights(weight, np.zeros(9, F32), 0.1))
    for codes, scale in ways:
        assert (np.abs(codes.reshape(9, -1)).max(1) == largest).all()
        error = np.abs(weight - codes * scale.reshape(9, 1, 1, 1))
        assert (error <= (0.5 + largest * 2.0**-22) * scale.reshape(9, 1, 1, 1)).all()


def test_the_two_ways_differ_at_halves():
    weight = np.array([[127.0, 0.5, -0.5, 1.5, 2.5]], F32)
    assert integers.hawq_weights(weight, 8)[0].tolist() == [[127, 0, 0, 2, 2]]
    assert integers.tflite_weights(weight, np.zeros(1, F32), 0.1)[0].tolist() == [[127, 1, -1, 2, 3]]


def test_a_large_bias_makes_tensorflow_lites_weights_coarser():
    weight = np.array([[1e-6, -1e-6], [1.0, 0.5], [0.0, 0.0], [0.0, 0.0]], F32)
    bias = np.array([100.0, 100.0, 1.0, 0.0], F32)
    codes, scale = integers.tflite_weights(weight, bias, 0.01)
    assert codes.tolist() == [[0, 0], [127, 64], [0, 0], [0, 0]]
    stored = integers.biases("l", bias, 0.01, scale, integers.half_away)
    assert abs(int(stored[0]) - 2**30) <= 2**8  # half of int32, but for float32's errors
    assert stored[1] == round(100 / (0.01 * float(scale[1])))
    assert abs(int(stored[2]) - 2**30) <= 2**8
    assert scale[3] == 1
    assert stored[3] == 0
    _, fine = integers.hawq_weights(weight, 8)
    with pytest.raises(
        ValueError, match=r"layer 'l': bias 100.0 of channel 0 is \d+ in units of .*; int32 is too narr"
    ):
        integers.biases("l", bias[:1], 0.01, fine[:1], integers.half_even)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((-np.inf, np.inf), None), ((0.0, np.inf), (-3, 127)), ((0.0, 6.0), (-3, 9)), ((0.0, 100.0), (-3, 127))],
)
def test_activations_are_clamps(bounds, expected):
    out = Affine(format=formats.get("int8"), scale=0.5, zero_point=-3)
    assert integers.clamp(bounds, out, integers.half_away) == expected


def test_rounding_of_halves():
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997], F32)
    assert integers.half_away(halves).tolist() == [-3, -2, -1, 1, 2, 3, 0]
    assert integers.half_even(halves).tolist() == [-2, -2, 0, 0, 2, 2, 0]
