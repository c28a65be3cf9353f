"""The real networks that are shown layer by layer, each with integers of real pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.networks.calibration import calibrate
from analysis.networks.float_network import fold
from analysis.networks.quantised import quantise
from analysis.networks.schemes import Scheme
from reference.integer.network import Network
from reference.integer.run import quantise_input

Prepared = tuple[Network, NDArray[np.integer[Any]]]


def network_names() -> tuple[str, ...]:
    """The names that `prepared` knows.

    >>> network_names()
    ('digits', 'efficientnet-lite0')
    """
    return tuple(_NETWORKS)


def prepared(name: str, by: Scheme, count: int) -> Prepared:
    """An integer-only network and the integers of ``count`` pictures that it was not calibrated on.

    Raises ``KeyError`` for an unknown name, ``ValueError`` where there are not so many pictures.
    """
    if name not in _NETWORKS:
        raise KeyError(f"unknown network {name!r}; known: {', '.join(_NETWORKS)}")
    return _NETWORKS[name](by, count)


def _refuse(count: int, most: int, name: str) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"{count} pictures asked of {name}; 1 to {most} are accepted")


def _digits(by: Scheme, count: int) -> Prepared:
    from analysis.networks.digits import digits
    from analysis.networks.digits_resnet import trained

    data = digits()
    _refuse(count, len(data.held_out_x), "digits")
    folded = fold(trained("float"))
    network = quantise(folded, calibrate(folded, [data.train_x]), by)
    return network, quantise_input(data.held_out_x[:count], network.nodes[0].out)


def _efficientnet(by: Scheme, count: int) -> Prepared:
    from analysis.networks.efficientnet_comparison import EVALUATED, integer_efficientnet
    from analysis.networks.pictures import pictures

    _refuse(count, len(EVALUATED), "efficientnet-lite0")
    network = integer_efficientnet(by)
    return network, quantise_input(pictures(EVALUATED[:count]), network.nodes[0].out)


_NETWORKS: dict[str, Callable[[Scheme, int], Prepared]] = {"digits": _digits, "efficientnet-lite0": _efficientnet}
