"""Shared set-up: hypothesis profiles, the CI rotation and its sample of tests, one CPU backend for JAX."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import gpu_compiler
import hypothesis
import pytest
from rotation import INDEX, WHOLE
from sampling import PARTS, header, sample

os.environ.setdefault("JAX_PLATFORMS", "cpu")

hypothesis.settings.register_profile("dev", max_examples=100, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_configure(config: pytest.Config) -> None:
    if wrong := gpu_compiler.complaint(gpu_compiler.installed()):
        raise pytest.UsageError(wrong)


def pytest_report_header(config: pytest.Config) -> list[str]:
    today = "assay rotation: whole" if WHOLE else f"assay rotation: {INDEX} (ASSAY_ROTATION={INDEX} repeats it)"
    return [today, header(), gpu_compiler.header(gpu_compiler.installed())]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Modules and tests stay to the end: to look for garbage among them is a quarter of their collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    due = sample(items, PARTS, INDEX)
    if len(due) < len(items):
        config.hook.pytest_deselected(items=list(set(items) - set(due)))
        items[:] = due
