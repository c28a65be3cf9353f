"""Distributions: the definitions hold within derived bounds, a seed fixes every bit, and wrong names are named."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from analysis import distributions
from analysis.distributions import DISTRIBUTIONS, sample

SIZE, SEED = 200_000, 20_261
#: Of a correct sampler at most one seed in 10^9 falls outside the bounds below, whichever is used.
RISK = 1e-9


def normal_cdf(x):
    return 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in x]))


def laplace_cdf(x):
    tail = 0.5 * np.exp(-np.abs(x))
    return np.where(x < 0, tail, 1 - tail)


def cauchy_cdf(x):
    """Student's t with nu = 1."""
    return 0.5 + np.arctan(x) / math.pi


def t3_cdf(x):
    y = x / math.sqrt(3)
    return 0.5 + (y / (1 + y * y) + np.arctan(y)) / math.pi


def t5_cdf(x):
    y = x / math.sqrt(5)
    w = 1 / (1 + y * y)
    return 0.5 + (y * w * (1 + 2 * w / 3) + np.arctan(y)) / math.pi


def uniform_cdf(x):
    return np.clip((x + 1) / 2, 0, 1)


def outliers_cdf(p, k):
    return lambda x: (1 - p) * normal_cdf(x) + p * normal_cdf(x / k)


CDFS = {
    "normal": normal_cdf,
    "laplace": laplace_cdf,
    "student_t": t5_cdf,
    "student_t:3": t3_cdf,
    "student_t:1": cauchy_cdf,
    "uniform": uniform_cdf,
    "outliers": outliers_cdf(0.001, 30),
    "outliers:0.25:8": outliers_cdf(0.25, 8),
    "outliers:0.25": outliers_cdf(0.25, 30),
}

#: variance and fourth central moment from the definitions; t: nu/(nu-2) and 3 nu^2/((nu-2)(nu-4))
MOMENTS = {
    "normal": (1, 3),
    "laplace": (2, 24),
    "student_t": (5 / 3, 25),
    "uniform": (1 / 3, 1 / 5),
    "outliers": (1 + 0.001 * 899, 3 * (1 + 0.001 * (30**4 - 1))),
    "outliers:0.25:8": (1 + 0.25 * 63, 3 * (1 + 0.25 * (8**4 - 1))),
}


def distance(values, cdf):
    """Kolmogorov's: the largest difference between the empirical and the stated distribution function."""
    due = cdf(np.sort(values.astype(np.float64)))
    steps = np.arange(values.size + 1) / values.size
    return max(np.max(steps[1:] - due), np.max(due - steps[:-1]))


def test_every_distribution_is_tested():
    assert {name.split(":")[0] for name in CDFS} == {name.split(":")[0] for name in MOMENTS} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", CDFS)
def test_the_distribution_function_holds(name):
    """Dvoretzky-Kiefer-Wolfowitz with Massart's constant: P(distance > e) <= 2 exp(-2 n e^2), for any distribution."""
    bound = math.sqrt(math.log(2 / RISK) / (2 * SIZE))
    assert distance(sample(name, SIZE, SEED), CDFS[name]) < bound


def test_the_bound_tells_the_distributions_apart():
    bound = math.sqrt(math.log(2 / RISK) / (2 * SIZE))
    for name in ("normal", "laplace", "student_t", "student_t:3", "uniform", "outliers:0.25:8"):
        values = sample(name, SIZE, SEED)
        near = {other for other, cdf in CDFS.items() if distance(values, cdf) < bound}
        assert near == ({"normal", "outliers"} if name == "normal" else {name})


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_hold(name):
    """Of n draws the mean has variance v/n and the mean square (m4 - v^2)/n, to be met within 7 of their sigmas.

    By the central limit theorem a correct sampler misses with probability 3e-12 (the heavy tail of Student's t makes
    that approximate for the mean square).
    """
    variance, fourth = MOMENTS[name]
    values = sample(name, SIZE, SEED).astype(np.float64)
    assert abs(values.mean()) < 7 * math.sqrt(variance / SIZE)
    assert abs((values**2).mean() - variance) < 7 * math.sqrt((fourth - variance**2) / SIZE)


