"""What a verification found, as a record that prints and travels as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from formats import FloatSpec, Format
from reference import exact


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedCode:
    """A code taken apart: its fields in binary (no exponent and fraction for integers) and its exact value."""

    code: int
    hexadecimal: str
    sign: str
    exponent: str
    fraction: str
    value: str

    def __str__(self) -> str:
        fields = " ".join(field for field in (self.sign, self.exponent, self.fraction) if field)
        return f"{self.hexadecimal} [{fields}] = {self.value}"


def decoded(code: int, spec: Format) -> DecodedCode:
    """``code`` of a format, taken apart; a code that the format does not have says so instead of a value.

    >>> from formats import get
    >>> print(decoded(0x7E, get("float8_e4m3fn")))
    0x7e [0 1111 110] = 448
    """
    valid = 0 <= code < 1 << spec.bits
    digits = f"{code & ((1 << spec.bits) - 1):0{spec.bits}b}"
    split = int(spec.signed)
    field = split + (spec.exponent_bits if isinstance(spec, FloatSpec) else 0)
    return DecodedCode(
        code=code,
        hexadecimal=f"{code:#0{2 + (spec.bits + 3) // 4}x}",
        sign=digits[:split] if valid else "",
        exponent=digits[split:field] if valid else "",
        fraction=digits[field:] if valid else "",
        value=_value(code, spec) if valid else f"no code of {spec.name} (0..{(1 << spec.bits) - 1:#x})",
    )


def _value(code: int, spec: Format) -> str:
    value = exact.decode(code, spec)
    if isinstance(value, float):
        return str(value)
    return str(value) if value.denominator == 1 else f"{value} = {float(value)!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The first element that differs."""

    index: tuple[int, ...]
    input_hexadecimal: str
    input_value: str
    random_bits: int | None
    expected: DecodedCode
    #: None where the subject returned no integer there
    actual: DecodedCode | None

    def __str__(self) -> str:
        drawn = "" if self.random_bits is None else f", random bits {self.random_bits:#x}"
        return (
            f"first at {list(self.index)}: input {self.input_hexadecimal} = {self.input_value}{drawn}\n"
            f"    expected {self.expected}\n"
            f"    actual   {'no integer code' if self.actual is None else self.actual}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many different codes the golden model and the subject produced, of how many that the format has."""

    codes: int
    expected: int
    produced: int
    #: codes that no input led to, if the format has at most 8 bits (some are not canonical and never come out)
    never_expected: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedFault:
    """What became of one planted fault: ``noticed`` mismatches; or not applicable, or not noticeable."""

    name: str
    #: False where the fault changes nothing for this contract, on any input
    applies: bool
    noticed: int

    @property
    def missed(self) -> bool:
        """Whether the comparison could not have told this fault from a right kernel."""
        return self.applies and self.noticed == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of `kernels_ref.verify`."""

    contract: str
    subject: str
    #: elements that the contract asks for; every one is compared
    compared: int
    mismatches: int
    #: wrong dtype, wrong shape, missing elements, inputs that are not the contract's
    complaints: tuple[str, ...]
    first: Mismatch | None
    coverage: Coverage
    faults: tuple[PlantedFault, ...]
    #: what the inputs were and, if they were drawn, from what seed
    inputs: str
    seed: int

    @property
    def equal(self) -> bool:
        """Whether every element is there and equal, in the right dtype and shape."""
        return self.compared > 0 and self.mismatches == 0 and not self.complaints

    @property
    def holds(self) -> bool:
        """Equal, by a comparison that would have noticed every planted fault that applies."""
        return self.equal and not self.missed

    @property
    def missed(self) -> tuple[str, ...]:
        """The planted faults that these inputs cannot show."""
        return tuple(fault.name for fault in self.faults if fault.missed)

    def to_json(self) -> str:
        """The record as JSON, with ``holds`` and ``equal``."""
        fields: dict[str, Any] = asdict(self)
        return json.dumps({"holds": self.holds, "equal": self.equal, **fields}, indent=2)

    def __str__(self) -> str:
        lines = [self._verdict(), f"  subject  {self.subject}", f"  inputs   {self.inputs}"]
        lines += [f"  complaint: {text}" for text in self.complaints]
        lines += [f"  {self.first}"] if self.first else []
        c = self.coverage
        lines.append(f"  codes    {c.expected} of {c.codes} expected, {c.produced} produced")
        lines.append(f"  faults   {', '.join(_fault(fault) for fault in self.faults) or 'none planted'}")
        return "\n".join(lines)

    def _verdict(self) -> str:
        what = f"{self.contract}: "
        if self.compared == 0:
            return f"EMPTY {what}nothing to compare"
        if not self.equal:
            return f"FAILS {what}{self.mismatches:,} of {self.compared:,} elements differ"
        if self.missed:
            return (
                f"INCONCLUSIVE {what}equal on {self.compared:,} elements, which cannot show: {', '.join(self.missed)}"
            )
        return f"HOLDS {what}bit-equal on all {self.compared:,} elements"


def _fault(fault: PlantedFault) -> str:
    return f"{fault.name} {'MISSED' if fault.missed else f'{fault.noticed:,}' if fault.applies else 'n/a'}"
