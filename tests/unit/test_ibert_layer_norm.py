"""I-BERT's square root and LayerNorm: worked vectors, judge = NumPy = JAX, error, overflow, refusals."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rotation import rotate

import kernels_ref.integer.ibert as jax_ibert
from formats.integer_only.ibert_rules import clip_rule, layer_norm_rule
from kernels_ref.integer.audit import audit
from reference.exact import ibert as judge
from reference.integer.ibert import clip, isqrt, isqrt_steps, layer_norm, layer_norm_shift

WORKED = [12, -7, 100, 3, -50, 8, 0, 30]
DUE = [0, -183793641, 851254756, -87060146, -599747669, -38693398, -116080194, 174120291]


def drawn(rows, length, spread, seed=0):
    return np.round(np.random.default_rng(seed).normal(3, spread, (rows, length))).astype(np.int32)


def check_roots(n):
    found = isqrt(n)
    assert (found * found <= n).all()
    assert ((found + 1) * (found + 1) > n).all()
    assert (np.asarray(jax_ibert.isqrt(jnp.asarray(n.astype(np.uint32)))) == found).all()


def test_roots_around_every_square():
    k = np.arange(1, 1 << 16, dtype=np.int64)
    for offset in (-1, 0, 1):
        check_roots(k * k + offset)
    check_roots(k * k + k)
    check_roots(np.array([0, 1, 2, 3, (1 << 32) - 1, (1 << 32) - 2, (1 << 31) - 1, 1 << 31], np.int64))


def test_worked_roots_and_steps():
    n = [15, 16, 99, (1 << 31) - 1, (1 << 32) - 1]
    assert isqrt(n).tolist() == [3, 4, 9, 46340, 65535] == [math.isqrt(x) for x in n]
    k = np.arange(1, 1 << 16, dtype=np.int64)
    steps = np.concatenate([isqrt_steps(k * k + d) for d in (-1, 0, 1)])
    assert steps.max() == 6  # the paper states 4; the last step only notices the end, and the bound is 7


@pytest.mark.exhaustive
def test_every_root():
    for start in rotate(range(0, 1 << 32, 1 << 22), 64):
        check_roots(np.arange(start, start + (1 << 22), dtype=np.int64))


def test_a_binary32_root_is_wrong_below_squares():
    """What the code computes instead: every k^2 - 1 of k above 4096 rounds to k^2, or its root to k."""
    k = np.arange(4097, 1 << 16, dtype=np.int64)
    floats = np.floor(np.sqrt((k * k - 1).astype(np.float32))).astype(np.int64)
    assert (floats == k).all()
    assert (isqrt(k * k - 1) == k - 1).all()


@pytest.mark.parametrize("run", [layer_norm, jax_ibert.layer_norm])
def test_worked(run):
    assert np.asarray(run(WORKED, rule="code", shift=0)).tolist() == DUE
    assert np.asarray(run(WORKED, rule="safe")).tolist() == DUE
    assert judge.layer_norm(WORKED, "safe") == DUE
    values = np.array(DUE) * math.sqrt(8) / 2**30
    np.testing.assert_allclose(
        values, [0, -0.48415, 2.24236, -0.22933, -1.57984, -0.10193, -0.30578, 0.45866], atol=6e-6
    )


@pytest.mark.parametrize("length", [2, 3, 384])
@pytest.mark.parametrize("spread", [2, 40_000, 1 << 25])
def test_judge_numpy_jax(length, spread):
    q = drawn(6, length, spread, seed=length)
    q = q[(q != q[:, :1]).any(axis=1)]
    k = layer_norm_shift(q)
    for options in ({"rule": "code", "shift": k}, {"rule": "safe"}):
        try:
            found = layer_norm(q, **options)
        except ZeroDivisionError:
            with pytest.raises(ZeroDivisionError, match="has sd=0"):
                jax_ibert.layer_norm(q, **options)
            continue
        assert found.tolist() == [judge.layer_norm(row, **options) for row in q.tolist()]
        assert np.asarray(jax_ibert.layer_norm(q, **options)).tolist() == found.tolist()
        assert np.abs(found.astype(np.int64)).max() <= (1 << 30) * (2 if k else 1)


def test_gamma_and_beta():
    q, rng = drawn(5, 16, 1000), np.random.default_rng(3)
    gamma, beta = rng.normal(1, 0.3, 16).astype(np.float32), rng.normal(0, 0.5, 16).astype(np.float32)
    for options in ({"rule": "code", "shift": 0}, {"rule": "safe"}):
        added = [judge.bias(float(g), float(b), 16, options["rule"]) for g, b in zip(gamma, beta, strict=True)]
        due = [judge.layer_norm(row, added=added, **options) for row in q.tolist()]
        for run in (layer_norm, jax_ibert.layer_norm):
            assert np.asarray(run(q, gamma=gamma, beta=beta, **options)).tolist() == due
        centred = q - q.mean(axis=1, keepdims=True)
        exact = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)) * gamma + beta
        assert np.abs(np.array(due) * 4 / 2**30 * gamma - exact).max() < 0.01


@pytest.mark.parametrize("rule", ["code", "safe"])
def test_biases_of_judge_and_record(rule):
    rng = np.random.default_rng(5)
    for length in (1, 2, 7, 9, 384, 768):
        for g, b in [*rng.normal(0, 1, (60, 2)).astype(np.float32).tolist(), [1.0, 3.0], [1.0, -3.0], [2.0, 0.0]]:
            assert layer_norm_rule(rule).bias(g, b, length) == judge.bias(g, b, length, rule)


def test_moving_a_row_changes_nothing_but_the_rounding_of_the_mean():
    q = drawn(20, 64, 500)
    for offset in (64, -1, 12345):
        assert (layer_norm(q + offset, rule="safe") == layer_norm(q, rule="safe")).mean() > 0.99 or offset % 2
    assert (layer_norm(q + 2, rule="safe") == layer_norm(q, rule="safe")).all()  # ties to even, too


@pytest.mark.parametrize("length", [4, 64, 384, 1024])
@pytest.mark.parametrize("spread", [50, 3000, 1 << 18, 1 << 24])
def test_safe_bound(length, spread):
    """Against floats: the mean moves ``y`` by 1/2 at most, ``sd`` is off by less than ``2^k (1 + sqrt N)``, floors."""
    rule, q = layer_norm_rule("safe"), drawn(8, length, spread, seed=spread)
    y = q - np.round(q.mean(axis=1, keepdims=True))
    k = np.array([rule.shift(int(np.abs(row).max()), length) for row in y])[:, None]
    root = np.sqrt((y**2).sum(axis=1, keepdims=True))
    lost = 2.0**k * (1 + np.sqrt(length))
    lost = np.where(k == 0, 1.0, lost)
    assert (lost < root).all()
    bound = np.abs(y) * (1 / (root - lost) - 1 / root + 2.0**-31) + 2.0**-30
    found = layer_norm(q, rule=rule) / 2**30
    assert (np.abs(found - y / root) <= bound).all()
    centred = q - q.mean(axis=1, keepdims=True)
    exact = centred / np.sqrt((centred**2).sum(axis=1, keepdims=True))
    assert (np.abs(found - exact) <= bound + 1 / root).all()


def test_words_of_32_bits_overflow_and_safe_does_not():
    """A 22-bit residual sum: without a shift v leaves 32 bits; and of one small row, y F does."""
    q = drawn(4, 384, 300_000)
    with pytest.raises(OverflowError, match=r"v=.* needs more than 32 bits"):
        layer_norm(q, rule="code", shift=0)
    with pytest.raises(OverflowError, match="v needs more than 32 bits"):
        jax_ibert.layer_norm(q, rule="code", shift=0)
    word = layer_norm(q, rule="code", shift=0, wrap=32)
    right = layer_norm(q, rule="code", shift=layer_norm_shift(q))
    assert np.abs(word.astype(np.int64) - right).max() > 1 << 29
    assert word.tolist() == [judge.layer_norm(row, "code", shift=0, wrap=32) for row in q.tolist()]
    safe = layer_norm(q, rule="safe")
    assert np.abs(safe.astype(np.int64) - right).max() < 1 << 24
    small = [1, 0]  # mean 0, sd 1, F = 2^31
    assert layer_norm(small, rule="code", shift=0).tolist() == [1 << 30, 0]
    assert layer_norm(small, rule="code", shift=0, wrap=32).tolist() == [-(1 << 30), 0]
    assert jax_ibert.layer_norm(small, rule="code", shift=0).tolist() == [1 << 30, 0]


def test_the_code_s_own_shift_can_be_one_short():
    q = [[1 << 20, -(1 << 20)] * 8]
    v = sum(x * x for x in q[0])
    k = math.ceil(math.log2(math.sqrt(v / 2**32)))
    assert (k, layer_norm_shift(q)) == (6, 7)
    with pytest.raises(OverflowError):
        layer_norm(q, rule="code", shift=k)


@pytest.mark.parametrize("rule", ["code", "safe"])
def test_integer_only(rule):
    shift = 3 if rule == "code" else None
    report = audit(lambda q: jax_ibert.layer_norm(q, rule=rule, shift=shift), (3, 5), "int32")
    assert report.integer_only
    assert set(report.dtypes) <= {"int32", "uint32", "bool"}
    assert audit(jax_ibert.isqrt, (4,), "uint32").integer_only


def test_jax_with_64_bits_on():
    with jax.enable_x64(True):
        assert jax_ibert.layer_norm(WORKED, rule="safe").tolist() == DUE


@pytest.mark.parametrize("execute", [layer_norm, jax_ibert.layer_norm])
@pytest.mark.parametrize(
    ("q", "settings", "error", "message"),
    [
        ([[1, 2], [7, 7]], {"rule": "safe"}, ZeroDivisionError, "row 1 has sd=0"),
        ([1, 2], {"rule": "code"}, TypeError, "'code' needs shift"),
        ([1, 2], {"rule": "safe", "shift": 1}, TypeError, "'safe' chooses its shift by row"),
        ([1, 2], {"rule": "code", "shift": 32}, ValueError, "shift=32 must lie in 0..31"),
        ([1, 2], {"rule": "safe", "gamma": [1, 0], "beta": [0, 1]}, ZeroDivisionError, "gamma=0 with beta=1"),
        ([1, 2], {"rule": "safe", "gamma": [1], "beta": [0, 1]}, ValueError, "have 1 and 2 numbers; rows of 2"),
        ([1, 2], {"rule": "safe", "gamma": [1, 1]}, ValueError, "have 2 and None numbers"),
        ([1, 2], {"rule": "safe", "gamma": [1, 1], "beta": [9, 0]}, OverflowError, "channel 0: beta / gamma is"),
        ([1, 3], {"rule": "safe", "gamma": [1, 1], "beta": [0, 2.5]}, OverflowError, "a result is .*no int32"),
        (np.ones((1, 2)), {"rule": "safe"}, TypeError, "dtype float64"),
    ],
)
def test_bad_input(execute, q, settings, error, message):
    with pytest.raises(error, match=message):
        execute(q, **settings)


def test_bad_radicands():
    with pytest.raises(ValueError, match=r"n=-1 must lie in 0..2\^32 - 1"):
        isqrt([-1])
    with pytest.raises(TypeError, match="n has dtype float64"):
        isqrt([1.0])
    with pytest.raises(TypeError, match="n has dtype int32; isqrt takes uint32"):
        jax_ibert.isqrt(jnp.array([1]))


def test_clips():
    assert clip([-129, -128, -127, 126, 127], 8, rule="paper").tolist() == [-128, -128, -127, 126, 127]
    assert clip([-129, -128, -127, 126, 127], 8, rule="code_weights").tolist() == [-127, -127, -127, 126, 126]
    assert clip_rule("code_activations").limits(8) == (-128, 127)
    assert clip_rule("code_weights").limits(32) == (-(2**31 - 1), 2**31 - 2)
    with pytest.raises(ValueError, match="bits=1 must lie in"):
        clip([0], 1, rule="paper")
    with pytest.raises(KeyError, match="unknown clip rule 'none'"):
        clip([0], 8, rule="none")
