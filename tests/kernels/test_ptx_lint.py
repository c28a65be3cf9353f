"""The lint of compiled kernels: each rule sees a fault that was planted for it, and nothing in a clean kernel."""

from __future__ import annotations

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from kernels_ref.hopper import aot
from kernels_ref.hopper.aot import Compiled, Kernel
from kernels_ref.hopper.ptx_lint import RULES, Claims, lint
from kernels_ref.hopper.ptx_report import Resources, resources
from kernels_ref.hopper.ptx_text import instructions, threads, uses_of
from kernels_ref.pallas import pallas

needs_compiler = pytest.mark.skipif(bool(aot.missing()), reason=aot.missing() or "it is here")
SILENT = Claims(
    exact_division=False,
    exact_functions=False,
    subnormals=False,
    separate_roundings=False,
    fused=None,
    fused_halves=None,
    deterministic=False,
    semaphores=None,
)


def elementwise(function, arguments=3, dtype=jnp.float32, size=128):
    """A Mosaic kernel that applies ``function`` to whole arrays, and the shapes of its arguments."""
    plgpu, _ = pallas()

    def body(*refs):
        *operands, out = refs
        out[...] = function(*(ref[...] for ref in operands))

    shape = jax.ShapeDtypeStruct((size,), dtype)
    return plgpu.kernel(body, out_type=shape), [shape] * arguments


def barrier_between(x, y, z):
    return lax.optimization_barrier(x * y) + z


def too_wide():
    """More numbers at once than a thread has registers."""
    return elementwise(lambda x: lax.optimization_barrier(x) + jnp.float32(1), 1, size=128 * 320)


def matrix_product(body, **options):
    """A kernel on a 64 x 64 and a 64 x 256 matrix in shared memory."""
    plgpu, _ = pallas()
    transforms = plgpu.TilingTransform((8, 64)), plgpu.SwizzleTransform(128)
    scratch = [plgpu.SMEM(shape, jnp.bfloat16, transforms=transforms) for shape in ((64, 64), (64, 256))]
    avals = [jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in ((64, 64), (64, 256))]
    out = jax.ShapeDtypeStruct((64, 256), jnp.float32)
    return plgpu.kernel(body, out_type=out, scratch_types=scratch, **options), avals


def left_operand_in_registers(*, bound):
    """Products in a loop, left operand in registers: without a limit on the registers they wait for one another."""
    plgpu, pl = pallas()

    def body(a, b, out, a_shared, b_shared):
        def sums(accumulator):
            def step(_, carry):
                left = plgpu.load(a_shared, layout=plgpu.Layout.WGMMA)
                plgpu.wgmma(accumulator, left, b_shared)
                return carry

            lax.fori_loop(0, bound, step, 0)
            return accumulator[...]

        out[...] = pl.run_scoped(sums, plgpu.ACC((64, 256), jnp.float32))

    return matrix_product(body)


def too_few_registers_for_a_product():
    plgpu, pl = pallas()

    def body(a, b, out, a_shared, b_shared):
        plgpu.set_max_registers(24, action="decrease")

        def sums(accumulator):
            plgpu.wgmma(accumulator, a_shared, b_shared)
            return accumulator[...]

        out[...] = pl.run_scoped(sums, plgpu.ACC((64, 256), jnp.float32))

    return matrix_product(body)


def warpgroups(takers, registers):
    """One warpgroup keeps 40 registers a thread, the others take ``registers``."""
    plgpu, pl = pallas()

    def body(x, out):
        group = lax.axis_index("group")

        @pl.when(group == 0)
        def _():
            plgpu.set_max_registers(40, action="decrease")

        @pl.when(group > 0)
        def _():
            plgpu.set_max_registers(registers, action="increase")
            own = pl.ds(group * 128, 128)
            out[own] = x[own]

    shape = jax.ShapeDtypeStruct((128 * (takers + 1),), jnp.float32)
    return plgpu.kernel(body, out_type=shape, num_threads=takers + 1, thread_name="group"), [shape]


def atomic_sum(dtype):
    plgpu, _ = pallas()

    def body(x, out):
        plgpu.atomic_add(out, x[...])

    shape = jax.ShapeDtypeStruct((128,), dtype)
    return plgpu.kernel(body, out_type=shape), [shape]


