"""Dot products on a real H100, a small part; the long run is benchmarks/hardware_dot.py."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hardware.build import CompiledInstruction, build, nvcc
from hardware.comparison import Size, examine
from hardware.instructions import hopper
from hardware.models import on_numpy
from hardware.products import explain, measure
from rotation import rotate

from analysis.evidence import driver

pytestmark = [
    pytest.mark.hardware,
    pytest.mark.skipif(driver() is None or nvcc() is None, reason="no GPU, or no nvcc"),
]


def test_instructions_equal_the_golden_model(tmp_path):
    names = rotate(hopper(), 6)
    for name, library in build(names, tmp_path).items():
        assert isinstance(library, Path), library
        found = examine(name, CompiledInstruction(name, library), on_numpy, Size(batch=15, calls=1))
        assert found["mismatches"] == 0, found["cases"]
        assert all(control["mismatches"] for control in found["controls"].values()), found["controls"]


@pytest.mark.parametrize("library", ["torch", "triton"])
def test_library_products_are_explained(library):
    pytest.importorskip(library)
    for product in rotate(list(importlib.import_module(f"hardware.{library}_products").products()), 8):
        found = explain(measure(product), on_numpy)
        assert found["explained"] == found["outputs"], (product.label, found)
