"""Pairs of requantisers on a window of accumulators: how often they differ, and where first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from formats.integer_only.requantisers import requantisers
from formats.results import INT32
from reference.integer.requantise import requantise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: with ties, with many, with none, and just below one
RATIOS = (0.5, 0.25, 0.75, 3 * 2.0**-9, 0.007247427341846, 0.9999999)
REACH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two rules on the accumulators ``-reach .. reach``.

    ``differing``: on how many their integers differ; ``largest``: by how much at most; ``first``: the accumulator
    nearest to 0 where they do, and both integers, None where there is none.
    """

    rules: tuple[str, str]
    ratio: float
    compared: int
    differing: int
    largest: int
    first: tuple[int, int, int] | None


def compare_rules(first: str, second: str, ratio: float, *, reach: int = REACH) -> Difference:
    """How two rules differ on every accumulator up to ``reach`` in magnitude, without a zero point or a clamp.

    Raises ``ValueError`` where a rule does not take the ratio, ``OverflowError`` where an accumulator is too wide.

    >>> compare_rules("tflite_double_rounding", "tflite_single_rounding", 0.25).first
    (1, 1, 0)
    """
    x = _window(reach)
    return _difference((first, second), ratio, x, *(_integers(rule, ratio, x) for rule in (first, second)))


def matrix(rules: Sequence[str] | None = None, ratios: Sequence[float] = RATIOS, *, reach: int = REACH) -> pd.DataFrame:
    """The share of accumulators, over all ratios that both rules take, on which each pair of rules differs.

    >>> matrix(["tvm_upward", "tvm_tonearest"], [0.5], reach=4)  # -3/2 and -1/2 of nine
                   tvm_upward  tvm_tonearest
    tvm_upward       0.000000       0.222222
    tvm_tonearest    0.222222       0.000000
    """
    names, x = list(requantisers() if rules is None else rules), _window(reach)
    shares = np.full((len(names), len(names)), np.nan)
    integers = {(name, ratio): _taken(name, ratio, x) for name in names for ratio in ratios}
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            pairs = [(integers[one, ratio], integers[other, ratio]) for ratio in ratios]
            both = [float((a != b).mean()) for a, b in pairs if a is not None and b is not None]
            shares[i, j] = np.mean(both) if both else np.nan
    return pd.DataFrame(shares, index=pd.Index(names), columns=pd.Index(names))


def picture(shares: pd.DataFrame) -> Figure:
    """A matrix of `matrix` as a picture: dark where rules differ often."""
    from matplotlib.figure import Figure

    names = [str(name) for name in shares.columns]
    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots()  # pyright: ignore[reportUnknownMemberType]
    image = axes.imshow(100 * shares.to_numpy(), cmap="viridis_r")  # pyright: ignore[reportUnknownMemberType]
    axes.set_xticks(range(len(names)), names, rotation=90)  # pyright: ignore[reportUnknownMemberType]
    axes.set_yticks(range(len(names)), names)  # pyright: ignore[reportUnknownMemberType]
    figure.colorbar(image, label="accumulators that differ, %")  # pyright: ignore[reportUnknownMemberType]
    return figure


def _window(reach: int) -> NDArray[np.int32]:
    if not 1 <= reach < 1 << 20:
        raise ValueError(f"reach={reach} must lie in [1, 2^20)")
    return np.arange(-reach, reach + 1, dtype=np.int32)


def _integers(rule: str, ratio: float, x: NDArray[np.int32]) -> NDArray[np.int64]:
    return requantise(x, ratio, rule=rule, fmt=INT32).astype(np.int64)


def _taken(rule: str, ratio: float, x: NDArray[np.int32]) -> NDArray[np.int64] | None:
    try:
        return _integers(rule, ratio, x)
    except ValueError:  # a ratio that the rule does not take
        return None


def _difference(
    rules: tuple[str, str], ratio: float, x: NDArray[np.int32], a: NDArray[np.int64], b: NDArray[np.int64]
) -> Difference:
    places = np.flatnonzero(a != b)
    nearest = min(places.tolist(), key=lambda i: (abs(int(x[i])), int(x[i]) < 0), default=None)
    return Difference(
        rules=rules,
        ratio=ratio,
        compared=len(x),
        differing=len(places),
        largest=int(np.abs(a - b).max()),
        first=None if nearest is None else (int(x[nearest]), int(a[nearest]), int(b[nearest])),
    )