@pytest.mark.parametrize(("name", "p", "least"), [("outliers", 0.001, 6), ("outliers:0.01:1000", 0.01, 6)])
def test_outliers_come_at_the_stated_rate(name, p, least):
    """Beyond 6 lie 2e-9 of the normal numbers and P(|z| > 6/k) of the scaled: binomial, within 7 sigma."""
    k = float(name.split(":")[2]) if ":" in name else 30.0
    rate = p * 2 * (1 - normal_cdf([least / k])[0]) + (1 - p) * 2 * (1 - normal_cdf([least])[0])
    count = np.count_nonzero(np.abs(sample(name, SIZE, SEED)) > least)
    assert abs(count - SIZE * rate) < 7 * math.sqrt(SIZE * rate * (1 - rate))


DIGESTS = {
    "normal": "b055c170e185c51d",
    "laplace": "fe13bfed64a3be25",
    "student_t": "56845ee1ad8c3cb2",
    "uniform": "5f53c79ef7c30ca5",
    "outliers": "f71f8bd0a2679fae",
    "student_t:3": "525b3d15a6963f5f",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_seed_fixes_every_bit(name):
    """A new digest means that results computed before cannot be repeated: say so in the change log."""
    assert hashlib.sha256(sample(name, 4096, 7).astype("<f4").tobytes()).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_are_float32_finite_and_depend_on_the_seed(name):
    values = sample(name, 1000, 0)
    assert (values.dtype, values.shape) == (np.float32, (1000,))
    assert np.isfinite(values).all()
    assert not np.array_equal(values, sample(name, 1000, 1))


def test_defaults_are_what_the_names_spell_out():
    np.testing.assert_array_equal(sample("student_t", 100, 3), sample("student_t:5", 100, 3))
    np.testing.assert_array_equal(sample("outliers", 100, 3), sample("outliers:0.001:30", 100, 3))
    np.testing.assert_array_equal(sample("outliers:0:30", 100, 3), sample("normal", 100, 3))
    np.testing.assert_array_equal(sample("outliers:1:2", 100, 3), 2 * sample("normal", 100, 3))


@pytest.mark.parametrize("name", ["student_t:1", "outliers:1:1e6", "student_t:1e6"])
def test_the_ends_of_the_parameters_stay_finite(name):
    assert np.isfinite(sample(name, SIZE, SEED)).all()


@pytest.mark.parametrize(("name", "near"), [("gaussian", "normal, laplace"), ("Normal", "normal"), ("student", "stud")])
def test_unknown_names_list_near_ones(name, near):
    with pytest.raises(KeyError, match=f"unknown distribution '{name}'; near names: {near}"):
        sample(name, 1, 0)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("normal:1", r"'normal:1' has 1 parameters; accepted: none"),
        ("outliers:0.1:2:3", r"has 3 parameters; accepted: p:k"),
        ("student_t:0.5", r"nu='0\.5' is not accepted; accepted: a number in 1\.\.1e\+06"),
        ("student_t:five", r"nu='five' is not accepted"),
        ("student_t:", r"nu='' is not accepted"),
        ("student_t:nan", r"nu='nan' is not accepted"),
        ("outliers:1.5", r"p='1\.5' is not accepted; accepted: a number in 0\.\.1$"),
        ("outliers:0.1:inf", r"k='inf' is not accepted"),
    ],
)
def test_parameters_out_of_range_are_named(name, match):
    with pytest.raises(ValueError, match=match):
        sample(name, 1, 0)


@pytest.mark.parametrize(("size", "seed"), [(0, 0), (-1, 0), (1, -1)])
def test_sizes_and_seeds_out_of_range_are_named(size, seed):
    with pytest.raises(ValueError, match=f"size={size}, seed={seed}: size must be at least 1 and seed at least 0"):
        sample("normal", size, seed)


def test_names():
    assert distributions.names() == tuple(DISTRIBUTIONS)
