"""Lint the PTX of a compiled program, and what ptxas said about it, against what its contract claims."""

from __future__ import annotations

from dataclasses import dataclass

from kernels_ref.hopper.aot import Compiled
from kernels_ref.hopper.ptx_rules import RULES, Claims, Rule

__all__ = ["RULES", "Claims", "Rule", "Violation", "lint"]

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that a program breaks."""

    rule: Rule
    #: how many occurrences are claimed
    allowed: int
    #: each occurrence: the kernel's name and the line
    found: tuple[str, ...]

    def __str__(self) -> str:
        """One line: the rule, both counts, the first occurrences, and what the rule means."""
        first = "; ".join(self.found[:_SHOWN]) + ("; ..." if len(self.found) > _SHOWN else "")
        seen = f" ({first})" if first else ""
        return f"{self.rule.name}: {len(self.found)} found, {self.allowed} claimed{seen}: {self.rule.meaning}"


def lint(compiled: Compiled, claims: Claims) -> tuple[Violation, ...]:
    r"""The rules that ``compiled`` breaks, in the order of `RULES`; counts are those of all its kernels together.

    What ptxas says is known of Mosaic kernels only: of a kernel that XLA wrote, rules on spills, warnings and
    registers see nothing. The rule on contraction in the machine code sees something where nvdisasm is installed.

    >>> from kernels_ref.hopper.aot import Kernel
    >>> ptx = ".entry quotient() {\ndiv.full.f32 %f3, %f1, %f2;\n}"
    >>> kernel = Kernel(name="quotient", ptx=ptx, resources=None, dynamic_shared=0, sass="")
    >>> (broken,) = lint(Compiled(target="h100", kernels=(kernel,)), Claims())
    >>> broken.rule.name, broken.found
    ('inexact division', ('quotient, line 2: div.full.f32 %f3, %f1, %f2',))
    """
    broken: list[Violation] = []
    for rule in RULES:
        allowed = rule.allowed(claims)
        found = tuple(f"{kernel.name}, {each}" for kernel in compiled.kernels for each in rule.find(kernel))
        if allowed is not None and len(found) != allowed:
            broken.append(Violation(rule=rule, allowed=allowed, found=found))
    return tuple(broken)
