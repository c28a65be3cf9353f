"""A network of integers layer by layer: scales, ranges, saturations, and where floats come in."""

from analysis.layers.networks import network_names, prepared
from analysis.layers.report import Layer, report

__all__ = ["Layer", "network_names", "prepared", "report"]
