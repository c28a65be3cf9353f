"""The proof: exhaustive comparisons of judge, golden model and JAX, in cells that can be stopped and resumed."""

from analysis.sweep.cells import KINDS, PROOF, Cell, Outcome, cells, run
from analysis.sweep.digest import key, source_digest
from analysis.sweep.results import Result, Results
from analysis.sweep.summary import summary
from analysis.sweep.workers import carry_out

__all__ = [
    "KINDS",
    "PROOF",
    "Cell",
    "Outcome",
    "Result",
    "Results",
    "carry_out",
    "cells",
    "key",
    "run",
    "source_digest",
    "summary",
]
