"""The kernels for Hopper GPUs: what this machine can do with them, and what it cannot."""

from __future__ import annotations

from typing import Any

import jax

from analysis.doctor.finding import Probe
from analysis.doctor.machine import backends
from kernels_ref.hopper import aot
from kernels_ref.hopper.ptx_catalogue import FAMILIES, Family
from kernels_ref.hopper.ptx_lint import lint
from kernels_ref.pallas import OLDEST, is_available, pallas

GROUP = "GPU kernels"
#: compute capability of Hopper, as JAX gives it
HOPPER = "9.0"
_TARGET = "h100"


def mosaic() -> tuple[str, str]:
    """Whether this jax has Mosaic GPU, by importing it."""
    try:
        pallas()
    except ImportError as error:
        return "missing", str(error)
    return "there", f"jax {jax.__version__}; the kernels need {'.'.join(map(str, OLDEST))} or newer"


def compiler() -> tuple[str, str]:
    """The compiler for a described GPU, by the first kernel of the catalogue."""
    if reason := aot.missing():
        return "missing", reason
    (kernel, *_) = next(iter(FAMILIES[0].cases())).compiled(_TARGET).kernels
    registers = kernel.resources.registers if kernel.resources else "unknown"
    return "works", f"{kernel.name} for {_TARGET}: {registers} registers a thread"


def gpu() -> tuple[str, str]:
    """The GPU that JAX found, by its compute capability."""
    device: Any = backends().get("gpu")
    if device is None:
        return "none", "JAX has no GPU here"
    capability = str(getattr(device, "compute_capability", "unknown"))
    detail = f"{device.device_kind}, compute capability {capability}"
    return ("Hopper" if capability == HOPPER else "another"), detail


def running() -> tuple[str, str]:
    """Which kernels run here: those that XLA writes anywhere, Mosaic's on a Hopper GPU."""
    cannot = [family.kernel for family in FAMILIES if not family.by_xla]
    if not is_available():
        return "not these", f"{', '.join(cannot)}: this jax has no Mosaic GPU"
    kind, detail = gpu()
    if kind == "Hopper":
        return "all", detail
    return "only interpreted", f"{', '.join(cannot)}: {detail}"


def compiling() -> tuple[str, str]:
    """Which kernels compile here for an H100 and keep their claims: the first of each family is tried."""
    names = ", ".join(family.kernel for family in FAMILIES)
    if aot.missing():
        return "none", names
    faults = [f"{family.kernel}: {fault}" for family in FAMILIES if (fault := _fault(family))]
    return ("not these", "; ".join(faults)) if faults else ("all", names)


def _fault(family: Family) -> str:
    case = next(iter(family.cases()))
    try:
        return "; ".join(map(str, lint(case.compiled(_TARGET), case.claims)))
    except Exception as error:  # XLA, Mosaic and ptxas refuse by many classes
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


PROBES = (
    Probe(
        group=GROUP,
        name="Mosaic GPU",
        answers={
            "there": "Pallas kernels can be traced here, and interpreted on the CPU",
            "missing": "kernels written in Pallas refuse here; their golden models and JAX functions do not need it",
        },
        measure=mosaic,
    ),
    Probe(
        group=GROUP,
        name="compiler for Hopper",
        answers={
            "works": "kernels are compiled to machine code here, GPU or not: python -m kernels_ref.hopper.ptx_sweep",
            "missing": "kernels cannot be compiled for an H100 here; the tests that lint their code are skipped",
        },
        measure=compiler,
    ),
    Probe(
        group=GROUP,
        name="GPU",
        answers={
            "Hopper": "the one that the kernels are made for",
            "another": "the kernels use instructions of Hopper's, which this one has not: they do not run here",
            "none": "kernels for a GPU do not run here",
        },
        measure=gpu,
    ),
    Probe(
        group=GROUP,
        name="kernels that run",
        answers={
            "all": "every kernel can run here",
            "only interpreted": "these need a Hopper GPU; here they run with interpret=True, slowly",
            "not these": "these need a newer jax",
        },
        measure=running,
    ),
    Probe(
        group=GROUP,
        name="kernels that compile",
        answers={
            "all": "the first of each family compiles for an H100 and keeps its claims",
            "not these": "these do not compile or break a claim: please report it",
            "none": "none of these can be compiled here",
        },
        measure=compiling,
    ),
)
