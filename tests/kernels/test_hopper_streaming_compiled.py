"""The kernel that streams weights, compiled for an H100 that is not there: what its code must and must not do."""

from __future__ import annotations

import re

import described_gpu
import jax
import jax.numpy as jnp
import pytest
from rotation import rotate

from formats.products import Factor, StreamK, scaled_product, scaled_products
from kernels_ref.hopper import Variant, default_split, pack_weights, streamed, transposed
from kernels_ref.hopper.aot import compile_for
from kernels_ref.hopper.streaming import DTYPES, Body, brought
from kernels_ref.hopper.variant import SHARED, most_of_four
from kernels_ref.hopper.work import Work
from kernels_ref.pallas import is_available

pytestmark = pytest.mark.skipif(not is_available(), reason="Mosaic GPU kernels need jax >= 0.11.2")
#: two units and a half for each of four blocks, so that tiles have parts
N, K, SPLIT = 640, 512, StreamK(rows=128, depth=256, blocks=4)


@pytest.fixture(autouse=True)
def compiler():
    described_gpu.h100()


def described(name, m, n=N, k=K, split=SPLIT):
    """Packed weights, activations and their scales, without values."""
    product, shape = scaled_product(name), jax.ShapeDtypeStruct
    groups, given, tokens = -(-k // product.group) if product.group else 1, {}, {}
    scales = {"bfloat16": jnp.uint16, "float16": jnp.uint16, "float32": jnp.float32}
    if product.group_scale is not None:
        rows = -(-n // product.weight_rows)
        given["group_scale"] = shape((rows, groups), scales.get(product.group_scale, jnp.uint8))
    if product.zero_point is not None:
        given["zero_point"] = shape((n, groups), jnp.uint8)
    sizes = {Factor.WEIGHT_SCALE: (n,), Factor.TENSOR_SCALE: ()}
    given |= {f.value: shape(sizes[f], jnp.float32) for f in product.epilogue if f in sizes}
    if product.requantiser is not None:
        given |= {"multiplier": shape((n,), jnp.int32), "shift": shape((n,), jnp.int32)}
    if Factor.TOKEN_SCALE in product.epilogue:
        tokens["token_scale"] = shape((m,), jnp.float32)
    if product.a_grouped:
        tokens["a_scale"] = shape((m, groups), jnp.float32)
    packed = jax.eval_shape(
        lambda w, given: pack_weights(w, product=name, split=split, **given), shape((n, k), jnp.uint8), given
    )
    return packed, shape((m, k), DTYPES[product.a]), tokens


def compiled(name, m, variant=None, **size):
    """The kernels that a call is."""

    def call(packed, a, tokens):
        return streamed(packed, a, variant=variant, **tokens)

    return compile_for("h100", call, *described(name, m, **size)).kernels


def mosaic(kernels):
    (found,) = (kernel for kernel in kernels if "wgmma" in kernel.ptx)
    return found


def count(kernel, instruction):
    return len(re.findall(rf"^\s*(?:@%p\d+ )?{re.escape(instruction)}\s", kernel.ptx, re.MULTILINE))


def is_power_of_two(operand):
    """Whether an operand of PTX is such a constant; scales of groups take one."""
    return operand.startswith("0f") and int(operand[2:], 16) & 0x7FFFFF == 0


@pytest.mark.parametrize("name", rotate(scaled_products(), 8))
@pytest.mark.parametrize("m", rotate([1, 16, 64], 3))
def test_products_neither_spill_nor_wait_and_fuse_what_is_declared_alone(name, m):
    kernel, product = mosaic(compiled(name, m)), scaled_product(name)
    report = kernel.resources
    assert report is not None
    assert (report.spill_stores, report.spill_loads, report.warnings) == (0, 0, ())
    assert ".ftz" not in kernel.ptx
    assert "div.full" not in kernel.ptx
    factors = re.findall(r"^\s*mul\.f32\s.*, (\S+);", kernel.ptx, re.MULTILINE)
    assert all(is_power_of_two(factor) for factor in factors)  # ptxas might contract others
    chains = SPLIT.depth // product.chain if product.chain else 0
    own = 64 * max(8, m) // 128  # sums of a thread
    assert count(kernel, "fma.rn.f32") == (chains * own if product.scales_sums else 0)


@pytest.mark.parametrize("m", [5, 12, 300])
@pytest.mark.parametrize("name", ["w4a8_qqq_channel", "mxfp4_bf16", "nvfp4_e4m3"])
def test_ragged_sizes(name, m):
    report = mosaic(compiled(name, m, n=200, k=544)).resources
    assert report is not None
    assert (report.spill_stores, report.warnings) == (0, ())


def test_a_call_is_one_kernel():
    assert len(compiled("w4a8_qqq_channel", 8)) == 1  # nothing clears the flags


def test_a_part_is_stored_before_its_signal_and_read_after_the_wait():
    lines = mosaic(compiled("w4a8_qqq_channel", 8, n=N - 4)).ptx.splitlines()  # results are stored one by one
    (signal,) = (i for i, line in enumerate(lines) if "atom.release.gpu.global.cas.b64" in line)
    waits = [i for i, line in enumerate(lines) if "ld.acquire.gpu.global.b64" in line]
    before = [i for i in range(signal) if "bar.sync" in lines[i]][-1]
    stores = [i for i, line in enumerate(lines) if re.match(r"\s*st\.(global\.)?v4\.b32", line)]
    loads = [i for i, line in enumerate(lines) if re.match(r"\s*ld\.(global\.)?v4\.b32", line)]
    assert stores
    assert all(i < before for i in stores)
    assert loads
    for load in loads:  # with nothing to jump to between
        wait = max(i for i in waits if i < load)
        assert any("bar.sync" in line for line in lines[wait:load])
        assert not any(line.startswith("$L") for line in lines[wait:load])
    assert not any(".nc." in line for line in lines)


@pytest.mark.parametrize(("n", "wide"), [(N, True), (N - 4, False)])
def test_results_of_16_bits_leave_in_lines_where_rows_begin_at_whole_stores(n, wide):
    ptx = mosaic(compiled("w4a16_g128", 16, n=n)).ptx
    assert ("stmatrix.sync.aligned.m8n8.x4.trans" in ptx) is wide
    assert bool(re.search(r"st\.(global\.)?b16", ptx)) is not wide


@pytest.mark.parametrize(("product", "m", "stages"), [
    ("w4a16_g128", 8, 4), ("w4a16_g128", 64, 3),  # what fits
    ("w4a8_qqq_g128", 8, 3), ("ternary_int8", 8, 4),  # large units, and small ones
    ("w8a8_int8", 256, 2),
])  # fmt: skip
def test_shared_memory_holds_the_units_and_the_results_that_are_turned(product, m, stages):
    record, split = scaled_product(product), default_split(product)
    work = Work(split=split, n=28672, k=8192)
    tokens, passes = Variant().passes(record, m, work)
    body = Body(product=record, work=work, variant=Variant(), tokens=tokens, interpret=False)
    operands = brought(body, ["words", *["scales"] * (record.group_scale is not None), "a"])
    found, turned = body.room(operands, passes)
    assert found == stages
    assert turned % 8 == 0
    assert 8 <= turned <= tokens
    lines = turned * transposed.LINE_BYTES * body.rows // 64
    assert found * sum(x.bytes for x in operands.values()) + lines <= SHARED


@pytest.mark.parametrize(("name", "blocks", "sent"), [
    ("w4a16_g128", 8, True), ("mxfp4_e4m3", 4, True),  # two tiles in four parts, and in two
    ("w4a16_g128", 3, False),  # a part of two tiles
    ("w4a16_channel", 4, True), ("w4a8_qqq_channel", 4, True),  # sums of wgmma itself
])  # fmt: skip
def test_parts_of_one_tile_are_sent_to_the_first_where_every_block_has_one(name, blocks, sent):
    kernel = mosaic(compiled(name, 16, n=128, k=1024, split=StreamK(rows=64, depth=256, blocks=blocks)))
    assert kernel.resources is not None
    assert (kernel.resources.spill_stores, kernel.resources.warnings) == (0, ())
    assert ("st.async" in kernel.ptx, "cas.b64" in kernel.ptx) == (sent, not sent)
    assert "expect_tx.release.cluster" not in kernel.ptx  # a sender would wait for all that it read and wrote


def read_early(ptx):
    """Instructions that read the sums of products which nothing has waited for."""
    uncommitted, groups, found = set(), [], []
    for line in ptx.splitlines():
        if match := re.search(r"wgmma\.mma_async\S*\s*\{([^}]*)\}", line):
            uncommitted |= set(re.findall(r"%\w+", match[1]))
        elif "wgmma.commit_group" in line:
            groups, uncommitted = [*groups, uncommitted], set()
        elif match := re.search(r"wgmma\.wait_group\S* (\d+)", line):
            groups = groups[len(groups) - int(match[1]) :] if int(match[1]) else []
        elif set(re.findall(r"%[a-z]+\d+", line)) & uncommitted.union(*groups):
            found.append(line)
    return found


@pytest.mark.parametrize("name", rotate(["w4a16_g128", "mxfp4_e4m3", "nvfp4_e4m3", "w4a16_channel", "mxfp8_bf16"], 3))
@pytest.mark.parametrize("variant", [Variant(), Variant(flight=2), Variant(ahead=1), Variant(ahead=2)], ids=str)
def test_sums_are_read_after_they_are_waited_for(name, variant):
    kernel = mosaic(compiled(name, 16, variant))
    assert kernel.resources is not None
    assert (kernel.resources.spill_stores, kernel.resources.warnings) == (0, ())
    assert read_early(kernel.ptx) == []
    assert read_early(re.sub(r"wgmma\.wait_group\S* \d+;", "", kernel.ptx))  # as without waiting


@pytest.mark.parametrize("rows", [256, 384])
def test_two_thread_blocks_load_activations_once_for_both(rows):
    split = StreamK(rows=rows, depth=256, blocks=2)
    kernel = mosaic(compiled("mxfp4_e4m3", 16, split=split))
    assert kernel.resources is not None
    assert (kernel.resources.spill_stores, kernel.resources.warnings) == (0, ())
    loads = [line for line in kernel.ptx.splitlines() if "cp.async.bulk.tensor" in line and ".global.mbarrier" in line]
    multicast = [line for line in loads if ".multicast::cluster" in line]
    assert multicast
    assert len(multicast) < len(loads)  # weights and their scales are each thread block's own
    alone = mosaic(compiled("mxfp4_e4m3", 16, split=StreamK(rows=rows // 2, depth=256, blocks=4)))
    assert ".multicast::cluster" not in alone.ptx


#: product, cut of K, and tokens: K is whole, for few tokens and for as many as have such a cut
WHOLE = [
    (name, split, m)
    for name in scaled_products()
    for tokens, batches in ((16, (8, 16, 64)), (64, (64,)))
    if (split := default_split(name, shape=(28672, 8192), tokens=tokens)).blocks == 112
    for m in batches
]


@pytest.mark.parametrize(("name", "split", "m"), rotate(WHOLE, 4))
def test_where_k_is_whole_there_are_no_flags_and_registers_suffice(name, split, m):
    """Four warpgroups where registers suffice, else two thread blocks of two, which load activations together."""
    kernel = mosaic(compiled(name, m, n=28672, k=8192, split=split))
    assert kernel.resources is not None
    assert (kernel.resources.spill_stores, kernel.resources.warnings) == (0, ())
    assert "cas.b64" not in kernel.ptx
    paired = m > most_of_four(scaled_product(name), split.depth)
    assert (".multicast::cluster" in kernel.ptx) is paired
    assert f".maxntid {128 * (3 if paired else 5)}," in kernel.ptx


def test_int8_takes_256_tokens_in_one_pass_and_bfloat16_64_with_two_blocks_under_way():
    deep = StreamK(rows=128, depth=256, blocks=132)
    for name, m, variant in (("w4a8_qqq_channel", 256, None), ("w4a16_g128", 64, Variant(flight=2))):
        report = mosaic(compiled(name, m, variant, n=1024, k=1024, split=deep)).resources
        assert report is not None
        assert (report.spill_stores, report.warnings) == (0, ())


@pytest.mark.parametrize(
    ("product", "m", "columns"), [("nvfp4_e4m3", 8, 16), ("nvfp4_e4m3", 16, 32), ("mxfp4_e4m3", 16, 16)]
)
def test_short_chains_of_few_tokens_fill_their_instructions(product, m, columns):
    """Two chains of half a step in one: twice the columns, half of the instructions, and no weights that are zeros."""
    lines = mosaic(compiled(product, m)).ptx.splitlines()
    products = [line for line in lines if "wgmma.mma_async" in line]
    depth = default_split(product).depth
    assert len(products) == depth // 32
    assert all(f"m64n{columns}k32" in line for line in products)
    assert sum("wgmma.wait_group" in line for line in lines) == depth // 128


def test_short_chains_of_more_tokens_are_filled_up():
    products = [line for line in mosaic(compiled("nvfp4_e4m3", 64)).ptx.splitlines() if "wgmma.mma_async" in line]
    assert len(products) == default_split("nvfp4_e4m3").depth // 16
