"""What a reader gives back: tensors as stored, and what it left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from numpy.typing import NDArray

from reference.array.carrier import FLOAT_DTYPES

#: whether the tensor of this name was asked for
Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tensor:
    """A named array of float16, bfloat16, float32 or float64, of any shape, neither widened nor rounded.

    ``source`` says where it came from. NaN and infinity are allowed. Raises ``TypeError`` for any other dtype.

    >>> import numpy as np
    >>> Tensor(name="w", values=np.zeros((2, 3), np.float16), source="made here").values.shape
    (2, 3)
    """

    name: str
    values: NDArray[Any]
    source: str

    def __post_init__(self) -> None:
        if self.values.dtype.name not in FLOAT_DTYPES:
            accepted = ", ".join(FLOAT_DTYPES)
            raise TypeError(f"tensor {self.name!r} has dtype {self.values.dtype}; accepted: {accepted}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A tensor that the file holds and that was not loaded, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded(Sequence[Tensor]):
    """A sequence of tensors; ``skipped`` lists the rest of what was asked for."""

    tensors: tuple[Tensor, ...]
    skipped: tuple[Skipped, ...]

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, index: int | slice) -> Tensor | tuple[Tensor, ...]:
        return self.tensors[index]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)
