"""Integer-only networks: records of nodes, and operators that use integers alone."""

from reference.integer.accumulator import accumulator_bound
from reference.integer.addition import add
from reference.integer.check import check
from reference.integer.folding import fold_batch_norm
from reference.integer.network import Affine, Network
from reference.integer.requantise import requantise
from reference.integer.run import dequantise, quantise_input, run, trace

__all__ = [
    "Affine",
    "Network",
    "accumulator_bound",
    "add",
    "check",
    "dequantise",
    "fold_batch_norm",
    "quantise_input",
    "requantise",
    "run",
    "trace",
]
