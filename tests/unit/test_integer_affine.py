"""Numbers to integers at a network's entry, rounded once, and back."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import formats
from formats import IntSpec
from formats.results import INT16
from reference.exact import integer_network as judge
from reference.integer.network import (
    Affine,
)
from reference.integer.run import dequantise, quantise_input

INT8, UINT8, UINT4 = map(formats.get, ("int8", "uint8", "uint4"))


@pytest.mark.parametrize(("zero", "wanted"), [(0, [0, 2, 2, 0, -2, 127, -128]), (1, [1, 3, 3, 1, -1, 127, -128])])
def test_onnx_vectors_of_quantisation(zero: int, wanted: list[int]) -> None:
    affine = Affine(format=INT8, scale=1.0, zero_point=zero)
    assert quantise_input([0.5, 1.5, 2.5, -0.5, -1.5, 300.0, -300.0], affine).tolist() == wanted


@pytest.mark.parametrize("fmt", [INT8, UINT4, INT16], ids=lambda fmt: fmt.name)
def test_quotients_are_rounded_once(fmt: IntSpec) -> None:
    rng = np.random.default_rng(9)
    for scale in (0.1, 1 / 3, 0.037, 2.0**-7, 3e-310, 1e300):
        affine = Affine(format=fmt, scale=scale, zero_point=fmt.maximum // 3)
        ties = (rng.integers(fmt.minimum, fmt.maximum + 1, 60) + 0.5) * scale
        near = np.concatenate(
            [ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf), rng.normal(size=20) * scale]
        )
        x = np.concatenate([near, [0.0, -0.0, 1e308, -1e308, 5e-324]])
        assert quantise_input(x, affine).tolist() == [judge.quantise_input(v, affine) for v in x.tolist()]


def test_a_quotient_in_binary64_is_rounded_twice_somewhere() -> None:
    affine = Affine(format=INT8, scale=0.1 / 3)
    x = next(
        v
        for k in range(1, 100)
        for v in np.nextafter((k + 0.5) * affine.scale, [-np.inf, np.inf]).tolist()
        if round(v / affine.scale) != round(Fraction(v) / Fraction(affine.scale))
    )
    assert quantise_input(x, affine).item() == judge.quantise_input(x, affine) != round(x / affine.scale)


def test_numbers_of_every_accepted_type() -> None:
    affine = Affine(format=UINT8, scale=0.5, zero_point=7)
    for dtype in (np.float16, np.float32, np.float64, np.uint8, np.int8, np.int32, np.uint32):
        assert quantise_input(np.array([0, 3, 100], dtype), affine).tolist() == [7, 13, 207]
    assert quantise_input([], affine).shape == (0,)
    assert quantise_input(3, affine).item() == 13
    with pytest.raises(TypeError, match="x has dtype int64; accepted: float16, float32"):
        quantise_input(np.array([1]), affine)
    with pytest.raises(ValueError, match=r"x is nan at \[1\]; finite numbers are accepted"):
        quantise_input([1.0, float("nan")], affine)


def test_integers_come_back_as_numbers() -> None:
    affine = Affine(format=INT8, scale=0.1, zero_point=-3)
    q = np.arange(-128, 128)
    assert dequantise(q, affine).tolist() == [affine.value(v) for v in q.tolist()]
    assert (quantise_input(dequantise(q, affine), affine) == q).all()
    with pytest.raises(ValueError, match=r"q is 128 at \[0\]; int8 has -128 to 127"):
        dequantise([128], affine)
