"""A compiler for GPUs of another version than jaxlib stops the run: jax would ignore it, and its tests be skipped."""

from __future__ import annotations

import gpu_compiler
import pytest

PLUGIN, PJRT = gpu_compiler.PACKAGES


@pytest.mark.parametrize(
    "versions",
    [
        {"jaxlib": "0.11.2"},
        {"jaxlib": "0.11.2", PLUGIN: "0.11.2", PJRT: "0.11.2"},
    ],
)
def test_none_or_both_of_one_version(versions):
    assert gpu_compiler.complaint(versions) is None


@pytest.mark.parametrize(
    ("compiler", "stated"),
    [
        ({PLUGIN: "0.11.1", PJRT: "0.11.1"}, "jax-cuda13-plugin 0.11.1, jax-cuda13-pjrt 0.11.1, jaxlib 0.11.2;"),
        ({PLUGIN: "0.11.2", PJRT: "0.12.0"}, "jax-cuda13-plugin 0.11.2, jax-cuda13-pjrt 0.12.0, jaxlib 0.11.2;"),
        ({PLUGIN: "0.11.2"}, "jax-cuda13-plugin 0.11.2, jax-cuda13-pjrt absent, jaxlib 0.11.2;"),
    ],
)
def test_another_version_is_named(compiler, stated):
    found = gpu_compiler.complaint({"jaxlib": "0.11.2", **compiler})
    assert found == f"{stated} accepted: all of one version (make aot)"


def test_header():
    assert gpu_compiler.header({"jaxlib": "0.11.2"}).endswith("none, kernels are not compiled (make aot)")
    assert gpu_compiler.header({PLUGIN: "0.11.2"}).endswith("0.11.2")


def test_what_is_installed_here():
    assert set(gpu_compiler.installed()) >= {"jaxlib"}
