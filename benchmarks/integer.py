"""Speed of integer-only networks in JAX as ratios to the same networks in float32, measured in the same run.

    python benchmarks/integer.py                 # two minutes
    python benchmarks/integer.py --quick         # EfficientNet-Lite0 on one picture, half a minute
    python benchmarks/integer.py --seconds 30 --record benchmarks/records/cpu_integer.json

A ratio is the float network's time over the integer-only one's, above 1 where the integers are the faster. The digits
network runs against JAX's own float32 convolutions (NHWC, jitted, batch norms folded), EfficientNet-Lite0 on 16
pictures of 224 by 224 against ONNX Runtime's float32 with its defaults. Each takes NHWC arrays in memory; ONNX
Runtime turns them to NCHW within the model. ``--strict`` makes the exit status 1 if a ratio misses its target.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
from targets import Result, conclude, heard, parser, show
from timing import side_by_side

from analysis.export.float_onnx import to_float_onnx
from analysis.networks.calibration import calibrate
from analysis.networks.digits_resnet import trained
from analysis.networks.efficientnet_lite0 import efficientnet_lite0
from analysis.networks.float_network import FloatNetwork, fold
from analysis.networks.float_run import evaluate, parameters
from analysis.networks.quantised import quantise
from kernels_ref.integer.audit import audit
from kernels_ref.integer.network import compile_network
from reference.integer.network import Network
from reference.integer.run import quantise_input

Picture = np.ndarray[Any, np.dtype[np.float32]]

DIGITS, PICTURES, QUICK_PICTURES = 256, 16, 1
#: the integers no slower than the floats, and no more than five times as slow
NO_SLOWER, FIVE_TIMES = 1.0, 0.2
SCHEMES = ("tflite_int8", "hawq_v3")


def main() -> int:
    made = parser(__doc__, seconds=10.0)
    made.add_argument("--quick", action="store_true", help="one picture instead of 16")
    options = made.parse_args()
    counted: dict[str, Any] = {}

    def counting() -> Iterator[Result]:
        for result, network in measurements(options):
            counted[result.what] = contents(network)
            yield result

    results = list(heard(counting()))
    show(results, "integer-only networks on this CPU")
    return conclude(results, options, {"quick": options.quick, "audit": counted})


def measurements(options: argparse.Namespace) -> Iterator[tuple[Result, Network]]:
    for scheme in SCHEMES:
        yield digits(scheme, options.seconds)
    yield pictures(QUICK_PICTURES if options.quick else PICTURES, options.seconds)


def digits(scheme: str, seconds: float) -> tuple[Result, Network]:
    floats = fold(trained("float"))
    x = np.random.default_rng(0).random((DIGITS, 8, 8, 1), np.float32)
    network = quantise(floats, calibrate(floats, [x]), scheme)
    ratio = measured(network, x, in_jax(floats, x), seconds)
    return Result(f"digits network, {scheme}, batch {DIGITS}", "JAX float32", ratio, NO_SLOWER), network


def pictures(count: int, seconds: float) -> tuple[Result, Network]:
    floats = fold(efficientnet_lite0())
    x = (np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3)).astype(np.float32) - 127) / 128
    network = quantise(floats, calibrate(floats, [x[:4]]), "tflite_int8")
    ratio = measured(network, x, in_onnx_runtime(floats, x), seconds)
    return Result(f"EfficientNet-Lite0, tflite_int8, batch {count}", "ONNX Runtime", ratio, FIVE_TIMES), network


def measured(network: Network, x: Picture, peer: Callable[[], object], seconds: float) -> float:
    """The peer's time over that of the integer-only network."""
    run = compile_network(network)
    integers = jnp.asarray(quantise_input(x, network.nodes[0].out))
    best = side_by_side({"integer": lambda: run(integers).block_until_ready(), "peer": peer}, seconds=seconds)
    return best["peer"] / best["integer"]


def in_jax(network: FloatNetwork, x: Picture) -> Callable[[], object]:
    """The float network with its weights as constants of the compiled code, as the integer-only one has them."""
    given, last, batch = parameters(network), network.nodes[-1].name, jnp.asarray(x)
    run = jax.jit(lambda values: evaluate(network, given, values)[0][last])
    return lambda: run(batch).block_until_ready()


def in_onnx_runtime(network: FloatNetwork, x: Picture) -> Callable[[], object]:
    model = to_float_onnx(network, batch=len(x)).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = {network.nodes[0].name: x}
    return lambda: session.run(None, given)


def contents(network: Network) -> dict[str, Any]:
    """What lies between input and output, for the record."""
    found = audit(network)
    return {"equations": found.equations, "floats": len(found.floats), "dtypes": dict(found.dtypes)}


if __name__ == "__main__":
    raise SystemExit(main())
