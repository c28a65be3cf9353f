"""Kernels compiled for a GPU that is not there, and linted: a slice of the catalogue each day."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from rotation import rotate

from kernels_ref.hopper import aot, ptx_catalogue, ptx_sweep
from kernels_ref.hopper.ptx_case import Case
from kernels_ref.hopper.ptx_lint import Claims
from kernels_ref.hopper.ptx_text import threads
from kernels_ref.pallas import pallas

needs_compiler = pytest.mark.skipif(bool(aot.missing()), reason=aot.missing() or "it is here")

#: cases of each family that a day's run compiles
A_DAY = 2
X = jax.ShapeDtypeStruct((1024,), jnp.float32)


def slices():
    families = [list(family.cases()) for family in ptx_catalogue.FAMILIES]
    return [case for family in families for case in rotate(family, -(-len(family) // A_DAY))]


def doubling():
    plgpu, _ = pallas()

    def body(x, out):
        out[...] = x[...] * 2

    return plgpu.kernel(body, out_type=X)


@needs_compiler
@pytest.mark.parametrize("case", slices(), ids=lambda case: case.name)
def test_a_kernel_of_the_catalogue_compiles_and_keeps_its_claims(case):
    assert [str(violation) for violation in case.violations("h100")] == []


def test_cases_have_names_of_their_own():
    names = [case.name for case in ptx_catalogue.cases()]
    assert len(set(names)) == len(names)


@needs_compiler
@pytest.mark.parametrize("target", aot.TARGETS)
def test_a_mosaic_kernel_comes_with_its_ptx_and_report(target):
    compiled = aot.compile_for(target, doubling(), X)
    (kernel,) = compiled.kernels
    assert (compiled.target, kernel.name) == (target, "body_mosaic_gpu_kernel")
    assert ".target sm_90a" in kernel.ptx
    assert threads(kernel.ptx) == 128
    assert 0 < kernel.resources.registers < 64
    assert kernel.dynamic_shared == 0


@needs_compiler
def test_a_kernel_compiled_before_is_compiled_again():
    kernel = doubling()
    first, second = (aot.compile_for("h100", kernel, X).kernels for _ in range(2))
    assert [each.ptx for each in first] == [each.ptx for each in second] != []


@needs_compiler
def test_kernels_of_one_program_are_all_there_mosaic_first():
    def program(trees):
        return doubling()(trees["x"]) + jnp.sin(trees["y"]), doubling()(trees["y"])

    kernels = aot.compile_for("h100", program, {"x": X, "y": X}).kernels
    mosaic = [each for each in kernels if each.resources is not None]
    assert kernels[: len(mosaic)] == tuple(mosaic)
    assert {each.name for each in mosaic} == {"body_mosaic_gpu_kernel"}
    assert any("sin" in each.name or "add" in each.name for each in kernels[len(mosaic) :])


@needs_compiler
def test_shared_memory_asked_for_at_launch_is_counted():
    plgpu, _ = pallas()

    def body(x, out, scratch):
        scratch[...] = x[...]
        plgpu.commit_smem()
        out[...] = scratch[...]

    kernel = plgpu.kernel(body, out_type=X, scratch_types=[plgpu.SMEM((1024,), jnp.float32)])
    (compiled,) = aot.compile_for("h100", kernel, X).kernels
    assert compiled.dynamic_shared == 4096


@needs_compiler
def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("MOSAIC_GPU_DUMP_TO", "/nowhere")
    before = dict(os.environ)
    aot.compile_for("h100", doubling(), X)
    changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
    assert changed <= {"MOSAIC_GPU_CUDA_ROOT"}  # which Mosaic sets when it is imported


@needs_compiler
def test_without_a_word_on_platforms_the_plugin_is_started_all_the_same():
    """Then jax gives it up on a machine without cuDNN."""
    program = (
        "import jax; jax.devices(); from kernels_ref.hopper.aot import compile_for;"
        "print(len(compile_for('h100', lambda x: x + 1, jax.ShapeDtypeStruct((9,), 'float32')).kernels))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


@needs_compiler
def test_what_the_compiler_refuses_is_raised():
    def too_much(x, out, scratch):
        out[...] = x[...]

    plgpu, _ = pallas()
    kernel = plgpu.kernel(too_much, out_type=X, scratch_types=[plgpu.SMEM((1 << 20,), jnp.float32)])
    with pytest.raises(Exception, match=r"shared memory|SMEM|smem"):
        aot.compile_for("h100", kernel, X)


@needs_compiler
def test_a_program_without_kernels_is_refused():
    with pytest.raises(RuntimeError, match="the program has no kernel"):
        aot.compile_for("h100", lambda x: x, X)


@needs_compiler
def test_ptx_that_was_not_written_is_missed(tmp_path):
    with pytest.raises(RuntimeError, match="no PTX of a Mosaic kernel was written: unset JAX_COMPILATION_CACHE_DIR"):
        aot._kernels(tmp_path, calls_mosaic=True)


def test_other_targets_are_refused():
    with pytest.raises(ValueError, match="target must be one of h100, h200, not 'b200'"):
        aot.compile_for("b200", lambda x: x, X)


class TestMissing:
    @pytest.fixture(autouse=True)
    def anew(self):
        aot.sharding.cache_clear()
        yield
        aot.sharding.cache_clear()

    @pytest.mark.skipif(jax.__version_info__ >= (0, 11, 2), reason="this jax has Mosaic GPU")
    def test_an_old_jax_is_told_what_is_needed(self):
        assert "need jax >= 0.11.2, which needs Python >= 3.12; this is jax" in aot.missing()
        with pytest.raises(ImportError, match=r"need jax >= 0\.11\.2"):
            aot.compile_for("h100", lambda x: x + 1, X)

    @pytest.mark.skipif(jax.__version_info__ < (0, 11, 2), reason="an older jax is refused before")
    @pytest.mark.parametrize("version", ["", "0.1"])
    def test_missing_and_other_plugins_come_with_the_pip_command(self, version, monkeypatch):
        monkeypatch.setattr(aot, "_version", lambda name: version)
        packages = f"jax-cuda13-plugin=={jax.__version__} jax-cuda13-pjrt=={jax.__version__}"
        assert aot.missing().endswith(f"pip install --no-deps {packages}")
        assert (version or "is missing") in aot.missing()
        with pytest.raises(ImportError, match="pip install --no-deps jax-cuda13-plugin=="):
            aot.compile_for("h100", lambda x: x + 1, X)


def quotient():
    return Case(name="a quotient", program=lambda: (lambda x: x / (x + 1), (X,)), claims=Claims())


def refused():
    return Case(name="an unknown function", program=lambda: (lambda x: x.nothing, (X,)), claims=Claims())


def difference():
    return Case(name="a difference", program=lambda: (lambda x: x - 1, (X,)), claims=Claims())


class TestSweep:
    @needs_compiler
    def test_faults_are_printed_recorded_and_decide_the_exit_code(self, monkeypatch, capsys, tmp_path):
        monkeypatch.setattr(ptx_sweep, "cases", lambda: [quotient(), refused(), difference()])
        assert ptx_sweep.main(["--record", str(tmp_path / "record.json")]) == 1
        printed = capsys.readouterr().out
        assert "FAULT inexact division: 1 found, 0 claimed" in printed
        assert "FAULT not compiled: AttributeError: " in printed
        assert printed.endswith("3 compiled for h100, 2 with faults\n")
        record = json.loads((tmp_path / "record.json").read_text())
        assert (record["cases"], record["faulty"], record["target"]) == (3, 2, "h100")
        assert [len(each["faults"]) for each in record["outcomes"]] == [1, 1, 0]
        assert record["outcomes"][2]["kernels"][0]["threads"] > 0

    @needs_compiler
    def test_some_cases_by_name(self, monkeypatch, capsys):
        monkeypatch.setattr(ptx_sweep, "cases", lambda: [quotient(), difference()])
        assert ptx_sweep.main(["--only", "difference", "--target", "h200"]) == 0
        assert capsys.readouterr().out.endswith("1 compiled for h200, 0 with faults\n")

    @needs_compiler
    def test_a_name_that_is_nowhere(self, capsys):
        assert ptx_sweep.main(["--only", "no such kernel"]) == 2
        assert "no case has 'no such kernel' in its name" in capsys.readouterr().err

    def test_without_the_compiler(self, monkeypatch, capsys):
        monkeypatch.setattr(ptx_sweep, "missing", lambda: "pip install it")
        assert ptx_sweep.main([]) == 2
        assert capsys.readouterr().err == "pip install it\n"
