"""Tensors times formats times granularities: what each costs and how far it is from the original."""

from analysis.comparison.grid import CORE, SURVEY, Cell, LeftOut, cells
from analysis.comparison.runner import compare
from analysis.comparison.table import pareto, summary

__all__ = ["CORE", "SURVEY", "Cell", "LeftOut", "cells", "compare", "pareto", "summary"]