#: by rule: a kernel that breaks it, and how often
PLANTED = {
    "spills": (too_wide, 1),
    "local memory": (too_wide, 1),
    "serialised wgmma": (lambda: left_operand_in_registers(bound=8), 1),
    "ignored setmaxnreg": (too_few_registers_for_a_product, 1),
    "register pool": (lambda: warpgroups(4, 112), 1),
    "inexact division": (lambda: elementwise(lambda x, y: x / y, 2), 1),
    "approximate function": (lambda: elementwise(lax.rsqrt, 1), 1),
    "flushed subnormals": (lambda: elementwise(jnp.exp, 1), 1),
    "contraction risk": (lambda: elementwise(barrier_between), 1),
    "fused multiply-add": (lambda: elementwise(lambda x, y, z: x * y + z), 1),
    "fused multiply-add of halves": (lambda: elementwise(lambda x, y, z: x * y + z, dtype=jnp.bfloat16), 1),
    "unordered sum": (lambda: atomic_sum(jnp.float32), 1),
    "atomic": (lambda: atomic_sum(jnp.int32), 1),
}

PTX = """
.visible .entry plain( .param .u64 plain_0 )
.maxntid 128, 1, 1
{
  ld.global.f32 %f1, [%rd1];
  add.rn.f32 %f2, %f1, %f1;
  st.global.f32 [%rd1], %f2;
  ret;
}
"""
PLAIN = Kernel(
    name="plain",
    ptx=PTX,
    resources=Resources(registers=32, stack=0, spill_stores=0, spill_loads=0, shared=0, barriers=1, warnings=()),
    dynamic_shared=0,
    sass="FADD R1, R2, R2 ;",
)


def plain(*, ptx=PTX, dynamic_shared=0, sass="", **figures):
    reported = dataclasses.replace(PLAIN.resources, **figures)
    return dataclasses.replace(PLAIN, ptx=ptx, resources=reported, dynamic_shared=dynamic_shared, sass=sass)


#: by rule: a kernel that the compiler here refuses to make, or cannot show without nvdisasm
WRITTEN = {
    "assembler's warnings": plain(warnings=("ptxas warning : Value of threads per SM is out of range",)),
    "register budget": plain(ptx=PTX.replace("128, 1, 1", "640, 1, 1"), registers=104),
    "shared memory": plain(shared=1024, dynamic_shared=232448),
    "contraction": plain(sass="/*0110*/  FFMA R11, R3, R4, R6 ;"),
}


@functools.cache
def compiled_once(program):
    fn, avals = program()
    return aot.compile_for("h100", fn, *avals)


def broken(compiled, claims):
    return {violation.rule.name: len(violation.found) for violation in lint(compiled, claims)}


def of_text(kernel):
    return Compiled(target="h100", kernels=(kernel,))


def test_every_rule_has_a_planted_fault():
    assert sorted([*PLANTED, *WRITTEN]) == sorted(rule.name for rule in RULES)


@needs_compiler
@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_fault_is_seen(rule):
    program, count = PLANTED[rule]
    compiled = compiled_once(program)
    assert broken(compiled, Claims()).get(rule) == count
    (violation,) = (each for each in lint(compiled, Claims()) if each.rule.name == rule)
    assert str(violation).startswith(f"{rule}: {count} found, 0 claimed (")


@pytest.mark.parametrize("rule", WRITTEN)
def test_a_written_fault_is_seen_and_is_the_only_one(rule):
    assert broken(of_text(WRITTEN[rule]), Claims()) == {rule: 1}


def test_nothing_is_seen_in_a_plain_kernel():
    assert lint(of_text(PLAIN), Claims()) == ()


@needs_compiler
@pytest.mark.parametrize(
    "program",
    [
        lambda: elementwise(lambda x: x * 3, 1),
        lambda: elementwise(lambda x, y: x ^ y, 2, dtype=jnp.int32),
        lambda: left_operand_in_registers(bound=1),
        lambda: warpgroups(2, 200),
    ],
)
def test_nothing_is_seen_in_clean_kernels(program):
    assert lint(compiled_once(program), Claims()) == ()


@needs_compiler
def test_claims_that_say_nothing_let_all_pass_but_what_no_kernel_may_do():
    always = {"spills", "local memory", "serialised wgmma", "ignored setmaxnreg", "register pool"}
    for rule in ("fused multiply-add", "flushed subnormals", "unordered sum", "spills"):
        assert broken(compiled_once(PLANTED[rule][0]), SILENT).keys() <= always


@needs_compiler
def test_fused_multiply_adds_are_counted_exactly():
    fn, avals = elementwise(lambda x, y, z: x * y + z, size=512)
    compiled = aot.compile_for("h100", fn, *avals)
    assert lint(compiled, Claims(fused=4)) == ()
    for claimed in (3, 5):
        (violation,) = lint(compiled, Claims(fused=claimed))
        assert str(violation).startswith(f"fused multiply-add: 4 found, {claimed} claimed (body_mosaic_gpu_kernel, ")


