"""Which reader a file needs, told by its content, and what is refused."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol, cast

from rich.console import Console
from rich.progress import track

from analysis.tensors.npz_file import PICKLE
from analysis.tensors.tensor import Loaded, Skipped, Tensor, Wanted

#: kind of file -> its reader, imported on first use, and the suffix that decides where the content does not
_READERS = {
    "safetensors": ("safetensors_file", ".safetensors"),
    "GGUF": ("gguf_file", ".gguf"),
    ".npz": ("npz_file", ".npz"),
    "ONNX": ("onnx_file", ".onnx"),
    "CTranslate2 model.bin": ("ctranslate2_file", ""),
}
_NPY = "is a single .npy array; save it as .npz (numpy.savez)"


class _Reader(Protocol):
    def read(self, path: Path, wanted: Wanted) -> Iterator[Tensor | Skipped]: ...


def load(path: str | Path, *, names: str | None = None) -> Loaded:
    """The float tensors of a file, as stored; the result's ``skipped`` lists what else it holds, and why not.

    Accepted, by content: safetensors (quantised weights are decoded, see `quantised`), GGUF (quantised types are
    dequantised to float32), ``.npz``, ONNX, CTranslate2's ``model.bin``. Values may be read-only views of the file,
    which must then stay as it is. ``names`` is a glob (``fnmatch``, case counts) for the tensors' names; what does not
    match is neither loaded nor listed.

    Raises ``FileNotFoundError``, ``IsADirectoryError``, and ``ValueError`` for a pickle, an unknown kind of file, a
    damaged one, or a glob that nothing matches.

    >>> import numpy as np, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> np.savez(f"{folder.name}/weights.npz", up=np.ones((2, 3), np.float16), step=np.int64(7))
    >>> loaded = load(f"{folder.name}/weights.npz")
    >>> [(tensor.name, tensor.values.shape) for tensor in loaded], loaded.skipped[0].name
    ([('up', (2, 3))], 'step')
    >>> folder.cleanup()
    """
    path = Path(path)
    seen: list[str] = []

    def wanted(name: str) -> bool:
        seen.append(name)
        return names is None or fnmatchcase(name, names)

    entries = list(_tracked(_reader(path).read(path, wanted), path))
    if names is not None and not entries:
        raise ValueError(f"names={names!r} matches none of the {len(seen)} tensors in {path}: {_some(seen)}")
    tensors = tuple(entry for entry in entries if isinstance(entry, Tensor))
    return Loaded(tensors=tensors, skipped=tuple(entry for entry in entries if isinstance(entry, Skipped)))


def _tracked(entries: Iterator[Tensor | Skipped], path: Path) -> Iterable[Tensor | Skipped]:
    """The entries, with a bar on a terminal: dequantisation takes about ten seconds per 10^9 numbers."""
    console = Console(stderr=True)
    return track(entries, f"loading {path.name}", console=console, transient=True, disable=not console.is_terminal)


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _reader(path: Path) -> _Reader:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; name a file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise ValueError(f"{path} is not a regular file")
    module, _ = _READERS[_kind(path)]
    return cast(_Reader, importlib.import_module(f"analysis.tensors.{module}"))


def _kind(path: Path) -> str:
    """A key of the table of readers; ``ValueError`` says why there is none."""
    with path.open("rb") as file:
        head = file.read(16)
    if kind := _by_content(head):
        return kind
    if refusal := "is empty" if not head else PICKLE if _is_pickle(head) else _NPY if head[:6] == b"\x93NUMPY" else "":
        raise ValueError(f"{path} {refusal}")
    for kind, (_, suffix) in _READERS.items():
        if suffix and path.suffix == suffix:
            return kind
    raise ValueError(f"{path} is of no kind known here; accepted: {', '.join(_READERS)}")


def _is_pickle(head: bytes) -> bool:
    """Whether the content opens with a PROTO opcode, 2..5: older protocols have no such mark."""
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def _by_content(head: bytes) -> str | None:
    """The kind of file that begins with ``head``.

    Safetensors comes first: the length of its header is 64 bits, whose low ones may look like any other mark.
    """
    if head[4:9] == b"\0\0\0\0{":
        return "safetensors"
    if head[:4] == b"GGUF":
        return "GGUF"
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return ".npz"
    if head[:4] == b"\6\0\0\0":
        return "CTranslate2 model.bin"
    return "ONNX" if head[:1] == b"\x08" else None  # field 1, ir_version, comes first in every serialised model
