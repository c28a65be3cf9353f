"""CUDA source that runs a Hopper matrix instruction, written from the instruction's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

import formats
from formats import Accumulator
from hardware import fragments

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Instruction:
    """The parts of a name such as ``hopper.mma.m16n8k16.s32.s8.u8.sat``."""

    name: str
    kind: str
    shape: str
    result: str
    a: str
    b: str
    saturating: bool

    @property
    def accumulator(self) -> Accumulator:
        return formats.accumulator(self.name)

    @property
    def symbol(self) -> str:
        return self.name.replace(".", "_")

    @property
    def step(self) -> int:
        """32-bit words of K that one instruction takes; TF32 lies in whole words."""
        assert self.accumulator.a is not None
        bits = 32 if self.a == "tf32" else self.accumulator.a.bits
        return self.accumulator.k * bits // 32

    @property
    def registers(self) -> int:
        return 2 if self.result == "f16" else 4

    @property
    def ptx(self) -> str:
        types = f"{self.result}.{self.a}.{self.b}"
        if self.kind == "wgmma":
            saturation = ".satfinite" if self.saturating else ""
            return f"wgmma.mma_async.sync.aligned.m64n8{self.shape}{saturation}.{types}"
        saturation = ".satfinite" if self.saturating else ""
        return f"mma.sync.aligned.{self.shape}.row.col{saturation}.{types}.{self.result}"


def instruction(name: str) -> Instruction:
    _, kind, shape, result, a, *rest = name.split(".")
    operands = [part for part in rest if part != "sat"]
    return Instruction(name, kind, shape, result, a, operands[0] if operands else a, "sat" in rest)


def hopper() -> list[str]:
    """Every instruction of the chip that this program drives."""
    return [name for name in formats.accumulators() if name.startswith("hopper.")]


def source(names: list[str]) -> str:
    """A CUDA file with a kernel and a launcher for each name."""
    layout = {key: getattr(fragments, key) for key in ("CORE_ROWS", "CORE_WORDS", "CORES")}
    head = (HERE / "launch.cuh").read_text() + Template((HERE / "descriptor.cuh").read_text()).substitute(layout)
    return head + "".join(_kernel(instruction(name)) for name in names)


def _kernel(one: Instruction) -> str:
    template = Template((HERE / f"{one.kind}.cu").read_text())
    places = [f"{row} * columns + {column}" for row, column in fragments.C_ELEMENTS]
    operands = _wgmma_operands(one) if one.kind == "wgmma" else _mma_operands(one)
    return template.substitute(
        operands,
        instruction=one.ptx,
        symbol=one.symbol,
        step=one.step,
        registers=one.registers,
        cell="uint16_t" if one.result == "f16" else "uint32_t",
        results=", ".join(f'"+r"(r[{i}])' for i in range(one.registers)),
        load_c=", ".join(f"c[{place}]" for place in places),
        store_d=" ".join(f"d[{place}] = cells[{i}];" for i, place in enumerate(places)),
    )


def _mma_operands(one: Instruction) -> dict[str, object]:
    half = 1 if one.step == 8 else 2
    a = [f'"r"(a[{row} * words + w + {word}])' for row, word in fragments.A_REGISTERS[: 4 // half]]
    b = [f'"r"(b[w + {word}])' for word in fragments.B_REGISTERS[: 2 // half]]
    d = _registers(0, one.registers)
    first_b = one.registers + len(a)
    operands = f"{d}, {_registers(one.registers, len(a))}, {_registers(first_b, len(b))}, {d}"
    return {"operands": operands, "sources": ", ".join([*a, *b])}


def _wgmma_operands(one: Instruction) -> dict[str, object]:
    """After the descriptors: scale-d; for floats the signs of A and B; for 16-bit operands no transposition."""
    first = one.registers
    scales = "" if one.result == "s32" else ", 1, 1" + (", 0, 0" if one.shape == "k16" else "")
    operands = f"{_registers(0, one.registers)}, %{first}, %{first + 1}, keep{scales}"
    return {"operands": operands, "flag": first + 2}


def _registers(first: int, count: int) -> str:
    return "{" + ", ".join(f"%{i}" for i in range(first, first + count)) + "}"
