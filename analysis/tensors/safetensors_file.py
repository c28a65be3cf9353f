"""Safetensors, parsed and validated by its own library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from analysis.tensors.tensor import Skipped, Tensor, Wanted

_LOADED = ("F16", "BF16", "F32", "F64")


class _Slice(Protocol):
    def get_dtype(self) -> str: ...


class _File(Protocol):
    """What of ``safe_open``'s result is used: the library declares no types for it."""

    def keys(self) -> list[str]: ...
    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> NDArray[Any]: ...


def read(path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]:
    """The wanted tensors; ``ValueError`` if the library refuses the file.

    Source: https://github.com/huggingface/safetensors#format
    """
    try:
        with cast(AbstractContextManager[_File], safe_open(path, framework="np")) as file:
            for name in filter(wanted, file.keys()):
                dtype = file.get_slice(name).get_dtype()
                if dtype in _LOADED:
                    yield Tensor(name=name, values=file.get_tensor(name), source=str(path))
                else:
                    yield Skipped(name=name, reason=f"dtype {dtype}, not one of {', '.join(_LOADED)}")
    except SafetensorError as error:
        raise ValueError(f"{path} is not valid safetensors: {error}") from error
