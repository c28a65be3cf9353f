"""The kept files of the digits networks, made anew: weights, table of layers, weights trained on for fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import analysis
from analysis.hawq.digits import MIXED, bits, table, traces
from analysis.networks.digits import digits
from analysis.networks.digits_resnet import Parameters, trained, trained_parameters
from analysis.networks.digits_training import fine_tune, train
from analysis.progress import Progress

FOLDER = Path(analysis.__file__).parent
SEED = 0
#: networks that are trained on from the float one
TUNED = ("int4", *MIXED)
#: hears of progress, of what
Bar = Callable[[str], Progress]


def make_float(bar: Bar) -> None:
    """Train the float network."""
    save("float", train(SEED, digits(), progress=bar("float")))


def make_table(bar: Bar) -> None:
    """Estimate the sensitivities of the kept float network."""
    network = trained("float")
    found = table(network, traces(network, digits(), progress=bar("sensitivity")))
    (FOLDER / "hawq" / "data" / "digits_resnet.csv").write_text(found, encoding="utf-8")


def make_tuned(name: str, bar: Bar) -> None:
    """Train the kept float network on with the bits of ``name``."""
    start = trained_parameters("float")
    save(name, fine_tune(start, bits(name), SEED, digits(), progress=bar(name)))


def save(name: str, parameters: Parameters) -> None:
    """Write parameters, rounded to float16. Raises ``ValueError`` where one overflows."""
    halves: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float16]]] = {}
    for key, values in parameters.items():
        if not np.abs(values).max() < 65520:
            raise ValueError(f"{key} of {name!r} reaches {np.abs(values).max()}; float16 ends at 65504")
        halves[key] = values.astype(np.float16)
    np.savez(FOLDER / "networks" / "data" / f"digits_resnet_{name}.npz", allow_pickle=False, **halves)
