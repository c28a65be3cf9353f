"""Tensors times formats times granularities: what each costs and how far it is from the original."""

from analysis.comparison.block_cells import DEFAULT_RULES, SURVEY_BLOCKS, BlockCell
from analysis.comparison.grid import CORE, SURVEY, Cell, cells
from analysis.comparison.left_out import LeftOut
from analysis.comparison.runner import compare
from analysis.comparison.table import pareto, summary

__all__ = [
    "CORE",
    "DEFAULT_RULES",
    "SURVEY",
    "SURVEY_BLOCKS",
    "BlockCell",
    "Cell",
    "LeftOut",
    "cells",
    "compare",
    "pareto",
    "summary",
]
