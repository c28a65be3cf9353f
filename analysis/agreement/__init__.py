"""Which rule picks which scale of a block, exactly, and what that costs on tensors."""

from analysis.agreement.intervals import BINADE, Interval, agreement, intervals
from analysis.agreement.map import FORMATS, Map, draw_map
from analysis.agreement.measured import measure, whole_blocks
from analysis.agreement.peers import peers
from analysis.agreement.ways import MX_FORMATS, Chosen, Way, way, ways

__all__ = [
    "BINADE",
    "FORMATS",
    "MX_FORMATS",
    "Chosen",
    "Interval",
    "Map",
    "Way",
    "agreement",
    "draw_map",
    "intervals",
    "measure",
    "peers",
    "way",
    "ways",
    "whole_blocks",
]
