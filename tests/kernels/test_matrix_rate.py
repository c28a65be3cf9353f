"""The kernel that measures the matrix unit alone: what its code must have so that it measures that."""

from __future__ import annotations

import described_gpu
import jax
import pytest

from analysis.bench import matrix_rate
from kernels_ref.hopper.aot import compile_for
from kernels_ref.pallas import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="Mosaic GPU kernels need jax >= 0.11.2")


@pytest.mark.parametrize(("dtype", "tokens"), [("bfloat16", 16), ("bfloat16", 64), ("int8", 64), ("float8_e4m3fn", 8)])
def test_the_loop_has_products_alone_and_waits_for_none_of_them(dtype, tokens):
    described_gpu.h100()
    operand = matrix_rate.DTYPES[dtype]
    shapes = [jax.ShapeDtypeStruct((rows, matrix_rate.DEPTH), operand) for rows in (128, tokens)]
    (kernel,) = compile_for("h100", matrix_rate.kernel(dtype, tokens), *shapes).kernels
    assert kernel.resources is not None
    assert (kernel.resources.spill_stores, kernel.resources.warnings) == (0, ())
    loop = kernel.ptx[kernel.ptx.index("wgmma.mma_async") :]
    loop = loop[: loop.index("bra")]
    assert loop.count("wgmma.mma_async") == matrix_rate.CHAINS * matrix_rate.DEPTH // (
        16 if dtype == "bfloat16" else 32
    )
    assert loop.count("wgmma.wait_group") <= matrix_rate.CHAINS
    assert "ld.shared" not in loop


def test_a_call_does_as_many_operations_as_it_says():
    blocks = matrix_rate.BLOCKS * matrix_rate.WARPGROUPS
    each = 2 * matrix_rate.ROWS * matrix_rate.DEPTH * 16
    assert matrix_rate.operations(16) == blocks * matrix_rate.ROUNDS * matrix_rate.CHAINS * each
