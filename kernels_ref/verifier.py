"""Compare a kernel's output with the golden model, every element, and show that the comparison can fail."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels_ref.contract import EncodeContract
from kernels_ref.landmarks import Values, dtype_of
from kernels_ref.mutate import FAULTS, Case, Codes
from kernels_ref.report import Coverage, Mismatch, PlantedFault, Report, decoded
from reference import exact

Subject = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a subject was given and what it returned."""

    subject: str
    inputs: str
    x: Values
    random_bits: NDArray[np.uint32] | None
    output: object


def verify(
    subject: Subject | str | Path, contract: EncodeContract, *, inputs: ArrayLike | None = None, seed: int = 0
) -> Report:
    """Judge a subject by its contract: every element compared, the first mismatch decoded, faults planted.

    Arguments:
        subject: a callable that maps an input array (and uint32 random bits of its shape, for a stochastic
            rounding) to codes; or the path of an ``.npz`` file with arrays ``x``, ``codes`` and, if drawn,
            ``random_bits``, where bfloat16 inputs lie as uint16 bit patterns.
        inputs: arrays of ``contract.dtype``, any shape; left out, `EncodeContract.inputs` draws them. A file brings
            its own.
        seed: for the order of drawn inputs, the random bits and the place of the flipped bit.

    A missing or extra element, a wrong dtype or a wrong shape is a finding in the report. An exception of the
    subject is the caller's to see. Raises ``TypeError`` or ``ValueError`` for wrong inputs and for files that are
    not such recordings.

    >>> from kernels_ref import encode_contract
    >>> contract = encode_contract("float4_e2m1fn", dtype="float16", rounding="toward_zero", saturation="sat_finite",
    ...                            nan="zero")
    >>> report = verify(lambda x: np.zeros(x.shape, np.uint8), contract, inputs=np.array([0.1, 2.5], np.float16))
    >>> report.holds, report.mismatches, str(report.first.expected)
    (False, 1, '0x4 [0 10 0] = 2')
    """
    recording = _load(Path(subject), contract) if not callable(subject) else _run(subject, contract, inputs, seed)
    x = recording.x.reshape(-1)
    random_bits = None if recording.random_bits is None else recording.random_bits.reshape(-1)
    expected = contract.expected(x, random_bits)
    case = Case(contract=contract, x=x, random_bits=random_bits, codes=expected, seed=seed)
    output, complaints = _received(recording.output, recording.x.shape, contract)
    wrong = differences(output, expected)
    return Report(
        contract=str(contract),
        subject=recording.subject,
        inputs=recording.inputs,
        seed=seed,
        compared=expected.size,
        mismatches=int(wrong.sum()),
        complaints=tuple(complaints + _judged(case, wrong)),
        first=_first(case, output, wrong, recording.x.shape),
        coverage=_coverage(case, output),
        faults=tuple(_plant(name, case) for name in FAULTS) if expected.size else (),
    )


def differences(output: NDArray[Any], expected: Codes) -> NDArray[np.bool_]:
    """Where ``output`` lacks the expected code; an element that is not there differs."""
    wrong = np.ones(expected.size, np.bool_)
    common = min(output.size, expected.size)
    wrong[:common] = output[:common] != expected[:common]
    return wrong


def _run(subject: Subject, contract: EncodeContract, inputs: ArrayLike | None, seed: int) -> Recording:
    x, text = (contract.inputs(seed), _drawn(contract, seed)) if inputs is None else (np.asarray(inputs), "given")
    if x.dtype != dtype_of(contract.dtype):
        raise TypeError(f"inputs have dtype {x.dtype.name}, but the contract says {contract.dtype}")
    random_bits = contract.random_bits(x.shape, seed)
    operands = [x.copy()] if random_bits is None else [x.copy(), random_bits.copy()]
    name = getattr(subject, "__qualname__", type(subject).__name__)
    return Recording(subject=name, inputs=text, x=x, random_bits=random_bits, output=subject(*operands))


def _drawn(contract: EncodeContract, seed: int) -> str:
    left_out = f", without {contract.excluded} (no rule stated)" if contract.excluded else ""
    return f"drawn with seed {seed}{left_out}"


