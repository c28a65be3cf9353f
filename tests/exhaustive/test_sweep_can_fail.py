"""A fault planted in any one of the executors, or in the judge, turns its cells red."""

from __future__ import annotations

import numpy as np
import pytest

import kernels_ref
import reference
from analysis.sweep import Cell, folding, run
from formats import Rounding, Saturation
from reference import exact
from reference.array import codec, table

pytestmark = pytest.mark.exhaustive

POLICY = {"rounding": Rounding.NEAREST_TIES_TO_EVEN, "saturation": Saturation.SAT_FINITE}
CODES = Cell(kind="codes", fmt="float4_e2m1fn")
CLASSES = Cell(kind="classes", fmt="float4_e2m1fn", **POLICY)
SIXTEEN = Cell(kind="sixteen", fmt="float4_e2m1fn", **POLICY)
RANDOM = Cell(kind="stochastic", fmt="float4_e2m1fn", rounding=Rounding.STOCHASTIC_B, saturation=Saturation.SAT_FINITE)
ENCODING = [CLASSES, SIXTEEN, RANDOM]


def one_wrong(function, position):
    """The function with one element of its result off by its last bit."""

    def wrong(*arguments, **options):
        result = np.array(function(*arguments, **options))
        bits = result.reshape(-1).view(f"u{result.dtype.itemsize}")
        bits[position] ^= 1
        return result

    return wrong


def assert_red(cell, mismatches, label):
    outcome = run(cell)
    assert outcome.mismatches == mismatches
    assert outcome.first.startswith(label)


@pytest.mark.parametrize("cell", [CODES, *ENCODING], ids=lambda cell: cell.kind)
def test_without_a_fault_it_is_green(cell):
    assert run(cell).mismatches == 0


@pytest.mark.parametrize("position", [0, 12345, -1])
@pytest.mark.parametrize("cell", [SIXTEEN, RANDOM], ids=lambda cell: cell.kind)
def test_numpy_encode(monkeypatch, cell, position):
    monkeypatch.setattr(reference, "encode", one_wrong(reference.encode, position))
    assert_red(cell, 2, "NumPy from float16")


@pytest.mark.parametrize("position", [0, 12345, -1])
@pytest.mark.parametrize("cell", [SIXTEEN, RANDOM], ids=lambda cell: cell.kind)
def test_jax_encode(monkeypatch, cell, position):
    monkeypatch.setattr(kernels_ref, "encode", one_wrong(kernels_ref.encode, position))
    assert_red(cell, 2, "JAX from float16")


def test_jax_encode_of_float32(monkeypatch):
    monkeypatch.setattr(kernels_ref, "encode", one_wrong(kernels_ref.encode, 99))
    assert_red(CLASSES, 2, "JAX from float32")


@pytest.mark.parametrize("position", [0, 77, -1])
def test_golden_table(monkeypatch, position):
    monkeypatch.setattr(table, "encode_table", one_wrong(table.encode_table, position))
    outcome = run(CLASSES)
    assert outcome.mismatches == 1 + position % 2  # a class with an odd index has two ends
    assert outcome.first.startswith("golden table")


def test_golden_code(monkeypatch):
    right, wrong = codec.encode, one_wrong(codec.encode, 5)

    def wrong_in_numpy(x, request, xp, *arguments, **options):
        return (wrong if xp is np else right)(x, request, xp, *arguments, **options)

    table.encode_table.cache_clear()
    monkeypatch.setattr(codec, "encode", wrong_in_numpy)
    outcome = run(CLASSES)
    table.encode_table.cache_clear()
    assert outcome.mismatches > 2  # the table comes from this code


@pytest.mark.parametrize("cell", ENCODING, ids=lambda cell: cell.kind)
def test_judge_of_encode(monkeypatch, cell):
    def wrong(value, *arguments, **options):
        return judge(value, *arguments, **options) ^ (value == 0.75)

    judge = exact.encode
    monkeypatch.setattr(exact, "encode", wrong)
    assert run(cell).mismatches >= 3


@pytest.mark.parametrize(
    ("module", "label"), [(reference, "NumPy decode"), (kernels_ref, "JAX decode")], ids=["numpy", "jax"]
)
def test_decode(monkeypatch, module, label):
    monkeypatch.setattr(module, "decode", one_wrong(module.decode, 3))
    assert run(CODES).first.startswith(label)


def test_judge_of_decode(monkeypatch):
    judge = exact.decode
    monkeypatch.setattr(exact, "decode", lambda code, spec: -judge(code, spec) if code == 8 else judge(code, spec))
    outcome = run(CODES)
    assert outcome.first.startswith("NumPy decode: input np.uint8(8)")  # +0 where -0 is due


@pytest.mark.parametrize(
    ("module", "label"), [(reference, "NumPy encode of decode"), (kernels_ref, "JAX encode of decode")]
)
def test_way_back(monkeypatch, module, label):
    monkeypatch.setattr(module, "encode", one_wrong(module.encode, 3))
    assert_red(CODES, 1, label)


@pytest.mark.parametrize("block", [0, 700, 1023])
def test_fold(monkeypatch, block):
    def green():
        return folding.fold(5, lambda fraction: None, [block])

    assert green().mismatches == 0
    monkeypatch.setattr(table, "fold", one_wrong(table.fold, 4321))
    outcome = green()
    assert (outcome.compared, outcome.mismatches) == (1 << 22, 1)
    assert outcome.first.startswith(f"fold to 5 bits: input np.uint32({(block << 22) + 4321})")
