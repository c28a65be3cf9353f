"""``assay compare`` takes quantised checkpoints as what they decode to."""

from __future__ import annotations

import numpy as np
import pandas as pd
from checkpoint_files import bitsandbytes, gptq, nvfp4, save
from typer.testing import CliRunner

from analysis import cli
from formats.code_books.named import codebook


def run(file, out):
    asked = ["compare", "--tensors", str(file), "--formats", "int4,float4_e2m1fn", "--granularities", "channel,group16"]
    return CliRunner().invoke(cli.app, [*asked, "--scales", "absmax", "--out", str(out)])


def compared(file, out):
    result = run(file, out)
    assert result.exit_code == 0, result.output
    return pd.read_parquet(out / "compare.parquet")


def test_the_table_is_that_of_the_decoded_weights(tmp_path):
    stored, due = gptq(np.random.default_rng(0), 4, act_order=True)
    path = save(tmp_path, stored | {"ids": np.arange(4)}, {"checkpoint_format": "gptq"})
    np.savez(tmp_path / "decoded.npz", **{"up.weight": due})
    table = compared(path, tmp_path / "out")
    pd.testing.assert_frame_equal(table, compared(tmp_path / "decoded.npz", tmp_path / "same"))
    assert set(table["tensor"]) == {"up.weight"}
    page = (tmp_path / "out" / "compare.html").read_text("utf-8")
    assert "dtype I64, not one of F16, BF16, F32, F64" in page
    assert "qweight" not in page


def test_weights_of_two_owners(tmp_path):
    random = np.random.default_rng(0)
    nf4 = np.array([float(codebook("nf4").fraction(code)) for code in range(16)], np.float32)
    down = {name.replace("up", "down", 1): a for name, a in bitsandbytes(random, nf4, shape=(8, 64))[0].items()}
    table = compared(save(tmp_path, nvfp4(random)[0] | down), tmp_path / "out")
    assert set(table["tensor"]) == {"up.weight", "down.weight"}
    assert set(table["shape"]) == {"8x64"}


def test_a_contradiction_is_named(tmp_path):
    stored, _ = nvfp4(np.random.default_rng(0))
    del stored["up.weight_global_scale"]
    result = run(save(tmp_path, stored), tmp_path / "out")
    assert isinstance(result.exception, ValueError)  # `cli.main` prints it and exits with 2
    assert "'up.weight_packed' has scales of E4M3 and no weight_global_scale beside it" in str(result.exception)
