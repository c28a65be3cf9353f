"""A daily slice of the exhaustive sweep: the same cells that ``assay sweep`` walks.

The slices are sized for a CI run; ``ASSAY_ROTATION=whole`` takes every cell, which is what the command is for.
"""

from __future__ import annotations

import numpy as np
import pytest
from rotation import WHOLE, rotate

import formats
import kernels_ref
import reference
from analysis.sweep import cells, folding, run
from analysis.sweep.encoding import class_ends
from reference.array import table

pytestmark = pytest.mark.exhaustive

PARTS = {"codes": 1, "classes": 131, "sixteen": 139, "stochastic": 137}
TODAY = [cell for kind, parts in PARTS.items() for cell in rotate([*cells(kind)], parts)]
WIDTHS = sorted({table.kept(formats.get(name)) for name in formats.names() if formats.get(name).bits <= 8})
RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite", "nan": "zero"}


@pytest.mark.parametrize("cell", TODAY, ids=lambda cell: cell.name)
def test_cell(cell):
    outcome = run(cell)
    assert outcome.compared > 0
    assert outcome.mismatches == 0, outcome.first


@pytest.mark.skipif(not WHOLE, reason="a minute a width; today's blocks are below")
@pytest.mark.parametrize("cell", [*cells("fold")], ids=lambda cell: cell.name)
def test_whole_fold(cell):
    outcome = run(cell)
    assert (outcome.compared, outcome.mismatches) == (1 << 32, 0), outcome.first


@pytest.mark.parametrize("kept", WIDTHS)
def test_fold_of_todays_blocks(kept):
    outcome = folding.fold(kept, lambda fraction: None, rotate(folding.BLOCKS, 256))
    assert (outcome.compared % (1 << 22), outcome.mismatches) == (0, 0), outcome.first
    assert outcome.compared > 0


@pytest.mark.parametrize("kept", WIDTHS)
def test_fold_definition(kept):
    """The expectation above, said otherwise: the leading bits, whose last is set if any dropped one is."""
    bits = np.random.default_rng(kept).integers(0, 1 << 32, 1 << 16, dtype=np.uint32)
    leading, dropped = bits >> np.uint32(23 - kept), bits % np.uint32(1 << (23 - kept))
    np.testing.assert_array_equal(table.fold(bits, 23 - kept), leading | (dropped != 0))


@pytest.mark.parametrize("kept", WIDTHS)
def test_class_ends_are_the_ends(kept):
    """Both ends of every class fold into it, and what lies beside them does not."""
    first, last = class_ends(kept)
    index = np.arange(1 << (9 + kept), dtype=np.uint32)
    np.testing.assert_array_equal(table.fold(first, 23 - kept), index)
    np.testing.assert_array_equal(table.fold(last, 23 - kept), index[1::2])
    np.testing.assert_array_equal(last[:-1] + 1, first[2::2])
    np.testing.assert_array_equal(first[1::2] - 1, first[::2])


@pytest.mark.parametrize("name", rotate(["float8_e4m3fn", "float8_e8m0fnu", "float4_e2m1fn", "Binary8p1uf", "int8"], 2))
def test_float32_blocks(name):
    """2^22 consecutive float32 patterns, several times: NumPy = JAX."""
    for block in rotate(folding.BLOCKS, 256):
        x = np.arange(block << 22, (block + 1) << 22, dtype=np.uint32).view(np.float32)
        codes = np.asarray(kernels_ref.encode(x, name, **RNE))
        assert np.array_equal(codes, reference.encode(x, name, **RNE))
