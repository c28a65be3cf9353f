"""What there is to prove, cut into cells of seconds.

============  ===================================================================================================
codes         decode: every code of every format, judge = NumPy = JAX, and back by encode
fold          the fold of binary32 to odd, for every width in use, on all 2^32 patterns, against its definition
classes       encode: the judge at both ends of every fold class of float32 = golden table = golden code = JAX; as
              rounding is monotone, the table holds for every one of the 2^32 float32 inputs
sixteen       encode: all 65,536 float16 and all 65,536 bfloat16 inputs, judge = NumPy = JAX
stochastic    encode: the same inputs with random bits, judge = NumPy = JAX
float32       encode: all 2^32 float32 inputs, NumPy = JAX; a cell for each sign (long: not in ``PROOF``)
============  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import formats
from analysis.sweep import decoding, encoding, folding
from analysis.sweep.outcome import Outcome
from formats import Format, Rounding, Saturation
from reference.array import table

#: what together proves the codec
PROOF = ("codes", "fold", "classes", "sixteen", "stochastic")
KINDS = (*PROOF, "float32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One comparison: a kind, and the format and policy that it is about."""

    kind: str
    fmt: str = ""
    rounding: Rounding | None = None
    saturation: Saturation | None = None
    kept: int = 0
    sign: str = ""

    @property
    def name(self) -> str:
        """A readable identifier, unique among all cells."""
        policy = [part.value for part in (self.rounding, self.saturation) if part is not None]
        return "/".join(
            [self.kind, *filter(None, [self.fmt, str(self.kept or "")]), *policy, *filter(None, [self.sign])]
        )

    @property
    def work(self) -> int:
        """How long the cell takes, roughly, in calls of the judge; for the progress bar."""
        match self.kind:
            case "codes":
                return 1 << formats.get(self.fmt).bits
            case "fold":
                return 3 << 20
            case "classes":
                return 3 << (8 + table.kept(formats.get(self.fmt)))
            case "float32":
                return 8 << 20
            case _:
                return 1 << 17


def cells(kind: str) -> Iterator[Cell]:
    """All cells of a kind, in a fixed order. Raises ``ValueError`` for an unknown kind."""
    if kind == "codes":
        yield from (Cell(kind=kind, fmt=spec.name) for spec in _formats(32))
    elif kind == "fold":
        yield from (Cell(kind=kind, kept=kept) for kept in folding.widths(_formats(8)))
    elif kind in KINDS:
        stochastic = kind == "stochastic"
        for spec in _formats(8):
            for rounding in Rounding:
                if rounding.is_stochastic == stochastic:
                    for saturation in spec.saturations:
                        if kind != "classes" or saturation is not Saturation.WRAP:  # no table: wrapping never folds
                            for sign in encoding.SIGNS if kind == "float32" else ("",):
                                yield Cell(
                                    kind=kind, fmt=spec.name, rounding=rounding, saturation=saturation, sign=sign
                                )
    else:
        raise ValueError(f"unknown kind {kind!r}; choose among: {', '.join(KINDS)}")


def run(cell: Cell, progress: Callable[[float], None] = lambda fraction: None) -> Outcome:
    """Carry out a cell; ``progress`` hears the fraction that is done."""
    if cell.kind == "fold":
        return folding.fold(cell.kept, progress)
    spec = formats.get(cell.fmt)
    if cell.kind == "codes":
        return decoding.codes(spec)
    assert cell.rounding is not None
    assert cell.saturation is not None
    if cell.kind == "float32":
        return encoding.float32(spec, cell.rounding, cell.saturation, progress, sign=cell.sign)
    check = {"classes": encoding.classes, "sixteen": encoding.sixteen, "stochastic": encoding.stochastic}[cell.kind]
    return check(spec, cell.rounding, cell.saturation, progress)


def _formats(most_bits: int) -> list[Format]:
    return [spec for spec in map(formats.get, formats.names()) if spec.bits <= most_bits]