def _load(path: Path, contract: EncodeContract) -> Recording:
    arrays = _arrays(path)
    wanted = ["codes", "random_bits", "x"] if contract.request.rounding.is_stochastic else ["codes", "x"]
    if sorted(arrays) != wanted:
        raise ValueError(f"{path} holds arrays {sorted(arrays)}; this contract needs exactly {wanted}")
    x, kind = arrays["x"], dtype_of(contract.dtype)
    if contract.dtype == "bfloat16" and x.dtype in (np.dtype(np.uint16), np.dtype("V2")):
        x = x.view(kind)
    if x.dtype != kind:
        raise TypeError(f"{path}: x has dtype {x.dtype.name}, but the contract says {contract.dtype}")
    bits = arrays.get("random_bits")
    if bits is not None and bits.shape != x.shape:
        raise ValueError(f"{path}: random_bits have shape {bits.shape}, x has {x.shape}")
    return Recording(subject=str(path), inputs="recorded", x=x, random_bits=bits, output=arrays["codes"])


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file, without pickle; ``ValueError`` for anything else."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz file (a zip of .npy arrays); write one with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as plain arrays: {error}") from error


def _received(output: object, shape: tuple[int, ...], contract: EncodeContract) -> tuple[NDArray[Any], list[str]]:
    """The output as a flat array of integers (empty if it is none), and what is wrong with its form."""
    try:
        array = np.asarray(output)
    except ValueError as error:
        return np.array([], np.uint8), [f"the output is no array: {error}"]
    complaints: list[str] = []
    if array.dtype != contract.code_dtype:
        complaints.append(f"codes have dtype {array.dtype.name}, due is {contract.code_dtype.name}")
    if array.shape != shape:
        complaints.append(f"codes have shape {array.shape}, due is {shape}")
    integral = array.dtype.kind in "iu"
    return (array.reshape(-1) if integral else np.array([], np.uint8)), complaints


def _judged(case: Case, wrong: NDArray[np.bool_]) -> list[str]:
    """Asks the exact judge about the first mismatch, so that the golden model is not believed unheard."""
    if not wrong.any():
        return []
    at = int(wrong.argmax())
    request = case.contract.request
    ruling = exact.encode(
        _exactly(case.x[at]),
        request.spec,
        rounding=request.rounding,
        saturation=request.saturation,
        nan=request.nan,
        random_bits=None if case.random_bits is None else int(case.random_bits[at]),
        random_bit_count=request.random_bit_count or None,
    )
    return [] if ruling == case.codes[at] else [f"judge and golden model disagree: {ruling:#x}, {case.codes[at]:#x}"]


def _exactly(value: Any) -> int | float:
    return int(value) if value.dtype.kind in "iu" else float(value)


def _first(case: Case, output: NDArray[Any], wrong: NDArray[np.bool_], shape: tuple[int, ...]) -> Mismatch | None:
    if not wrong.any():
        return None
    at, spec = int(wrong.argmax()), case.contract.spec
    x = case.x[at : at + 1]
    bits = int(x.view(f"u{x.dtype.itemsize}")[0])
    return Mismatch(
        index=tuple(int(i) for i in np.unravel_index(at, shape)),
        input_hexadecimal=f"{bits:#0{2 + 2 * x.dtype.itemsize}x}",
        input_value=repr(_exactly(x[0])),
        random_bits=None if case.random_bits is None else int(case.random_bits[at]),
        expected=decoded(int(case.codes[at]), spec),
        actual=decoded(int(output[at]), spec) if at < output.size else None,
    )


def _coverage(case: Case, output: NDArray[Any]) -> Coverage:
    spec, expected = case.contract.spec, np.unique(case.codes)
    walked = range(1 << spec.bits) if spec.bits <= 8 else range(0)
    return Coverage(
        codes=1 << spec.bits,
        expected=expected.size,
        produced=np.unique(output).size,
        never_expected=tuple(code for code in walked if code not in expected),
    )


def _plant(name: str, case: Case) -> PlantedFault:
    noticed = int(differences(FAULTS[name](case), case.codes).sum())
    return PlantedFault(name=name, noticed=noticed, applies=noticed > 0 or _applies(name, case))


def _applies(name: str, case: Case) -> bool:
    """Whether a fault that went unnoticed would show on the contract's own inputs."""
    contract = case.contract
    x = contract.inputs(case.seed)
    random_bits = contract.random_bits(x.shape, case.seed)
    codes = contract.expected(x, random_bits)
    full = Case(contract=contract, x=x, random_bits=random_bits, codes=codes, seed=case.seed)
    return bool(differences(FAULTS[name](full), codes).any())
