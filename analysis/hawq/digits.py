"""HAWQ-V3 on the digits network: sensitivities, allocations, and the integer-only networks that follow."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files

import numpy as np
from jax import Array
from numpy.typing import NDArray

from analysis.hawq.allocation import Allocation, allocate
from analysis.hawq.layers import Cost, Layer, interpolated, total
from analysis.hawq.sensitivity import Trace, hessian_traces, weight_error
from analysis.networks.calibration import calibrate
from analysis.networks.digits import Digits
from analysis.networks.digits_resnet import trained
from analysis.networks.digits_training import cross_entropy
from analysis.networks.float_network import FloatConvolution, FloatNetwork, fold
from analysis.networks.float_run import evaluate, float_trace, parameters
from analysis.networks.quantised import quantise
from analysis.networks.schemes import scheme
from analysis.progress import Progress, silent
from reference.integer.network import Network
from reference.integer.run import quantise_input, run

#: training pictures that the Hessian's loss is over, and probes of it
PICTURES, PROBES = 512, 64
#: layers that read one integer tensor
TIES = ((2, 4), (5, 7))
#: mixed networks by the part of bit operations between 4 and 8 bits that they may have
MIXED = {"mixed_75": Fraction(3, 4), "mixed_50": Fraction(1, 2), "mixed_25": Fraction(1, 4)}
#: the rules of HAWQ-V3's PyTorch code, and of its TVM builds
FLAVOURS = ("hawq_v3_pytorch", "hawq_v3_tvm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Held-out digits that an integer-only network gets wrong, and what its weights and operations take."""

    name: str
    bits: str
    #: bytes, see `costs`
    size: float
    #: bit operations
    bops: float
    wrong: int
    #: of the network whose weights were not trained on for these bits
    wrong_untuned: int
    pictures: int
    #: pictures that the two flavours call different digits
    different: int

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * (1 - self.wrong / self.pictures)


def choices(network: FloatNetwork) -> list[FloatConvolution]:
    """The layers that get 4 bits or 8: all convolutions but the first."""
    return [node for node in network.weighted[1:] if isinstance(node, FloatConvolution)]


def traces(
    network: FloatNetwork, data: Digits, *, probes: int = PROBES, progress: Progress = silent
) -> dict[str, Trace]:
    """Traces of the Hessian of the training loss in the weights of `choices`, batch norms folded in."""
    folded = fold(network)
    given, last = parameters(folded), folded.nodes[-1].name

    def loss(weights: Mapping[str, Array], x: Array, y: Array) -> Array:
        changed = given | {name: given[name] | {"weight": weight} for name, weight in weights.items()}
        return cross_entropy(evaluate(folded, changed, x)[0][last], y)

    weights = {node.name: node.weight for node in choices(folded)}
    batch = data.train_x[:PICTURES], data.train_y[:PICTURES]
    return hessian_traces(loss, weights, *batch, probes=probes, seed=0, progress=progress)


def table(network: FloatNetwork, found: Mapping[str, Trace]) -> str:
    """The layers as text, for `layers`: decimal numbers, comma-separated."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(["layer", "mean_hessian_trace", "standard_error", "dw8_sq", "dw4_sq", "params", "macs"])
    outputs = float_trace(fold(network), np.zeros((1, 8, 8, 1)))
    for node in choices(fold(network)):
        one, area = found[node.name], outputs[node.name][..., 0].size
        errors = [f"{weight_error(node.weight, bits):.6g}" for bits in (8, 4)]
        size = node.weight.size
        write([node.name, f"{one.mean:.6g}", f"{one.standard_error / one.size:.2g}", *errors, size, size * area])
    return text.getvalue()


def layers() -> tuple[Layer, ...]:
    """What bits are allocated to, from the kept table of the float network's `traces` and errors.

    >>> [layer.name for layer in layers()][2:5]
    ['block2.conv1', 'block2.conv2', 'block2.shortcut']
    """
    text = (files("analysis.hawq") / "data" / "digits_resnet.csv").read_text(encoding="utf-8")
    return tuple(
        Layer(
            name=row["layer"],
            mean_trace=Fraction(row["mean_hessian_trace"]),
            error4=Fraction(row["dw4_sq"]),
            error8=Fraction(row["dw8_sq"]),
            parameters=Fraction(row["params"]),
            operations=Fraction(row["macs"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def allocation(f: Fraction, cost: Cost | str = Cost.BOPS) -> Allocation:
    """The optimum with the part ``f`` of the way from the cost of 4 bits everywhere to that of 8.

    >>> str(allocation(Fraction(1, 2)))
    '84848848'
    """
    return allocate(layers(), {cost: interpolated(layers(), cost, f)}, ties=TIES)  # pyright: ignore[reportArgumentType]


def bits(name: str) -> dict[str, int]:
    """Bits of each layer: of ``int8``, ``int4``, or one of `MIXED`."""
    names = [layer.name for layer in layers()]
    if name in ("int8", "int4"):
        return dict.fromkeys(names, int(name[-1]))
    if name not in MIXED:
        raise KeyError(f"unknown network {name!r}; known: int8, int4, {', '.join(MIXED)}")
    return dict(zip(names, allocation(MIXED[name]).bits, strict=True))


def costs(name: str) -> tuple[float, float]:
    """Bytes of the weights of the layers that have a choice, and their bit operations: products of both widths.

    >>> costs("int8")[0] / costs("int4")[0], costs("int8")[1] / costs("int4")[1]
    (2.0, 4.0)
    """
    chosen = list(bits(name).values())
    return float(total(layers(), Cost.SIZE, chosen)), float(total(layers(), Cost.BOPS, chosen))


def integer_network(name: str, data: Digits, *, flavour: str = FLAVOURS[0], tuned: bool = True) -> Network:
    """The integer-only network of `bits`, calibrated on all training pictures.

    ``tuned``: with weights that were trained on for these bits, where bits are not 8 everywhere.
    """
    network = fold(trained(name if tuned and name != "int8" else "float"))
    chosen = scheme("hawq_v3", bits=bits(name), rule=flavour, addition=flavour)
    return quantise(network, calibrate(network, [data.train_x]), chosen)


def predictions(network: Network, x: NDArray[np.float32]) -> NDArray[np.intp]:
    """The digits that an integer-only network sees, by the largest integer of its output."""
    return run(network, quantise_input(x, network.nodes[0].out)).argmax(-1)
