"""What the JSON files beside a checkpoint say about its quantisation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

#: file, and the keys of it that hold the statements; "" for the file itself
_PLACES = (
    ("config.json", ("quantization_config", "compression_config")),
    ("quantize_config.json", ("",)),
    ("quant_config.json", ("",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Statements about quantisation by key."""

    statements: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Which files were looked for, for people."""
        return " or ".join(name for name, _ in _PLACES)

    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """The extents of two-dimensional blocks that are stated: ``weight_block_size`` or ``block_structure``."""
        groups = self.statements.get("config_groups")
        schemes = list(cast(dict[str, Any], groups).values()) if isinstance(groups, dict) else []
        weights = [cast(Any, scheme).get("weights") for scheme in schemes if isinstance(scheme, dict)]
        found = [cast(Any, each).get("block_structure") for each in weights if isinstance(each, dict)]
        found.append(self.statements.get("weight_block_size"))
        return tuple(dict.fromkeys(tuple(each) for each in found if is_extents(each)))


def is_extents(found: Any) -> bool:
    """Whether a statement is a list of positive integers."""
    return isinstance(found, list) and all(type(extent) is int and extent > 0 for extent in cast(list[Any], found))


def config_beside(path: Path) -> Config:
    """What ``config.json``, ``quantize_config.json`` and ``quant_config.json`` in the file's folder say.

    The first that states a key counts. ``ValueError`` for a file that is no JSON object.
    """
    statements: dict[str, Any] = {}
    for name, keys in _PLACES:
        if (file := path.parent / name).is_file():
            content = _object(file)
            for key in keys:
                part = content.get(key) if key else content
                if isinstance(part, dict):
                    statements = {**cast(dict[str, Any], part), **statements}
    return Config(statements=statements)


def _object(file: Path) -> dict[str, Any]:
    try:
        content: Any = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds {type(content).__name__}, not an object")
    return cast(dict[str, Any], content)
