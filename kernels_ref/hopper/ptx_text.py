"""PTX, read as far as a lint needs it: instructions, their operands, and the shape of a thread block."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

#: an instruction: guard, opcode with its modifiers, operands
_INSTRUCTION = re.compile(r"(?:@!?%?\w+\s+)?([a-z]\w*(?:[.:]+\w+)*)(?:\s+(.*))?")
_OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+")
_COPY = re.compile(r"(?:mov|neg)\.")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of PTX."""

    line: int
    opcode: str
    operands: tuple[str, ...]

    def __str__(self) -> str:
        return f"line {self.line}: {self.opcode} {', '.join(self.operands)}"


@lru_cache(maxsize=8)
def instructions(ptx: str) -> tuple[Instruction, ...]:
    """Every instruction in order, those of inline assembly too; directives, labels and comments are left out.

    One that spans lines is read as far as its first line goes.

    >>> [str(found) for found in instructions("@%p1 add.rn.f32 %f3, %f1, %f2; // a sum")]
    ['line 1: add.rn.f32 %f3, %f1, %f2']
    """
    return tuple(_instructions(ptx))


def _instructions(ptx: str) -> Iterator[Instruction]:
    for number, line in enumerate(ptx.splitlines(), 1):
        for statement in line.split("//")[0].split(";"):
            found = _INSTRUCTION.fullmatch(statement.strip(" \t{}"))
            if found:
                yield Instruction(number, found[1], tuple(_OPERAND.findall(found[2] or "")))


def entry_name(ptx: str) -> str:
    """The name of the kernel."""
    found = re.search(r"\.entry\s+([$\w]+)", ptx)
    if found is None:
        raise ValueError("PTX without an .entry holds no kernel")
    return found[1]


def threads(ptx: str) -> int:
    """Threads of a block, as ``.reqntid`` or ``.maxntid`` declare them; 1024, the most there can be, if neither."""
    found = re.search(r"\.(?:reqntid|maxntid)\s+([\d, ]+)", ptx)
    return math.prod(int(size) for size in found[1].split(",")) if found else 1024


def uses_of(ptx: str, producer: re.Pattern[str], consumer: re.Pattern[str]) -> list[Instruction]:
    """Consumers, by opcode, of a value that a producer made and that was at most copied or negated in between."""
    every = instructions(ptx)
    made = {each.operands[0] for each in every if producer.fullmatch(each.opcode)}
    copies = [each for each in every if _COPY.match(each.opcode)]
    while more := {each.operands[0] for each in copies if made & set(each.operands[1:])} - made:
        made |= more
    return [each for each in every if consumer.fullmatch(each.opcode) and made & set(each.operands[1:])]
