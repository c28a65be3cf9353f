"""All probes in turn, on every live backend."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import jax

from analysis.doctor import gpu_kernels, isolated, machine, numpy_casts, self_check, xla_arithmetic, xla_casts
from analysis.doctor.finding import Finding, Probe

ON_HOST: tuple[Probe, ...] = (
    *isolated.PROBES,
    *machine.PROBES,
    *numpy_casts.PROBES,
    *gpu_kernels.PROBES,
    *self_check.HOST,
)
ON_DEVICE: tuple[Probe, ...] = (*xla_arithmetic.PROBES, *xla_casts.PROBES, *self_check.DEVICE)
GROUPS = (
    machine.GROUP,
    numpy_casts.GROUP,
    xla_arithmetic.GROUP,
    xla_casts.GROUP,
    gpu_kernels.GROUP,
    self_check.GROUP,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What the doctor found."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every executor that there is was checked and gives the judge's results."""
        answers = {finding.answer for finding in self.findings if finding.group == self_check.GROUP}
        return "equal" in answers and answers <= {"equal", "absent"}

    def to_json(self) -> dict[str, Any]:
        """The record as JSON types."""
        return {"holds": self.holds, "findings": [asdict(finding) for finding in self.findings]}


def examine(progress: Callable[[str], None] = lambda name: None) -> Examination:
    """Measure everything, in seconds; ``progress`` hears the name of what is measured next.

    Nothing is assumed from versions: each finding is the outcome of an experiment that ran here and now, on the CPU
    and, where it computes in JAX, on each live backend.

    >>> [probe.name for probe in ON_DEVICE if probe.group == self_check.GROUP]  # what decides `Examination.holds`
    ['JAX']
    """
    with _plugin_errors_muted():
        backends = machine.backends()
    findings = machine.facts()
    for probe in ON_HOST:
        progress(probe.name)
        findings.append(probe.run())
    for backend, device in backends.items():
        with jax.default_device(device):
            for probe in ON_DEVICE:
                progress(f"{probe.name} ({backend})")
                findings.append(probe.run(backend))
    return Examination(findings=tuple(sorted(findings, key=lambda finding: GROUPS.index(finding.group))))


@contextmanager
def _plugin_errors_muted() -> Generator[None]:
    """Keep JAX from printing the traceback of a plug-in that does not load: that is a finding of its own."""
    logger, handler = logging.getLogger("jax._src.xla_bridge"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
