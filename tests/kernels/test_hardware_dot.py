"""The hardware run without a GPU: sources, layouts, operands, the comparison and its controls."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hardware_dot
import numpy as np
import pytest
from hardware import build, controls, fragments, instructions, parts, products
from hardware.comparison import Size, cases, examine
from hardware.models import on_numpy
from rotation import rotate

import formats
import reference
from formats.schedule import Schedule
from formats.summation import FusedSteps
from kernels_ref.dot_operands import FLOAT_FAMILIES, dot_families, dot_operands

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "hardware_dot.py"

SMALL = Size(batch=15, calls=1)
HOPPER = instructions.hopper()
FLOATS = [name for name in HOPPER if ".s32." not in name]


def fake(record):
    """A device that computes what a record says."""
    return lambda a, b, c, use_c=True: on_numpy(a, b, c if use_c else np.zeros_like(c), accumulator=record)


def wrong(name, **change):
    right = formats.accumulator(name)
    return replace(right, summation=replace(right.summation, **change))


class TestSources:
    def test_every_row_of_the_chip_has_a_kernel(self):
        text = instructions.source(HOPPER)
        assert len(HOPPER) == 60
        for name in HOPPER:
            one = instructions.instruction(name)
            assert text.count(f'extern "C" int {one.symbol}(') == 1
            assert f'"{one.ptx} ' in text or f"; {one.ptx} " in text
        assert "$" not in text

    def test_names_become_instructions(self):
        ptx = {name: instructions.instruction(f"hopper.{name}").ptx for name in (
            "mma.m16n8k4.f32.tf32", "mma.m16n8k32.s32.s8.u8.sat", "wgmma.k32.f16.e4m3.e5m2", "wgmma.k32.s32.u8.s8.sat"
        )}  # fmt: skip
        assert ptx["mma.m16n8k4.f32.tf32"] == "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32"
        assert ptx["mma.m16n8k32.s32.s8.u8.sat"] == "mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.u8.s32"
        assert ptx["wgmma.k32.f16.e4m3.e5m2"] == "wgmma.mma_async.sync.aligned.m64n8k32.f16.e4m3.e5m2"
        assert ptx["wgmma.k32.s32.u8.s8.sat"] == "wgmma.mma_async.sync.aligned.m64n8k32.satfinite.s32.u8.s8"

    def test_every_row_belongs_to_one_part(self):
        assert sorted(name for part in parts.INSTRUCTION_PARTS for name in parts.names(part)) == sorted(HOPPER)

    @pytest.mark.skipif(build.nvcc() is None, reason="no nvcc")
    def test_nvcc_takes_them(self, tmp_path):
        built = build.build(rotate(HOPPER, 10), tmp_path, files=2)
        assert [text for text in built.values() if isinstance(text, str)] == []

    @pytest.mark.skipif(build.nvcc() is None, reason="no nvcc")
    def test_what_nvcc_says_is_kept(self, tmp_path, monkeypatch):
        monkeypatch.setattr(build, "source", lambda names: "int main() { return nonsense; }")
        message = build.build(["hopper.wgmma.k8.f32.tf32"], tmp_path)["hopper.wgmma.k8.f32.tf32"]
        assert "nonsense" in message


def lanes():
    return [(lane // 4, lane % 4) for lane in range(32)]


# the element a_i of lane (g, t) by the tables of PTX ISA 9.7.14.5; each register holds `per_word` of them
ISA_A = {
    ("float16", 16): lambda g, t, i: (g + 8 * (i // 2 % 2), 2 * t + i % 2 + 8 * (i >= 4)),
    ("bfloat16", 8): lambda g, t, i: (g + 8 * (i >= 2), 2 * t + i % 2),
    ("tf32", 8): lambda g, t, i: (g + 8 * (i % 2), t + 4 * (i >= 2)),
    ("tf32", 4): lambda g, t, i: (g + 8 * i, t),
    ("float8_e4m3fn", 32): lambda g, t, i: (g + 8 * (i // 4 % 2), 4 * t + i % 4 + 16 * (i >= 8)),
    ("int8", 16): lambda g, t, i: (g + 8 * (i >= 4), 4 * t + i % 4),
}


class TestFragments:
    def test_every_word_of_a_tile_is_held_once(self):
        a = {(g + row, t + word) for g, t in lanes() for row, word in fragments.A_REGISTERS}
        assert a == {(row, word) for row in range(16) for word in range(8)}
        b = {(g, t + word) for g, t in lanes() for word in fragments.B_REGISTERS}
        assert b == {(column, word) for column in range(8) for word in range(8)}
        c = {(g + row, 2 * t + column) for g, t in lanes() for row, column in fragments.C_ELEMENTS}
        assert c == {(row, column) for row in range(16) for column in range(8)}
        short = {(g + row, t + word) for g, t in lanes() for row, word in fragments.A_REGISTERS[:2]}
        assert short == {(row, word) for row in range(16) for word in range(4)}

    @pytest.mark.parametrize("name", ["tf32", "float16", "float8_e5m2"])
    def test_words_lie_in_memory_as_they_are_indexed(self, name):
        fmt = formats.get(name)
        b = np.arange(2 * 32 * 8).reshape(2, 32, 8).astype(np.uint32 if fmt.bits == 19 else f"u{fmt.bits // 8}")
        assert fragments.words(np.swapaxes(b, 1, 2), fmt).flags.c_contiguous  # chains of TF32 were sent transposed

    @pytest.mark.parametrize(("name", "k"), ISA_A)
    def test_registers_hold_the_elements_that_the_isa_names(self, name, k):
        fmt = formats.get(name)
        codes = np.arange(16 * k).reshape(16, k).astype(np.uint32 if fmt.bits == 19 else f"u{fmt.bits // 8}")
        packed = fragments.words(codes, fmt)
        per_word = k // packed.shape[1]
        for g, t in lanes():
            for i in range(16 * k // 32):
                row, word = fragments.A_REGISTERS[i // per_word]
                held = int(packed[g + row, t + word])
                bits = 32 // per_word
                value = held >> 13 if fmt.bits == 19 else held >> i % per_word * bits & ((1 << bits) - 1)
                assert value == codes[ISA_A[name, k](g, t, i)]

    def test_core_matrices_are_128_bytes_with_the_k_neighbour_beside(self):
        places = [fragments.core_word(row, word) for row in range(64) for word in range(8)]
        assert sorted(places) == list(range(512))
        assert fragments.core_word(1, 0) * 4 == 16
        assert fragments.core_word(0, 4) * 4 == 128
        assert fragments.core_word(8, 0) * 4 == 256

    def test_tf32_lies_on_top_of_noise(self):
        packed = fragments.words(np.array([[0, 0x7FFFF]], np.uint32), formats.get("tf32"))
        assert (packed >> 13).tolist() == [[0, 0x7FFFF]]
        assert (packed & 0x1FFF).any()


class TestOperands:
    def values(self, name, family, k=16, items=6):
        found = formats.accumulator(name)
        drawn = dot_operands(name, rows=8, columns=8, k=k, batch=items, seed=5, only=[family])
        a, b, c = ((drawn.a, found.a), (drawn.b, found.b), (drawn.c, found.output))
        return drawn, reference.decode(*a).astype(float), reference.decode(*b).astype(float), reference.decode(*c)

    @pytest.mark.parametrize("name", rotate(FLOATS, 6))
    def test_every_family_fills_every_array(self, name):
        drawn = dot_operands(name, rows=8, columns=4, k=32, batch=17, seed=1)
        assert (drawn.a.shape, drawn.b.shape, drawn.c.shape) == ((17, 8, 32), (17, 32, 4), (17, 8, 4))
        assert drawn.families == (*FLOAT_FAMILIES, "bits", "normal")
        for codes, fmt in ((drawn.a, formats.accumulator(name).a), (drawn.c, formats.accumulator(name).output)):
            assert codes.max() < 1 << fmt.bits
        again = dot_operands(name, rows=8, columns=4, k=32, batch=17, seed=1)
        np.testing.assert_array_equal(drawn.c, again.c)
        assert (dot_operands(name, rows=8, columns=4, k=32, batch=17, seed=2).c != drawn.c).any()

    def test_pairs_cancel(self):
        _, a, b, _ = self.values("hopper.mma.m16n8k16.f32.f16", "cancelling pairs")
        sums = a @ b
        assert (sums[1::2] == 0).all()
        assert (sums[::2] != 0).all()

    def test_c_cancels(self):
        _, a, b, c = self.values("hopper.mma.m16n8k16.f32.f16", "cancelling c")
        assert (np.abs(a @ b + c) <= np.abs(c) * 2.0**-20).all()

    def test_subnormals_and_underflow(self):
        _, a, _, _ = self.values("hopper.mma.m16n8k16.f16.f16", "subnormals")
        assert ((np.abs(a) < 2.0**-14) & (a != 0)).mean() > 0.3
        _, a, b, _ = self.values("hopper.mma.m16n8k16.f32.bf16", "underflow")
        assert (np.abs(a @ b) < 2.0**-126).mean() > 0.5

    def test_specials(self):
        _, a, b, c = self.values("hopper.mma.m16n8k16.f32.f16", "infinities and nan", items=60)
        for x in (a, b, c):
            assert np.isnan(x).any()
            assert np.isinf(x).any()
        finite = np.isfinite(a).all(2)[:, :, None] & np.isfinite(b).all(1)[:, None, :]
        assert 0.2 < finite.mean() < 0.9

    def test_overflow(self):
        drawn, *_ = self.values("hopper.mma.m16n8k16.f16.f16", "overflow")
        d = on_numpy(drawn.a, drawn.b, drawn.c, accumulator="hopper.mma.m16n8k16.f16.f16")
        assert np.isinf(reference.decode(d, "float16")).mean() > 0.3

    def test_signed_zeros(self):
        drawn, a, _, c = self.values("hopper.mma.m16n8k16.f32.f16", "signed zeros")
        assert (a == 0).mean() > 0.9
        assert (c == 0).mean() > 0.8
        assert {0, 0x8000} < set(drawn.a.ravel().tolist())

    def test_full_significands_and_ties(self):
        drawn, *_ = self.values("hopper.mma.m16n8k16.f32.f16", "full significands")
        assert (drawn.a & 0x3FE == 0x3FE).all()
        drawn, *_ = self.values("hopper.mma.m16n8k16.f32.bf16", "ties")
        assert (drawn.a & 0x7F == 0).mean() > 0.8

    def test_integers(self):
        drawn = dot_operands("hopper.wgmma.k32.s32.s8.u8", rows=8, columns=8, k=32, batch=8, seed=0)
        assert set(np.unique(drawn.a[2])) == {0x80, 0x7F, 0, 1}
        assert np.abs(drawn.a[1].view(np.int8)).max() == 4
        near = np.minimum(drawn.c, np.uint32(0) - drawn.c)
        assert (near[3] > (1 << 31) - (1 << 21)).any()

    def test_bad_input(self):
        terms = {"rows": 1, "columns": 1, "k": 4, "batch": 1, "seed": 0}
        with pytest.raises(ValueError, match=r"a_format is missing: exact\.f32 takes any operands"):
            dot_operands("exact.f32", **terms)
        with pytest.raises(ValueError, match=r"b_format=int8: exact\.f32 gets a float format with a sign and a zero"):
            dot_operands("exact.f32", **terms, a_format="e4m3fn", b_format="int8")
        with pytest.raises(ValueError, match=r"a_format=float8_e8m0fnu: .* with a sign and a zero"):
            dot_operands("exact.f32", **terms, a_format="float8_e8m0fnu", b_format="e4m3fn")
        with pytest.raises(KeyError, match=r"unknown family 'odd'; for int32\.wrap: bits, small, extremes, one sign"):
            dot_operands("int32.wrap", **terms, a_format="int8", b_format="int8", only=["odd"])


class TestComparison:
    @pytest.mark.parametrize("name", rotate(FLOATS, 9) + rotate(HOPPER[-24:], 6))
    def test_a_right_device_holds_and_every_wrong_record_is_noticed(self, name):
        found = examine(name, fake(name), on_numpy, SMALL)
        assert found["mismatches"] == 0
        assert found["outputs"] == 15 * 64 * 32 * len(cases(name, SMALL))
        assert min(each["numpy"]["outputs"] for each in found["cases"]) >= 64 * 32 * len(dot_families(name))
        assert len(found["controls"]) == len(controls.controls(name)) > 0
        assert [what for what, each in found["controls"].items() if not each["mismatches"]] == []

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("hopper.wgmma.k32.f32.e4m3.e5m2", {"fraction_bits": 14}),
            ("hopper.mma.m16n8k8.f16.f16", {"floor": -20}),
            ("hopper.mma.m16n8k16.s32.s8.s8", {"saturation": formats.Saturation.SAT_FINITE}),
        ],
    )
    def test_a_wrong_device_is_caught_and_decoded(self, name, change):
        found = examine(name, fake(wrong(name, **change)), on_numpy, SMALL)
        assert found["mismatches"] > 0
        first = next(case["first"] for case in found["cases"] if case["first"])
        right = reference.exact.dot(
            [int(x, 16) for x in first["a"]], [int(x, 16) for x in first["b"]], int(first["c"], 16), accumulator=name
        )
        assert first["judge"] == hex(right) != first["device"]

    def test_a_chain_that_keeps_more_than_its_steps_is_caught(self):
        name = "hopper.wgmma.k16.f32.f16"
        one_step = wrong(name, products=64)
        found = examine(name, fake(one_step), on_numpy, SMALL)
        assert [case["mismatches"] > 0 for case in found["cases"]] == [False, True, False]

    def test_a_device_that_reads_c_at_scale_d_0_is_caught(self):
        name = "hopper.wgmma.k8.f32.tf32"
        found = examine(name, lambda a, b, c, use_c=True: fake(name)(a, b, c), on_numpy, SMALL)
        assert [case["mismatches"] > 0 for case in found["cases"]] == [False, False, True]

    def test_floors_are_controls_where_they_show(self):
        assert "floor -1" in controls.controls("hopper.mma.m16n8k8.f16.f16")
        assert "floor -1" in controls.controls("hopper.mma.m16n8k8.f32.bf16")
        for name in ("hopper.mma.m16n8k8.f32.f16", "hopper.wgmma.k32.f16.e5m2.e5m2"):
            assert not any("floor" in what for what in controls.controls(name))
        assert isinstance(controls.controls("hopper.mma.m16n8k16.f32.e4m3.e4m3")["one step"].summation, FusedSteps)


class TestProducts:
    def product(self, schedule=None, accumulator="hopper.wgmma.k16.f32.bf16"):
        def call(a, b):
            return on_numpy(a, b, None, accumulator=accumulator, schedule=schedule)

        found = list(products.split("chain", "hopper.wgmma.k16.f32.bf16", 128))
        return products.Product("library", "bfloat16", "bfloat16", 16, 16, 128, call, found)

    def test_the_schedule_is_found(self):
        found = products.explain(products.measure(self.product()), on_numpy)
        assert set(found["fits"].values()) == {"chain"}
        assert found["explained"] == found["outputs"] == 9 * 256
        schedule = Schedule(order="natural", slices=4, tile=32, combine="by_halves")
        fits = products.explain(products.measure(self.product(schedule)), on_numpy)["fits"]
        assert fits["normal"] == "chain, 4 slices of whole 32s added by_halves"

    def test_what_no_candidate_gives_is_unexplained(self):
        found = products.explain(products.measure(self.product(accumulator="hopper.mma.m16n8k8.f32.bf16")), on_numpy)
        assert found["fits"]["normal"] is None
        assert found["explained"] < found["outputs"]
        assert next(iter(found["nearest"]["normal"].values())) > 0

    def test_one_wrong_output_outside_the_corner_is_noticed(self):
        product = self.product()

        def call(a, b):
            d = product.call(a, b)
            d[-1, -1] ^= 1
            return d

        found = products.explain(products.measure(replace(product, call=call)), on_numpy)
        assert set(found["fits"].values()) == {None}

    def test_operands_are_converted(self):
        candidate = products.Candidate("widened", "hopper.wgmma.k16.f32.f16", operands="float16")
        product = products.Product("library", "float8_e4m3fn", "float8_e4m3fn", 16, 16, 32, None, [candidate])
        a, b, _ = products.operands(product, 0)
        product = replace(
            product,
            call=lambda a, b: on_numpy(
                reference.decode(a, "e4m3fn").astype(np.float16).view(np.uint16),
                reference.decode(b, "e4m3fn").astype(np.float16).view(np.uint16),
                None,
                accumulator="hopper.wgmma.k16.f32.f16",
            ),
        )
        assert a.dtype == b.dtype == np.uint8
        assert set(products.explain(products.measure(product), on_numpy)["fits"].values()) == {"widened"}

    def test_xla_on_this_processor_is_exact_for_integers(self):
        from hardware import xla_products

        product = next(each for each in xla_products.products() if each.a == "int8")
        found = products.explain(products.measure(product), on_numpy)
        assert found["explained"] == found["outputs"]


class Device:
    def __init__(self, name, library):
        self.run = fake(name)

    def __call__(self, *arguments, **terms):
        return self.run(*arguments, **terms)


class TestParts:
    def carry_out(self, path, part, every=12):
        parts.carry_out(part, path, SMALL, model="numpy", threads=1, every=every)
        return json.loads(path.read_text())

    def test_a_part_writes_what_it_found(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(parts, "CompiledInstruction", Device)
        monkeypatch.setattr(parts, "build", lambda names, folder: dict.fromkeys(names, Path()))
        found = self.carry_out(tmp_path / "part.json", "wgmma")
        assert list(found["done"]) == ["hopper.wgmma.k16.f32.f16"]
        assert found["not_run"] == {}
        assert "0 mismatches in 92,160, 4 controls" in capsys.readouterr().out

    def test_what_fails_is_not_run_and_the_rest_goes_on(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(parts, "CompiledInstruction", Device)
        monkeypatch.setattr(parts, "build", lambda names, folder: {names[0]: "ptxas: no", names[1]: Path()})
        found = self.carry_out(tmp_path / "part.json", "integers", every=12)
        assert "nvcc: ptxas: no" in found["not_run"][parts.names("integers")[0]]
        assert list(found["done"]) == [parts.names("integers")[12]]
        assert "NOT RUN: RuntimeError: nvcc: ptxas: no" in capsys.readouterr().out

    def test_a_missing_library_is_not_run(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        assert "torch" in self.carry_out(tmp_path / "part.json", "triton")["not_run"]["triton"]


class TestProgram:
    def test_without_a_gpu_it_says_so(self, tmp_path):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "PATH": ""}
        command = [sys.executable, str(SCRIPT), "--out", str(tmp_path / "record.json")]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "no GPU: nvidia-smi shows none" in done.stdout
        assert not (tmp_path / "record.json").exists()

    def test_a_part_that_takes_too_long_is_stopped_and_recorded(self, tmp_path):
        options = argparse.Namespace(batch=15, calls=1, every=1, model="numpy", threads=1, seed=0, seconds=0.01)
        assert "stopped with status -9" in hardware_dot.run("mma", tmp_path, options)["not_run"]["the rest"]

    def record(self, **change):
        control = {"one step": {"outputs": 9, "mismatches": 1}}
        case = {"numpy": {"outputs": 4, "mismatches": 0}}
        instruction = {"outputs": 9, "mismatches": 0, "cases": [case], "controls": control} | change
        product = {"outputs": 5, "explained": change.get("explained", 5)}
        not_run = change.get("not_run", {})
        return hardware_dot.summary({
            "mma": {"done": {"i": instruction}, "not_run": not_run},
            "torch": {"done": {"p": product}, "not_run": {}},
        })  # fmt: skip

    def test_the_verdict(self):
        good = self.record()
        assert (good["holds"], good["outputs"], good["numpy_outputs"], good["library_outputs"]) == (True, 9, 4, 5)
        assert hardware_dot.verdict(good).startswith("HOLDS: 0 mismatches, 9 outputs, 1 instructions")

    @pytest.mark.parametrize(
        "change",
        [
            {"mismatches": 1},
            {"explained": 4},
            {"not_run": {"x": "why"}},
            {"controls": {"one step": {"outputs": 9, "mismatches": 0}}},
        ],
    )
    def test_anything_amiss_turns_it_red(self, change):
        bad = self.record(**change)
        assert bad["holds"] is False
        assert hardware_dot.verdict(bad).startswith("FAILS")

    def test_nothing_done_does_not_hold(self):
        assert hardware_dot.summary({"mma": {"done": {}, "not_run": {}}})["holds"] is False
