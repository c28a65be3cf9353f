"""What every process of the run is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from kernels_ref.contracts.products import STREAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes of the run; `tiny` ones are for the interpreter."""

    interpret: bool = False
    seed: int = 0
    join: str = "kernel"  #: how the streaming kernel adds the parts of a tile: see `kernels_ref.hopper.Variant`
    dense: bool = True  #: whether the dense kernels are run
    weights: str = ""  #: an .npz of real weights and activations, see `kernels.real`
    golden: str = "xla"  #: what computes all that products are verified against: ``xla``, or ``numpy`` for small sizes
    m: int = 256  #: rows of activations verified, of which kernels take the first ones
    n: int = 2176  #: 17 tiles, so that runs of units end inside tiles
    k: int = 2048
    batches: tuple[int, ...] = (1, 16, 64, 256)  #: rows of activations of the kernels that are verified
    rows: tuple[int, ...] = (1, 8, 16, 64)  #: and timed
    long: int = 256  #: rows of the dense kernels, of W4A8 and of XLA's products besides
    large: tuple[int, int] = (28672, 8192)  #: N, K of the timed products
    small: tuple[int, int] = (4096, 4096)
    cube: int = 8192
    plane: tuple[int, int] = (8192, 16384)  #: of element and block kernels that are timed
    plane_rows: int = 8192  #: and rows of it when they are verified
    copied: int = 1 << 29  #: elements of the copy that is the ceiling

    def variant(self, way: str) -> Any:
        """The layout of a kernel where it is not to choose for itself."""
        if way != STREAMED:
            return None
        from kernels_ref.hopper import Variant

        return Variant(join=self.join)

    def plane_of(self, name: str, rows: int | None = None) -> tuple[int, int]:
        """The plane of a contract: rows of whole bytes where five codes share one."""
        m, k = rows or self.plane[0], self.plane[1]
        return m, k - k % 5 if "base3" in name else k

    @staticmethod
    def tiny(**changes: object) -> Settings:
        """For the interpreter."""
        small: dict[str, object] = {
            "interpret": True,
            "join": "planes",
            "m": 16,
            "n": 256,
            "k": 512,
            "batches": (1, 16),
            "rows": (1, 16),
            "long": 16,
            "large": (256, 512),
            "small": (128, 256),
            "cube": 256,
            "plane": (128, 512),
            "plane_rows": 128,
            "copied": 1 << 16,
        }
        return Settings.from_json(json.dumps({**small, **changes}))

    @staticmethod
    def from_json(text: str) -> Settings:
        """Fields that are not named keep their defaults."""
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
        return Settings(**given)

    def to_json(self) -> str:
        """All fields."""
        return json.dumps(asdict(self))
