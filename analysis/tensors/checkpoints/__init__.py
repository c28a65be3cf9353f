"""Quantised weights in safetensors files: which tensors belong together, and what their owner's library reads there."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from analysis.tensors.checkpoints import torchao
from analysis.tensors.checkpoints.config import config_beside
from analysis.tensors.checkpoints.group import Group
from analysis.tensors.checkpoints.owners import OWNERS
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.safetensors_file import Contents, contents
from analysis.tensors.tensor import Skipped

__all__ = ["Quantised", "groups", "quantised"]


def groups(file: Contents) -> Iterator[Group]:
    """The quantised weights of a file. ``ValueError`` if tensors are missing, or a weight is stored twice."""
    beside = functools.cache(lambda: config_beside(file.path))
    found = [group for owner in OWNERS for group in owner.groups(file, beside)] + list(torchao.groups(file, beside))
    seen: set[str] = set()
    for group in found:
        doubly = group.name in file.tensors and group.name not in group.names
        if group.name in seen or doubly:
            raise ValueError(f"{file.path} stores {group.name!r} twice, one of them as {', '.join(group.names)}")
        seen.add(group.name)
        yield group


def quantised(path: str | Path, *, names: str | None = None) -> dict[str, Quantised]:
    """The quantised weights of a safetensors file by name, as `Quantised`: codes, scales and how they decode.

    Read are GPTQ, AWQ, compressed-tensors, bitsandbytes of 4 bits, torchao's MX and NVFP4, gpt-oss' MXFP4 and
    DeepSeek's FP8; ``names`` is a glob for the weights' names. Weights of these owners in a form that is not read are
    left out: `analysis.tensors.load` lists them, with the reason.

    Raises ``ValueError`` if the file is damaged or its tensors contradict each other.

    >>> import numpy as np, safetensors.numpy, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> blocks, scales = np.full((2, 1, 16), 0x21, np.uint8), np.full((2, 1), 128, np.uint8)
    >>> stored = {"up_blocks": blocks, "up_scales": scales}
    >>> safetensors.numpy.save_file(stored, f"{folder.name}/model.safetensors")
    >>> weight = quantised(f"{folder.name}/model.safetensors")["up"]
    >>> weight.blocks.spec.name, weight.decoded()[0, :4].tolist()
    ('mxfp4', [1.0, 2.0, 1.0, 2.0])
    >>> folder.cleanup()
    """
    found = [group for group in groups(contents(Path(path))) if names is None or fnmatchcase(group.name, names)]
    weights = [group.quantised() for group in found]
    return {weight.name: weight for weight in weights if not isinstance(weight, Skipped)}
