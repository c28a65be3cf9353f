"""The array model of dot products is one code for NumPy and jax.numpy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import formats
from reference.array.dot.accumulate import accumulate

CASES = (
    ("hopper.wgmma.k32.f32.e4m3.e5m2", None),
    ("hopper.mma.m16n8k32.f16.e4m3.e5m2", None),
    ("hopper.mma.m16n8k16.f32.bf16.promote32", None),
    ("cdna3.mfma.k16.f32.fp8.bf8", None),
    ("exact.f16", "float8_e5m2"),
    ("fma.f32", "float16"),
    ("sequential.bf16", "tf32"),
    ("pairwise.f32", "float8_e4m3fnuz"),
    ("int9.sat_finite", "int8"),
)


@pytest.mark.parametrize(("name", "operand"), CASES)
def test_jax_numpy_gives_the_same_codes(name, operand):
    rule, rng = formats.accumulator(name), np.random.default_rng(0)
    pair = rule.a or formats.get(operand), rule.b or formats.get(operand)
    length = max(2 * rule.k, 6)
    a, b = (
        rng.integers(0, 1 << spec.bits, shape)
        for spec, shape in zip(pair, ((2, 3, length), (2, length, 4)), strict=True)
    )
    c = rng.integers(0, 1 << rule.output.bits, (2, 3, 4))
    want = accumulate(a, b, c, rule.summation, pair, np)
    with jax.enable_x64(True):
        compiled = jax.jit(lambda *codes: accumulate(*codes, rule.summation, pair, jnp))
        found = [np.asarray(run(a, b, c)) for run in (compiled, jax.vmap(compiled))]
    for codes in found:
        np.testing.assert_array_equal(codes, want)
