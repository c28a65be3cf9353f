"""The Mosaic GPU kernel on a real GPU; the long run is benchmarks/hardware_encode.py."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from rotation import rotate

import formats
import kernels_ref
import reference
from kernels_ref import mosaic

pytestmark = [
    pytest.mark.hardware,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason=f"no GPU: the backend is {jax.default_backend()}"),
]

NARROW = [name for name in formats.names() if formats.get(name).bits <= 8]


@pytest.mark.parametrize("dtype", mosaic.DTYPES)
@pytest.mark.parametrize("name", rotate(NARROW, 4))
def test_kernel_equals_the_golden_model(name, dtype):
    terms = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}
    contract = kernels_ref.encode_contract(name, dtype=dtype, **terms)
    report = kernels_ref.verify(lambda x: mosaic.encode(x, name, **terms), contract)
    assert report.holds, str(report)


@pytest.mark.parametrize("rounding", formats.Rounding)
@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn", "int8"])
def test_every_policy_equals_the_golden_model(name, rounding):
    for saturation in formats.get(name).saturations:
        count = {"random_bit_count": 13} if rounding.is_stochastic else {}
        terms = {"rounding": rounding, "saturation": saturation, "nan": "minimum", **count}
        contract = kernels_ref.encode_contract(name, dtype="bfloat16", **terms)
        subject = mosaic_subject(name, terms)
        report = kernels_ref.verify(subject, contract)
        assert report.holds, str(report)


def mosaic_subject(name, terms):
    return lambda x, random_bits=None: mosaic.encode(x, name, **terms, random_bits=random_bits)


def test_a_large_ragged_array():
    terms = {"rounding": "nearest_ties_to_even", "saturation": "sat_none"}
    x = np.random.default_rng(0).integers(0, 1 << 32, (1 << 24) + 1, dtype=np.uint32).view(np.float32)
    codes = mosaic.encode(x, "float8_e4m3fn", **terms)
    np.testing.assert_array_equal(np.asarray(codes), reference.encode(x, "float8_e4m3fn", **terms))
