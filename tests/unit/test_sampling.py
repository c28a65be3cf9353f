"""The sample of tests: n days run each test once, kernels for GPUs every day, and a wrong share is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from sampling import is_left_whole, parts_of, sample, slice_of

ROOT = Path(__file__).parents[2]
HERE = "tests/unit/test_sampling.py"


def stand_in(nodeid, marker=None):
    return SimpleNamespace(nodeid=nodeid, get_closest_marker=lambda name: marker if name == "skipif" else None)


MADE = [
    *(stand_in(f"tests/unit/test_codec.py::test_decode[{n}]") for n in range(997)),
    *(stand_in(f"tests/kernels/test_verifier.py::test_equal[{n}]") for n in range(50)),
    *(stand_in(f"tests/unit/test_doctor.py::test_gpu[{n}]", marker=object()) for n in range(50)),
    stand_in("kernels_ref/pallas.py::kernels_ref.pallas.pallas"),
]


@pytest.mark.parametrize(
    ("nodeid", "whole"),
    [
        ("tests/kernels/test_mosaic_kernel.py::test_equal", True),
        ("tests/kernels/test_a_new_file.py::test_equal", True),
        ("tests/kernels/test_matmul_jax_door.py::test_equal", False),
        ("kernels_ref/hopper/scaled_matmul.py::kernels_ref.hopper.scaled_matmul", True),
        ("kernels_ref/matmul.py::kernels_ref.matmul.matmul", False),
        ("tests/peers/test_disagreements.py::test_example[ml_dtypes: any]", True),
        ("tests/unit/test_codec.py::test_decode", False),
    ],
)
def test_what_needs_the_newest_jax_is_left_whole(nodeid, whole):
    assert is_left_whole(stand_in(nodeid)) is whole
    assert is_left_whole(stand_in(nodeid, marker=object()))


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 7])
def test_each_test_has_one_day_of_n_and_kernels_have_all(parts, request):
    """Of made-up tests, and of those that this very run has."""
    for items in (MADE, request.session.items):
        days = [sample(items, parts, day) for day in range(20000, 20000 + parts)]
        counted = Counter(id(item) for day in days for item in day)
        assert counted == {id(item): parts if is_left_whole(item) else 1 for item in items}
        places = {id(item): place for place, item in enumerate(items)}
        assert all(day == sorted(day, key=lambda item: places[id(item)]) for day in days)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_slices_are_of_about_one_size(parts):
    """997 independent names: five standard deviations of a binomial."""
    sizes = Counter(slice_of(item.nodeid, parts) for item in MADE[:997])
    spread = (997 * (1 / parts) * (1 - 1 / parts)) ** 0.5
    assert all(abs(sizes[part] - 997 / parts) < 5 * spread for part in range(parts))


def test_a_name_has_its_slice_everywhere():
    """SHA-256 of "abc", FIPS 180-4's example, ends in 15ad."""
    assert slice_of("abc", 1 << 16) == 0x15AD


@pytest.mark.parametrize("share", ["1", "1/0", "2/3", "1/-3", "0.5", "1/3 ", "whole"])
def test_wrong_share(share):
    with pytest.raises(pytest.UsageError, match="accepted: 1/n with n at least 1"):
        parts_of(share)


def collected(**environment):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-n", "0", HERE]
    given = {**os.environ, "PYTEST_ADDOPTS": "", **environment}
    return subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, check=False)


def test_pytest_runs_the_sample_that_the_environment_asks_for():
    counts = []
    for day in ("0", "1", "whole"):
        done = collected(ASSAY_SAMPLE="1/2", ASSAY_ROTATION=day)
        assert done.returncode == 0, done.stdout + done.stderr
        (line,) = done.stdout.split("\n")[:1]
        counts.append(int(line.removeprefix(f"{HERE}: ")))
    assert min(counts) > 0
    assert counts[0] + counts[1] == counts[2]


@pytest.mark.parametrize("day", ["0", "whole"])
def test_pytest_refuses_a_wrong_share(day):
    done = collected(ASSAY_SAMPLE="2/3", ASSAY_ROTATION=day)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ASSAY_SAMPLE=2/3; accepted: 1/n" in done.stderr
