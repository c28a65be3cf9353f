"""What a sum of products loses: measured errors of any accumulator, and bounds derived from its record."""

from analysis.accumulation.exact_sums import errors, exact_sums
from analysis.accumulation.inputs import Matrices, matrices
from analysis.accumulation.measured import Measurement, measure
from analysis.accumulation.operands import Operands
from analysis.accumulation.running import running_bound
from analysis.accumulation.witness import witness
from analysis.accumulation.worst_case import WorstCase, overflow_k, worst_case

__all__ = [
    "Matrices",
    "Measurement",
    "Operands",
    "WorstCase",
    "errors",
    "exact_sums",
    "matrices",
    "measure",
    "overflow_k",
    "running_bound",
    "witness",
    "worst_case",
]
