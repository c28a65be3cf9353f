"""What every process of the run is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes of the run; `tiny` ones are for the interpreter."""

    interpret: bool = False
    seed: int = 0
    weights: str = ""  #: an .npz of real weights and activations, see `kernels.real`
    m: int = 256  #: rows of activations verified, of which kernels take the first ones
    n: int = 4096
    k: int = 4096
    rows: tuple[int, ...] = (1, 8, 16, 64, 256)
    large: tuple[int, int] = (28672, 8192)  #: N, K of the timed products
    small: tuple[int, int] = (4096, 4096)
    cube: int = 8192
    plane: tuple[int, int] = (8192, 16384)  #: of element and block kernels
    copied: int = 1 << 29  #: elements of the copy that is the ceiling

    def plane_of(self, name: str) -> tuple[int, int]:
        """The plane of a contract: rows of whole bytes where five codes share one."""
        m, k = self.plane
        return m, k - k % 5 if "base3" in name else k

    @staticmethod
    def tiny(**changes: object) -> Settings:
        """For the interpreter."""
        small: dict[str, object] = {
            "interpret": True, "m": 16, "n": 256, "k": 512, "rows": (1, 16), "large": (256, 512), "small": (128, 256),
            "cube": 256, "plane": (64, 512), "copied": 1 << 16,
        }  # fmt: skip
        return Settings.from_json(json.dumps({**small, **changes}))

    @staticmethod
    def from_json(text: str) -> Settings:
        """Fields that are not named keep their defaults."""
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
        return Settings(**given)

    def to_json(self) -> str:
        """All fields."""
        return json.dumps(asdict(self))
