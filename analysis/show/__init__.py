"""What a code is, and what becomes of a value, in any format: records (`describe`) and their rendering (`render`).

>>> from analysis.show import describe
>>> describe("0x7E", "float8_e4m3fn").value
Fraction(448, 1)
"""

from analysis.show.code import CodeDescription, Field, Kind, Neighbour
from analysis.show.describe import Description, describe, to_json
from analysis.show.parse import Code, parse
from analysis.show.render import render
from analysis.show.tables import code_table, neighbour_table, result_table
from analysis.show.value import Outcome, Policy, Result, ValueDescription, under

__all__ = [
    "Code",
    "CodeDescription",
    "Description",
    "Field",
    "Kind",
    "Neighbour",
    "Outcome",
    "Policy",
    "Result",
    "ValueDescription",
    "code_table",
    "describe",
    "neighbour_table",
    "parse",
    "render",
    "result_table",
    "to_json",
    "under",
]
