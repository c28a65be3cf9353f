"""Dense kernels compiled for an H100 that is not there: what the assembler says, and which instructions are left."""

from __future__ import annotations

import math
from collections import Counter

import jax
import pytest

from formats.products import scaled_product, scaled_products
from kernels_ref.hopper.aot import compile_for, missing
from kernels_ref.hopper.dense import dense_matmul
from kernels_ref.hopper.dense_plan import is_dense, is_expanded
from kernels_ref.hopper.dense_variant import DenseVariant
from kernels_ref.hopper.dense_weights import DenseWeights, block_lines
from kernels_ref.hopper.ptx_lint import Claims, lint
from kernels_ref.hopper.ptx_text import instructions
from reference.products.arguments import expected, size

DENSE = [name for name in scaled_products() if is_dense(scaled_product(name))]
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def compiled(name, m, n, k, **options):
    product = scaled_product(name)
    shapes = expected(product, size(product, (m, k), (n, k), None))
    kinds = {"multiplier": "int32", "shift": "int32"}
    if is_expanded(product):
        units = math.ceil(n / 128) * math.ceil(k / 256)
        words = jax.ShapeDtypeStruct((units, 4 * block_lines(product), 128), "uint32")
        turned = (math.ceil(k / 128), math.ceil(n / 8) * 8)
        scales = jax.ShapeDtypeStruct(turned, "uint16") if shapes.pop("group_scale", None) else None
        w = DenseWeights(words, scales, n, k)
    else:
        w = jax.ShapeDtypeStruct((n, k), "uint8")
    terms = {term: jax.ShapeDtypeStruct(shape, kinds.get(term, "float32")) for term, shape in shapes.items()}
    operands = [jax.ShapeDtypeStruct((m, k), "uint8"), w]

    def run(a, w, terms):
        return dense_matmul(a, w, product=product, **terms, **options)

    return compile_for("h100", run, *operands, terms)


def opcodes(kernel):
    return Counter(each.opcode for each in instructions(kernel.ptx))


def count(found, start):
    return sum(times for opcode, times in found.items() if opcode.startswith(start))


@pytest.mark.parametrize("name", DENSE)
def test_the_code_is_what_was_meant(name):
    """No spills and no serialised wgmma; one rounding for each factor, one fused addition for each promoted sum."""
    product = scaled_product(name)
    made = compiled(name, *((256, 28672) if is_expanded(product) else (8192, 8192)), 8192)
    kernel = made.kernels[0]
    found = opcodes(kernel)
    promoted = product.a_grouped  # two groups of 64 sums of a thread, each with two scales
    halves = 2 * (64 // 2) if product.name == "w4a8_qqq_g128" else 0  # of a step, for two weights: expanded, scaled
    claims = Claims(fused=2 * 64 if promoted else 0, fused_halves=halves)
    assert [str(each) for each in lint(made, claims)] == []
    assert count(found, "wgmma.mma_async") == (8 if promoted else 4)
    assert count(found, "mul.f32") == (2 * 2 if promoted else 128 * len(product.epilogue))
    assert count(found, "add.f32") == count(found, "add.rn.f32") == 0


def test_weights_in_registers_wait_for_the_matrix_unit():
    """The next weights may be written only when nothing reads the last ones: no group of wgmma stays behind."""
    found = instructions(compiled("w4a8_qqq_channel", 256, 512, 512).kernels[0].ptx)
    waits = [each.operands for each in found if each.opcode.startswith("wgmma.wait_group")]
    assert {tuple(each) for each in waits} == {("0",)}


@pytest.mark.parametrize("variant", [DenseVariant(cluster=1), DenseVariant(cluster=4, blocks=128)])
def test_clusters(variant):
    made = compiled("w8a8_int8", 1024, 1024, 512, variant=variant)
    assert lint(made, Claims()) == ()
    shared = [each for each in made.kernels[0].ptx.splitlines() if ".multicast::cluster" in each]
    assert bool(shared) == (variant.cluster > 1)


@pytest.mark.parametrize("name", ["w8a8_int8_dyadic", "w8a8_fp8_block128", "w4a8_qqq_g128"])
@pytest.mark.parametrize("shape", [(201, 523, 401), (1, 1, 1)])
def test_sizes_that_tma_does_not_take(name, shape):
    """The interpreter does not know that TMA takes whole tiles."""
    made = compiled(name, *shape)
    assert lint(made, Claims(fused=None, fused_halves=None)) == ()


def test_too_many_stages_are_refused():
    with pytest.raises(ValueError, match="exceeds available shared memory"):
        compiled("w8a8_int8", 1024, 1024, 512, variant=DenseVariant(stages=8))
