"""The verifier: right kernels hold, wrong ones fail and say where, and a comparison that cannot fail says so."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from rotation import rotate

import formats
import kernels_ref
import reference
from kernels_ref import mutate
from kernels_ref.mutate import FAULTS, Case
from reference import exact

RNE = {"rounding": "nearest_ties_to_even", "saturation": "sat_finite"}


def contract(fmt="float8_e4m3fn", dtype="float16", **policy):
    return kernels_ref.encode_contract(fmt, dtype=dtype, **{**RNE, "nan": "zero", **policy})


def golden(c):
    return lambda x, random_bits=None: c.expected(x, random_bits)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "uint16", "int32", "uint64"])
@pytest.mark.parametrize("fmt", ["float8_e4m3fn", "float8_e8m0fnu", "float4_e2m1fn", "int4", "uint1", "Binary8p3se"])
def test_the_golden_model_holds_and_every_fault_is_noticed(fmt, dtype):
    c = contract(fmt, dtype)
    report = kernels_ref.verify(golden(c), c)
    assert report.holds, str(report)
    assert report.compared == c.inputs(0).size
    assert {fault.name for fault in report.faults} == set(FAULTS)


@pytest.mark.parametrize("fmt", rotate(formats.names(), 8))
def test_default_inputs_notice_every_fault_on_every_format(fmt):
    c = contract(fmt)
    assert kernels_ref.verify(golden(c), c).missed == ()


@pytest.mark.parametrize("rounding", formats.Rounding)
@pytest.mark.parametrize("fmt", ["float8_e5m2", "int8"])
def test_every_policy_has_a_contract_that_holds(fmt, rounding):
    for saturation in formats.get(fmt).saturations:
        count = {"random_bit_count": 6} if rounding.is_stochastic else {}
        c = contract(fmt, rounding=rounding, saturation=saturation, **count)
        assert kernels_ref.verify(golden(c), c).holds
        noticed = {fault.name: fault.noticed for fault in kernels_ref.verify(golden(c), c).faults}
        assert noticed["wrong rounding"] > 0
        assert noticed["wrong saturation"] > 0


def test_without_a_nan_rule_the_inputs_hold_none():
    for saturation, left_out in (("sat_finite", "NaN"), ("wrap", "NaN and infinities")):
        c = contract("int8", "bfloat16", nan=None, saturation=saturation)
        report = kernels_ref.verify(golden(c), c)
        assert report.holds
        assert f"without {left_out} (no rule stated)" in report.inputs


def test_jax_holds():
    c = contract("float6_e3m2fn", "bfloat16")
    assert kernels_ref.verify(lambda x: kernels_ref.encode(x, "float6_e3m2fn", **RNE, nan="zero"), c).holds


def test_the_first_mismatch_is_decoded():
    x = np.array([[1.0, 1.0], [1.0625, -0.5]], np.float32)
    c = contract(dtype="float32")
    report = kernels_ref.verify(lambda v: reference.encode(v, "e4m3fn", **{**RNE, "rounding": "to_odd"}), c, inputs=x)
    first = report.first
    assert (report.mismatches, report.compared, first.index) == (1, 4, (1, 0))
    assert (first.input_hexadecimal, first.input_value) == ("0x3f880000", "1.0625")
    assert str(first.expected) == "0x38 [0 0111 000] = 1"
    assert str(first.actual) == "0x39 [0 0111 001] = 9/8 = 1.125"
    assert str(report).startswith("FAILS encode float32 -> float8_e4m3fn (nearest_ties_to_even, sat_finite, nan=zero)")
    assert "1 of 4 elements differ" in str(report)


def test_an_input_set_without_ties_is_inconclusive():
    c = contract(dtype="float32")
    report = kernels_ref.verify(golden(c), c, inputs=np.ones(5, np.float32))
    assert (report.equal, report.holds) == (True, False)
    assert report.missed == ("wrong rounding", "wrong saturation", "flushed subnormals")
    assert str(report).startswith("INCONCLUSIVE")


def test_nothing_to_compare_does_not_hold():
    c = contract()
    report = kernels_ref.verify(golden(c), c, inputs=np.empty((0, 3), np.float16))
    assert (report.holds, report.compared) == (False, 0)
    assert str(report).startswith("EMPTY")


@pytest.mark.parametrize(
    ("wrong", "complaint", "mismatches"),
    [
        (lambda codes: codes[:-3], "codes have shape (97,), due is (100,)", 3),
        (lambda codes: np.append(codes, 0).astype(np.uint8), "codes have shape (101,), due is (100,)", 0),
        (lambda codes: codes[:, None], "codes have shape (100, 1), due is (100,)", 0),
        (lambda codes: codes.astype(np.int32), "codes have dtype int32, due is uint8", 0),
        (lambda codes: codes.astype(np.float32), "codes have dtype float32, due is uint8", 100),
        (lambda codes: None, "codes have dtype object, due is uint8", 100),
        (lambda codes: [[1], [2, 3]], "the output is no array", 100),
    ],
)
def test_wrong_forms_are_findings(wrong, complaint, mismatches):
    c = contract("float4_e2m1fn")
    report = kernels_ref.verify(lambda x: wrong(c.expected(x, None)), c, inputs=np.ones(100, np.float16))
    assert any(text.startswith(complaint) for text in report.complaints), report.complaints
    assert (report.holds, report.mismatches) == (False, mismatches)


def test_codes_that_the_format_does_not_have_are_mismatches():
    c = contract("float4_e2m1fn")
    report = kernels_ref.verify(lambda x: c.expected(x, None).astype(np.int16) | -16, c)
    assert report.mismatches == report.compared
    assert "no code of float4_e2m1fn (0..0xf)" in str(report.first)


def test_the_subject_cannot_change_what_it_is_judged_by():
    def overwrites(x):
        x[:] = 0
        return np.zeros(x.shape, np.uint8)

    assert not kernels_ref.verify(overwrites, contract()).equal


def test_inputs_of_another_dtype_are_refused():
    with pytest.raises(TypeError, match="inputs have dtype float64, but the contract says float16"):
        kernels_ref.verify(golden(contract()), contract(), inputs=[1.0])


def test_the_report_is_json():
    c = contract("int4", rounding="stochastic_b", random_bit_count=3)
    content = json.loads(kernels_ref.verify(lambda x, r: c.expected(x, r) ^ 1, c, seed=7).to_json())
    assert (content["holds"], content["seed"], content["compared"]) == (False, 7, content["mismatches"])
    assert 0 <= content["first"]["random_bits"] < 8
    assert content["coverage"]["expected"] == 16


def test_the_seed_repeats_the_report():
    c = contract(rounding="stochastic_a", random_bit_count=4)
    one, two = (kernels_ref.verify(lambda x, r: c.expected(x, r) & 0xFE, c, seed=5) for _ in range(2))
    assert one == two
    assert kernels_ref.verify(lambda x, r: c.expected(x, r) & 0xFE, c, seed=6).first != one.first


def test_the_report_agrees_with_the_judge():
    c = contract("Binary4p2uf", "bfloat16", rounding="to_odd")
    report = kernels_ref.verify(lambda x: c.expected(x, None) ^ np.uint8(1), c)
    value = float.fromhex(float(report.first.input_value).hex())
    ruling = exact.encode(value, "Binary4p2uf", rounding="to_odd", saturation="sat_finite", nan="zero")
    assert report.first.expected.code == ruling
    assert report.complaints == ()


class TestRecordedFiles:
    def test_a_right_recording_holds(self, tmp_path):
        c = contract(dtype="bfloat16")
        x = c.inputs(1)
        np.savez(tmp_path / "run.npz", x=x.view(np.uint16), codes=c.expected(x, None))
        report = kernels_ref.verify(tmp_path / "run.npz", c)
        assert report.holds
        assert report.inputs == "recorded"

    def test_random_bits_are_read(self, tmp_path):
        c = contract(rounding="stochastic_c", random_bit_count=9)
        x = c.inputs(1).reshape(-1, 1)
        bits = c.random_bits(x.shape, 1)
        np.savez(tmp_path / "run.npz", x=x, random_bits=bits, codes=c.expected(x, bits))
        assert kernels_ref.verify(str(tmp_path / "run.npz"), c).holds

    def test_a_missing_tail_is_found(self, tmp_path):
        c = contract()
        x = c.inputs(1)
        np.savez(tmp_path / "run.npz", x=x, codes=c.expected(x, None)[:-1])
        report = kernels_ref.verify(tmp_path / "run.npz", c)
        assert report.mismatches == 1
        assert "no integer code" in str(report)

    def test_missing_arrays_are_named(self, tmp_path):
        np.savez(tmp_path / "run.npz", inputs=np.zeros(2))
        with pytest.raises(
            ValueError, match=r"holds arrays \['inputs'\]; this contract needs exactly \['codes', 'x'\]"
        ):
            kernels_ref.verify(tmp_path / "run.npz", contract())

    def test_another_dtype_is_named(self, tmp_path):
        np.savez(tmp_path / "run.npz", x=np.zeros(2), codes=np.zeros(2, np.uint8))
        with pytest.raises(TypeError, match="x has dtype float64, but the contract says float16"):
            kernels_ref.verify(tmp_path / "run.npz", contract())

    def test_pickles_are_refused(self, tmp_path):
        np.savez(tmp_path / "run.npz", x=np.array([{}], object), codes=np.zeros(1, np.uint8))
        with pytest.raises(ValueError, match="cannot be read as plain arrays"):
            kernels_ref.verify(tmp_path / "run.npz", contract())

    @pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"PK\x03\x04" + bytes(40)])
    def test_other_files_are_refused(self, tmp_path, content):
        path = tmp_path / "run.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is no \.npz file"):
            kernels_ref.verify(path, contract())

    def test_a_truncated_array_is_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "run.npz", "w") as file:
            file.writestr("x.npy", b"\x93NUMPY\x01\x00")
        with pytest.raises(ValueError, match="cannot be read as plain arrays"):
            kernels_ref.verify(tmp_path / "run.npz", contract())

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ValueError, match=r"is no \.npz file"):
            kernels_ref.verify(tmp_path / "none.npz", contract())


@pytest.mark.parametrize("name", FAULTS)
def test_a_kernel_with_the_fault_fails(name):
    c = contract("Binary4p2se")

    def faulty(x):
        return FAULTS[name](Case(contract=c, x=x, random_bits=None, codes=c.expected(x, None), seed=0))

    report = kernels_ref.verify(faulty, c)
    assert not report.equal
    assert report.mismatches == next(fault.noticed for fault in report.faults if fault.name == name)


def test_faults_leave_the_right_codes_alone():
    c = contract("float4_e2m1fn")
    x = c.inputs(0)
    case = Case(contract=c, x=x, random_bits=None, codes=c.expected(x, None), seed=0)
    before = case.codes.copy()
    for fault in FAULTS.values():
        fault(case)
    np.testing.assert_array_equal(case.codes, before)
    assert (mutate.flipped_bit(case) != before).sum() == 1
    assert mutate.dropped_tail(case).size == before.size - 1
