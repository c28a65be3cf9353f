"""Networks in float32, calibrated and quantised to integer-only ones."""

from analysis.networks.calibration import calibrate
from analysis.networks.float_network import FloatNetwork, fold
from analysis.networks.float_run import float_trace, run_float
from analysis.networks.quantised import quantise
from analysis.networks.schemes import Scheme, scheme, scheme_names

__all__ = [
    "FloatNetwork",
    "Scheme",
    "calibrate",
    "float_trace",
    "fold",
    "quantise",
    "run_float",
    "scheme",
    "scheme_names",
]
