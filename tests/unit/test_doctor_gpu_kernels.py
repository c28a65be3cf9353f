"""`assay doctor` on GPU kernels: what runs and what compiles, on machines that have a GPU or a compiler or neither."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from analysis.doctor import examination, gpu_kernels
from kernels_ref.hopper import aot
from kernels_ref.hopper.ptx_case import Case
from kernels_ref.hopper.ptx_catalogue import FAMILIES, Family
from kernels_ref.hopper.ptx_lint import Claims

OLD = jax.__version_info__ < (0, 11, 2)
MOSAIC = [family.kernel for family in FAMILIES if not family.by_xla]
needs_compiler = pytest.mark.skipif(bool(aot.missing()), reason=aot.missing() or "it is here")


def measured(name):
    (probe,) = (probe for probe in gpu_kernels.PROBES if probe.name == name)
    return probe.run()


def test_the_probes_are_among_those_of_the_doctor():
    assert all(probe in examination.ON_HOST for probe in gpu_kernels.PROBES)
    assert gpu_kernels.GROUP in examination.GROUPS


def test_mosaic_is_there_from_the_version_on_that_has_it():
    found = measured("Mosaic GPU")
    assert found.answer == ("missing" if OLD else "there")
    assert jax.__version__ in found.detail


@needs_compiler
def test_the_compiler_is_tried():
    found = measured("compiler for Hopper")
    assert found.answer == "works"
    assert found.detail.startswith("body_mosaic_gpu_kernel for h100: ")


def test_a_missing_compiler_comes_with_the_pip_command(monkeypatch):
    monkeypatch.setattr(aot, "missing", lambda: "pip install it")
    assert (measured("compiler for Hopper").answer, measured("compiler for Hopper").detail) == (
        "missing",
        "pip install it",
    )
    found = measured("kernels that compile")
    assert found.answer == "none"
    assert all(family.kernel in found.detail for family in FAMILIES)


@pytest.mark.parametrize(
    ("device", "answer", "runs"),
    [
        (None, "none", "only interpreted"),
        (SimpleNamespace(device_kind="NVIDIA H100", compute_capability="9.0"), "Hopper", "all"),
        (SimpleNamespace(device_kind="NVIDIA A100", compute_capability="8.0"), "another", "only interpreted"),
        (SimpleNamespace(device_kind="AMD Instinct"), "another", "only interpreted"),
    ],
)
def test_gpus_are_told_apart(device, answer, runs, monkeypatch):
    monkeypatch.setattr(gpu_kernels, "backends", lambda: {"cpu": None} | ({"gpu": device} if device else {}))
    monkeypatch.setattr(gpu_kernels, "is_available", lambda: True)
    found, running = measured("GPU"), measured("kernels that run")
    assert (found.answer, running.answer) == (answer, runs)
    if device:
        assert device.device_kind in found.detail
    if runs != "all":
        assert all(kernel in running.detail for kernel in MOSAIC)


def test_an_old_jax_runs_no_mosaic_kernel(monkeypatch):
    monkeypatch.setattr(gpu_kernels, "is_available", lambda: False)
    found = measured("kernels that run")
    assert (found.answer, found.meaning) == ("not these", "these need a newer jax")
    assert all(kernel in found.detail for kernel in MOSAIC)


def family(name, function):
    shape = jax.ShapeDtypeStruct((8,), jnp.float32)
    return Family(kernel=name, cases=lambda: [Case(name=name, program=lambda: (function, (shape,)), claims=Claims())])


@needs_compiler
def test_kernels_that_break_a_claim_or_are_refused_are_named(monkeypatch):
    families = family("good", lambda x: x + 1), family("bad", lambda x: x / (x + 1)), family("ugly", lambda x: x.no)
    monkeypatch.setattr(gpu_kernels, "FAMILIES", families[:1])
    assert measured("kernels that compile").answer == "all"
    monkeypatch.setattr(gpu_kernels, "FAMILIES", families)
    found = measured("kernels that compile")
    assert found.answer == "not these"
    assert found.detail.startswith("bad: inexact division: 1 found, 0 claimed")
    assert "; ugly: AttributeError: " in found.detail
    assert "good" not in found.detail