@needs_compiler
def test_a_product_that_states_its_rounding_is_no_risk():
    fn, avals = elementwise(barrier_between)
    (kernel,) = aot.compile_for("h100", fn, *avals).kernels
    assert "mul.f32" in kernel.ptx
    stated = dataclasses.replace(kernel, ptx=kernel.ptx.replace("mul.f32", "mul.rn.f32"), sass="")
    assert broken(of_text(kernel), Claims()).keys() - {"contraction"} == {"contraction risk"}
    assert lint(of_text(stated), Claims()) == ()


class TestContractionRisk:
    def seen(self, *statements):
        return len(broken(of_text(plain(ptx=PTX.replace("  ret;", "\n".join(statements)))), Claims()))

    def test_through_copies_and_a_change_of_sign(self):
        product = "mul.f32 %f5, %f1, %f2;"
        assert self.seen(product, "sub.f32 %f9, %f1, %f5;") == 1
        assert self.seen(product, "mov.b32 %f6, %f5;", "neg.f32 %f7, %f6;", "add.f32 %f9, %f1, %f7;") == 1

    def test_a_copy_written_before_the_product_as_in_a_loop(self):
        assert self.seen("mov.b32 %f6, %f5;", "add.f32 %f9, %f1, %f6;", "mul.f32 %f5, %f1, %f2;") == 1

    @pytest.mark.parametrize("kind", ["f64", "f16", "f16x2", "bf16", "bf16x2"])
    def test_of_every_type(self, kind):
        assert self.seen(f"mul.{kind} %f5, %f1, %f2;", f"add.{kind} %f9, %f5, %f1;") == 1

    def test_not_of_other_values_or_with_a_stated_rounding(self):
        assert self.seen("mul.f32 %f5, %f1, %f2;", "add.f32 %f9, %f1, %f2;") == 0
        assert self.seen("mul.f32 %f5, %f1, %f2;", "add.rn.f32 %f9, %f5, %f2;") == 0
        assert self.seen("mul.rz.f32 %f5, %f1, %f2;", "add.f32 %f9, %f5, %f2;") == 0
        assert self.seen("mul.lo.s32 %r5, %r1, %r2;", "add.s32 %r9, %r5, %r2;") == 0


def test_what_ptxas_reports():
    report = """
ptxas info    : 0 bytes gmem
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to non wgmma
ptxas info    : (C7519) warpgroup.arrive is injected in around line 322 by compiler
ptxas info    : Function properties for f
    1064 bytes stack frame, 1048 bytes spill stores, 1044 bytes spill loads
ptxas info    : Used 255 registers, used 2 barriers, 1064 bytes cumulative stack size, 96 bytes smem
ptxas warning : Registers are spilled to local memory in function 'f', 1048 bytes spill stores, 1044 bytes spill loads
"""
    found = resources(report)
    assert (found.registers, found.stack, found.spill_stores, found.spill_loads) == (255, 1064, 1048, 1044)
    assert (found.barriers, found.shared) == (2, 96)
    assert [line.split()[0:3] for line in found.warnings] == [["ptxas", "info", ":"], ["ptxas", "warning", ":"]]
    assert "C7510" in found.warnings[0]


def test_a_report_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"not a report of ptxas -v, .*: 'ptxas fatal'"):
        resources("ptxas fatal")


def test_instructions_are_read_with_their_modifiers_and_operands():
    text = """
    // add.f32 %f1, %f2, %f3;
$L__BB0_1:
    .reg .b32 %r<9>;
    @!%p2 bra $L__BB0_1;
    { .reg .b32 t; mov.b32 t, %r1; fma.rn.bf16x2 %r2, t, t, %r3; }
    ld.param::entry.b64 	%rd1, [f_param_0];
    ld.global.v2.b32 	{%r15, %r16}, [%rd10+1024];
    wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f1, %f2}, %rd1, %rd2, p, 1, 1;
"""
    found = [(each.opcode, each.operands) for each in instructions(text)]
    assert found[:3] == [
        ("bra", ("$L__BB0_1",)),
        ("mov.b32", ("t", "%r1")),
        ("fma.rn.bf16x2", ("%r2", "t", "t", "%r3")),
    ]
    assert found[3:5] == [
        ("ld.param::entry.b64", ("%rd1", "[f_param_0]")),
        ("ld.global.v2.b32", ("{%r15, %r16}", "[%rd10+1024]")),
    ]
    assert found[5][1] == ("{%f1, %f2}", "%rd1", "%rd2", "p", "1", "1")
    assert len(found) == 6


def test_threads_of_a_block():
    assert threads(".reqntid 384, 1, 1") == threads(".maxntid 128, 3") == 384
    assert threads(".entry f()") == 1024


def test_uses_are_found_once_for_each_instruction():
    text = "mul.f32 %a, %x, %y;\nadd.f32 %b, %a, %a;"
    assert [each.line for each in uses_of(text, re.compile(r"mul\.f32"), re.compile(r"add\.f32"))] == [2]
