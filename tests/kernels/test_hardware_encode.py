"""The benchmark that runs on a GPU, walked through in the interpreter: it writes its record and can turn red."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import formats

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "hardware_encode.py"
TINY = ["--formats", "float8_e4m3fn", "float4_e2m1fn", "--block", "8192", "--blocks", "2", "--passes", "1"]


def run(*arguments, code=None):
    program = [str(SCRIPT)] if code is None else ["-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(SCRIPT.parent)]), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, *program, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_without_a_gpu_it_says_so(tmp_path):
    result = run("--out", str(tmp_path / "record.json"))
    assert result.returncode == 2
    assert "no GPU: the backend is cpu" in result.stdout
    assert not (tmp_path / "record.json").exists()


@pytest.mark.skipif(jax.__version_info__ < (0, 11, 2), reason="Mosaic GPU kernels need jax >= 0.11.2")
class TestInterpreted:
    def test_it_holds_and_writes_the_record(self, tmp_path):
        path = tmp_path / "deep" / "record.json"
        result = run("--interpret", *TINY, "--out", str(path))
        assert result.returncode == 0, result.stdout + result.stderr
        record = json.loads(path.read_text())
        assert record["holds"] is True
        assert record["float32"]["elements"] == 2 * 3 * 8192
        assert record["further_modes"]["passes"] == 2
        assert record["planted_faults_noticed"] == {"wrong tie": True, "dropped tail": True, "flipped bit": True}
        specs = "\n".join(repr(formats.get(name)) for name in formats.names())
        assert record["spec_digest"] == hashlib.sha256(specs.encode()).hexdigest()

    def test_a_wrong_kernel_turns_it_red(self, tmp_path):
        path = tmp_path / "record.json"
        sabotage = (
            "import hardware_encode as h; right = h.mosaic.encode\n"
            "h.mosaic.encode = lambda x, *a, **k: right(x, *a, **k).at[-1].add(1)\n"
            "raise SystemExit(h.main())"
        )
        result = run("--interpret", *TINY, "--out", str(path), code=sabotage)
        assert result.returncode == 1, result.stdout + result.stderr
        record = json.loads(path.read_text())
        assert record["holds"] is False
        assert record["float32"]["mismatches"] == 6
        assert record["bfloat16"]["failures"] == [
            f"bfloat16 -> {name} nearest_ties_to_even sat_finite" for name in ("float8_e4m3fn", "float4_e2m1fn")
        ]
