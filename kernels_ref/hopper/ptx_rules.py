"""What the lint looks for in a compiled kernel, and what a kernel's contract claims: both as data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from kernels_ref.hopper.aot import Kernel
from kernels_ref.hopper.ptx_text import instructions, threads, uses_of

#: registers of a multiprocessor, which one block may have for itself
REGISTERS = 65536
#: bytes of shared memory that one block may have
SHARED = 232448
_WARPGROUP = 128

_HALVES = r"(?:bf16|bf16x2|f16|f16x2)"
_FLOATS = rf"(?:f32|f32x2|f64|{_HALVES})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a contract says about a kernel's code. The defaults are those of exact integer code.

    ``True`` means none, a number means exactly so many instructions in the PTX, and ``False`` or ``None`` that the
    contract says nothing.
    """

    #: no quotient or reciprocal with an error of more than half a unit in the last place
    exact_division: bool = True
    #: no approximate exponential, logarithm, root or circular function
    exact_functions: bool = True
    #: subnormal numbers are not flushed to zero
    subnormals: bool = True
    #: no product that the assembler may fuse with a sum, which would round once instead of twice
    separate_roundings: bool = True
    #: fused multiply-adds, to nearest even, of float32 or wider
    fused: int | None = 0
    #: fused multiply-adds, to nearest even, of float16 or bfloat16, one or two at a time
    fused_halves: int | None = 0
    #: sums do not depend on which thread comes first
    deterministic: bool = True
    #: atomic operations on integers, which order thread blocks
    semaphores: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must not be in a kernel, or must be there a claimed number of times."""

    name: str
    meaning: str
    #: each occurrence in a kernel, as text
    find: Callable[[Kernel], list[str]]
    #: how many occurrences the claims allow; None: they say nothing
    allowed: Callable[[Claims], int | None] = lambda claims: 0


def _opcodes(pattern: str) -> Callable[[Kernel], list[str]]:
    compiled = re.compile(pattern)
    return lambda kernel: [str(each) for each in instructions(kernel.ptx) if compiled.fullmatch(each.opcode)]


def _spills(kernel: Kernel) -> list[str]:
    found = kernel.resources
    if found is None or not (found.spill_stores or found.spill_loads):
        return []
    return [f"{found.spill_stores} bytes stored, {found.spill_loads} bytes loaded"]


def _local(kernel: Kernel) -> list[str]:
    lines = [line.strip() for line in kernel.ptx.splitlines() if re.search(r"\.local\b", line)]
    stack = kernel.resources.stack if kernel.resources else 0
    return [*([f"a stack frame of {stack} bytes"] if stack else []), *lines]


def _warnings(subject: str) -> Callable[[Kernel], list[str]]:
    """What ptxas warns of, by a word of it; an empty subject is the rest. Spills have a rule with the figures."""

    def find(kernel: Kernel) -> list[str]:
        lines = kernel.resources.warnings if kernel.resources else ()
        return [line for line in lines if subject == next((word for word in _SUBJECTS if word in line), "")]

    return find


_SUBJECTS = ("spilled", "wgmma", "setmaxnreg")


def _contractions(kernel: Kernel) -> list[str]:
    """Products and sums that state no rounding are fused by ptxas, whatever stood between them for LLVM."""
    product, total = (re.compile(rf"{name}(?:\.ftz|\.sat)*\.{_FLOATS}") for name in ("mul", "(?:add|sub)"))
    return [str(each) for each in uses_of(kernel.ptx, product, total)]


def _fused_in_sass(kernel: Kernel) -> list[str]:
    """FFMA where the PTX neither has an fma nor an operation that is expanded into them."""
    makes_fma = re.compile(r"(?:fma|div|rcp|sqrt|ex2|lg2|sin|cos|tanh|rsqrt)\..*")
    if any(makes_fma.fullmatch(each.opcode) for each in instructions(kernel.ptx)):
        return []
    return [line.strip() for line in kernel.sass.splitlines() if re.search(r"\bFFMA\b", line)]


def _entry_registers(kernel: Kernel) -> int:
    """Registers of a block when it starts: handed out in eights to a thread."""
    return math.ceil(kernel.resources.registers / 8) * 8 * threads(kernel.ptx) if kernel.resources else 0


def _budget(kernel: Kernel) -> list[str]:
    have = _entry_registers(kernel)
    return [f"{have} registers for {threads(kernel.ptx)} threads, of {REGISTERS}"] if have > REGISTERS else []


def _pool(kernel: Kernel) -> list[str]:
    """Warpgroups that give registers up must give as many as the others take, or those wait for ever."""
    changes = [each for each in instructions(kernel.ptx) if each.opcode.startswith("setmaxnreg")]
    fewer, more = (
        [int(each.operands[0]) for each in changes if each.opcode.startswith(f"setmaxnreg.{way}")]
        for way in ("dec", "inc")
    )
    if kernel.resources is None or not more:
        return []
    others = threads(kernel.ptx) // _WARPGROUP - len(fewer)
    need, have = _WARPGROUP * (sum(fewer) + others * max(more)), _entry_registers(kernel)
    return [f"{need} registers after setmaxnreg, {have} before"] if need > have else []


def _shared(kernel: Kernel) -> list[str]:
    have = kernel.dynamic_shared + (kernel.resources.shared if kernel.resources else 0)
    return [f"{have} bytes of shared memory, of {SHARED}"] if have > SHARED else []


def _none(claimed: bool) -> int | None:
    return 0 if claimed else None


#: every rule. Warnings of ptxas are known by their words: C7510 and its like serialise wgmma, C7508 ignores setmaxnreg.
RULES: tuple[Rule, ...] = (
    Rule(name="spills", meaning="registers are kept in memory for want of room", find=_spills),
    Rule(name="local memory", meaning="a thread has memory of its own, which is DRAM", find=_local),
    Rule(name="serialised wgmma", meaning="each matrix product waits for the one before", find=_warnings("wgmma")),
    Rule(name="ignored setmaxnreg", meaning="registers are not moved between warpgroups", find=_warnings("setmaxnreg")),
    Rule(name="assembler's warnings", meaning="ptxas warns of something else", find=_warnings("")),
    Rule(name="register budget", meaning="a block does not start: too many registers", find=_budget),
    Rule(name="register pool", meaning="setmaxnreg waits for registers that nobody gives up", find=_pool),
    Rule(name="shared memory", meaning="a block does not start: too much shared memory", find=_shared),
    Rule(
        name="inexact division",
        meaning="a quotient may be off by two units in the last place",
        find=_opcodes(r"div\.(?:full|approx)\..*|rcp\.approx\..*"),
        allowed=lambda claims: _none(claims.exact_division),
    ),
    Rule(
        name="approximate function",
        meaning="a function is not rounded correctly",
        find=_opcodes(r"(?:ex2|lg2|sin|cos|tanh|rsqrt|sqrt)\.approx\..*"),
        allowed=lambda claims: _none(claims.exact_functions),
    ),
    Rule(
        name="flushed subnormals",
        meaning="subnormal operands or results become zero",
        find=_opcodes(r".*\.ftz(?:\..*)?"),
        allowed=lambda claims: _none(claims.subnormals),
    ),
    Rule(
        name="contraction risk",
        meaning="a product and a sum without a stated rounding: ptxas may make one fma of them",
        find=_contractions,
        allowed=lambda claims: _none(claims.separate_roundings),
    ),
    Rule(
        name="contraction",
        meaning="ptxas made an fma of a product and a sum (seen where nvdisasm is installed)",
        find=_fused_in_sass,
        allowed=lambda claims: _none(claims.separate_roundings and not claims.fused),
    ),
    Rule(
        name="fused multiply-add",
        meaning="a product and a sum of float32 or float64 rounded once, to nearest even",
        find=_opcodes(r"fma\.rn(?:\..*)?\.(?:f32|f32x2|f64)"),
        allowed=lambda claims: claims.fused,
    ),
    Rule(
        name="fused multiply-add of halves",
        meaning="a product and a sum of float16 or bfloat16 rounded once, to nearest even",
        find=_opcodes(rf"fma\.rn(?:\..*)?\.{_HALVES}"),
        allowed=lambda claims: claims.fused_halves,
    ),
    Rule(
        name="unordered sum",
        meaning="floats are added in the order in which threads come: results differ from run to run",
        find=_opcodes(rf"(?:atom|red|multimem|cp\.reduce)\..*\.{_FLOATS}(?:\..*)?|cp\.reduce\.async\.bulk\.tensor\..*"),
        allowed=lambda claims: _none(claims.deterministic),
    ),
    Rule(
        name="atomic",
        meaning="an atomic operation on integers: a semaphore, a counter",
        find=_opcodes(r"(?:atom|red)\..*\.[bsu](?:16|32|64|128)(?:\..*)?"),
        allowed=lambda claims: claims.semaphores,
    ),
)
