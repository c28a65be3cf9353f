"""EfficientNet-Lite0 in integers against EfficientNet-Lite0 in float32, on real pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.networks.calibration import calibrate
from analysis.networks.efficientnet_lite0 import efficientnet_lite0
from analysis.networks.float_network import FloatNetwork, Floats, fold
from analysis.networks.float_run import run_float
from analysis.networks.pictures import EVALUATED, HELD_OUT, Picture, pictures
from analysis.networks.quantised import quantise
from analysis.networks.schemes import Scheme, scheme, scheme_names
from analysis.progress import Progress, bar, silent
from reference.integer.network import Network
from reference.integer.run import dequantise, quantise_input, run

#: integers in, integers out
Execute = Callable[[Network, NDArray[Any]], NDArray[Any]]
BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogitComparison:
    """Logits of two networks for the same pictures, each (pictures, classes)."""

    pictures: tuple[str, ...]
    exact: NDArray[Any]
    integer: NDArray[Any]

    @property
    def cosines(self) -> NDArray[np.float64]:
        """For each picture the cosine of the angle between its two rows of logits.

        Raises ``ValueError`` where all logits of a picture are 0, which make no angle.
        """
        a, b = np.asarray(self.exact, np.float64), np.asarray(self.integer, np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        if not lengths.all():
            raise ValueError(
                f"all logits of picture {self.pictures[int(lengths.argmin())]!r} are 0; they make no angle"
            )
        return (a * b).sum(1) / lengths

    @property
    def agreeing(self) -> int:
        """The number of pictures whose greatest logit is the same class's."""
        return int((self.exact.argmax(1) == self.integer.argmax(1)).sum())

    def text(self) -> str:
        """A line for each picture, and one for all."""
        classes = zip(self.exact.argmax(1), self.integer.argmax(1), strict=True)
        lines = [f"{'picture':<18} cosine  class: float, integers"]
        for name, cosine, (ours, theirs) in zip(self.pictures, self.cosines, classes, strict=True):
            lines.append(f"{name:<18} {cosine:7.4f} {ours:>12} {theirs:>9}{'' if ours == theirs else '  differs'}")
        count = len(self.pictures)
        lines.append(
            f"{count} pictures: cosine of the logits {self.cosines.mean():.4f} in the mean, {self.cosines.min():.4f} "
            f"at least; the same first class for {self.agreeing} of {count}"
        )
        return "\n".join(lines)


def integer_efficientnet(
    by: Scheme | str, *, calibration: Sequence[Picture] = HELD_OUT, progress: Progress = silent
) -> Network:
    """EfficientNet-Lite0, batch norms folded, calibrated on pictures by minimum and maximum, and quantised."""
    folded = fold(efficientnet_lite0())
    batches = [pictures([picture]) for picture in calibration]
    return quantise(folded, calibrate(folded, batches, progress=progress), by)


def compare_efficientnet(
    network: Network,
    chosen: Sequence[Picture] = EVALUATED,
    *,
    execute: Execute = run,
    progress: Progress = silent,
) -> LogitComparison:
    """The integer network's logits beside the float network's, which is not folded.

    ``execute``: what runs integers, the golden model or another executor; it takes eight pictures at a time.
    """
    exact = efficientnet_lite0()
    pairs: list[tuple[Floats, NDArray[Any]]] = []
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        progress(start, len(chosen), f"{batch[0].name} ... {batch[-1].name}")
        pairs.append(_logits(network, exact, pictures(batch), execute))
    progress(len(chosen), len(chosen), "compared")
    rows = [np.concatenate(column) for column in zip(*pairs, strict=True)]
    return LogitComparison(pictures=tuple(picture.name for picture in chosen), exact=rows[0], integer=rows[1])


def _logits(network: Network, exact: FloatNetwork, x: Floats, execute: Execute) -> tuple[Floats, NDArray[Any]]:
    q = execute(network, quantise_input(x, network.nodes[0].out))
    return run_float(exact, x), dequantise(q, network.output.out)


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m analysis.networks.efficientnet_lite0``: quantise, run both networks, print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.networks.efficientnet_lite0",
        description="EfficientNet-Lite0 in integers alone against float32, on 16 pictures of installed packages.",
        epilog="Example: python -m analysis.networks.efficientnet_lite0 --rule tflite_single_rounding",
    )
    parser.add_argument("--scheme", default="tflite_int8", choices=scheme_names(), help="(default: %(default)s)")
    parser.add_argument("--rule", help="of requantisation (default: the scheme's)")
    parser.add_argument("--addition", help="rule of residual sums (default: the scheme's)")
    parser.add_argument("--pictures", type=int, default=len(EVALUATED), help="only so many (default: all, %(default)s)")
    chosen = parser.parse_args(arguments)
    by = scheme(chosen.scheme, rule=chosen.rule, addition=chosen.addition)
    with bar("reading") as progress:
        network = integer_efficientnet(by, progress=progress)
        compared = compare_efficientnet(network, EVALUATED[: chosen.pictures], progress=progress)
    print(
        f"{by.name}, {by.rule}, sums by {by.addition}, calibrated on {len(HELD_OUT)} other pictures\n{compared.text()}"
    )
