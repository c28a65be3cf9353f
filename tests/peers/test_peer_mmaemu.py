"""mmaemu 0.1.0 (Hopper's FP8 product as cuBLAS forms it) against `kernels_ref.matmul`; mmaemu may be absent.

Sums are equal bit for bit, NaN included. One disagreement is known: mmaemu's 16-bit results have the NaN with every
bit below the sign set, ours the canonical quiet one of `reference.encode`.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from formats import Schedule
from kernels_ref.dot_operands import dot_operands
from kernels_ref.matmul import matmul

torch = pytest.importorskip("torch")
mmaemu = pytest.importorskip("mmaemu")
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore:mmaemu split-K")]

DTYPES = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
PAIRS = list(itertools.product(DTYPES, repeat=2))
LENGTH, BATCH = 640, 15  # K of five tiles, so that three slices are not alike; every family once


def tensor(codes, kind):
    return torch.from_numpy(np.ascontiguousarray(codes)).view(DTYPES[kind])


def operands(a, b, seed=0):
    name = f"hopper.wgmma.k32.f32.{a}.{b}"
    return name, dot_operands(name, rows=5, columns=16, k=LENGTH, batch=BATCH, seed=seed)


def sliced(slices):
    return Schedule(order="natural", slices=slices, tile=128, combine="in_order") if slices > 1 else None


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_accumulate(a, b, fast, slices):
    name, found = operands(a, b)
    rule = name if fast else f"{name}.promote128"
    ours = np.asarray(matmul(found.a, found.b, accumulator=rule, schedule=sliced(slices)))
    split = (slices, "contiguous") if slices > 1 else 1
    for i in range(BATCH):
        x, y = tensor(found.a[i], a), tensor(found.b[i].T, b)
        theirs = mmaemu.accumulate(x, y, use_fast_accum=fast, splitk=split).numpy().view(np.uint32)
        np.testing.assert_array_equal(ours[i], theirs, err_msg=found.families[i])


OUTPUTS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NANS = {"float32": (0x7FFFFFFF, 0x7FFFFFFF), "bfloat16": (0x7FC0, 0x7FFF), "float16": (0x7E00, 0x7FFF)}  # ours, theirs


@pytest.mark.parametrize("out", OUTPUTS)
@pytest.mark.parametrize("scales", [(0.37, 1.9), (1e-20, 3e-22), (1e20, 1e18)])
def test_scaled_results(out, scales):
    """alpha is the product of the scales, rounded; a result below 32 bits is rounded twice."""
    name, found = operands("e4m3", "e4m3")
    alpha = np.float32(scales[0]) * np.float32(scales[1])
    policy = {"out": out, "rounding": "nearest_ties_to_even", "saturation": "sat_none"} if out != "float32" else {}
    ours = np.asarray(matmul(found.a, found.b, accumulator=name, alpha=alpha, **policy))
    for i in range(BATCH):
        x, y = tensor(found.a[i], "e4m3"), tensor(found.b[i].T, "e4m3").t()
        factors = [torch.tensor(scale, dtype=torch.float32) for scale in scales]
        theirs = mmaemu.scaled_mm(x, y, *factors, out_dtype=OUTPUTS[out], use_fast_accum=True, splitk=1)
        bits = theirs.view(torch.int32 if out == "float32" else torch.int16).numpy()
        theirs, nan = bits.view(ours.dtype), ours[i] == NANS[out][0]
        np.testing.assert_array_equal(ours[i][~nan], theirs[~nan], err_msg=found.families[i])
        assert set(theirs[nan]) <= {NANS[out][1]}
    assert (ours == NANS[out][0]).any()


def test_a_difference_would_be_seen():
    name, found = operands("e4m3", "e5m2")
    ours = np.asarray(matmul(found.a[1], found.b[1], accumulator=f"{name}.promote128"))
    x, y = tensor(found.a[1], "e4m3"), tensor(found.b[1].T, "e5m2")
    theirs = mmaemu.accumulate(x, y, use_fast_accum=True, splitk=1).numpy().view(np.uint32)
    assert (ours != theirs).any()
