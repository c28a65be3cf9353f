"""Kernels compiled by nvcc, loaded by ctypes, called with arrays of codes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware import fragments
from hardware.instructions import instruction, source

NVCC = ("-O2", "-std=c++17", "-shared", "-Xcompiler", "-fPIC", "-gencode", "arch=compute_90a,code=sm_90a")


def nvcc() -> str | None:
    """The compiler, if it is installed."""
    usual = Path("/usr/local/cuda/bin/nvcc")
    return shutil.which("nvcc") or (str(usual) if usual.exists() else None)


def build(names: list[str], folder: Path, *, files: int = 8) -> dict[str, Path | str]:
    """Where each instruction's library lies, or what the compiler said; compiled a few instructions to a file."""
    groups = [names[i::files] for i in range(files) if names[i::files]]
    with ThreadPoolExecutor(len(groups)) as pool:
        built = pool.map(lambda pair: _compile(pair[1], folder / f"part{pair[0]}.cu"), enumerate(groups))
        return {name: result for group, result in zip(groups, built, strict=True) for name in group}


def _compile(names: list[str], path: Path) -> Path | str:
    compiler = nvcc()
    if compiler is None:
        raise FileNotFoundError("nvcc is not installed; the CUDA toolkit 13.0 has it")
    path.write_text(source(names))
    library = path.with_suffix(".so")
    done = subprocess.run([compiler, *NVCC, str(path), "-o", str(library)], capture_output=True, text=True, check=False)
    return library if done.returncode == 0 else done.stderr[-2000:]


class CompiledInstruction:
    """``d = a b + c`` by one instruction on the device; a callable on codes."""

    def __init__(self, name: str, library: Path) -> None:
        self.instruction = instruction(name)
        self._library = ctypes.CDLL(str(library))
        self._library.error_text.restype = ctypes.c_char_p
        self._call = getattr(self._library, self.instruction.symbol)

    def __call__(self, a: Any, b: Any, c: Any, *, use_c: bool = True) -> NDArray[np.unsignedinteger]:
        """a: (batch, rows, K), b: (batch, K, columns), c: (batch, rows, columns); 64 divides rows, 8 columns."""
        accumulator = self.instruction.accumulator
        assert accumulator.a is not None
        assert accumulator.b is not None
        left = fragments.words(a, accumulator.a)
        right = fragments.words(np.swapaxes(b, 1, 2), accumulator.b)
        start = np.ascontiguousarray(c, dtype=fragments.cell(accumulator.output))
        d = np.empty_like(start)
        arrays = (ctypes.c_void_p(array.ctypes.data) for array in (left, right, start, d))
        status = self._call(*arrays, *start.shape, left.shape[-1], int(use_c))
        if status:
            raise RuntimeError(f"{self.instruction.name}: {self._library.error_text(status).decode()}")
        return d
