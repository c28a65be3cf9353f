"""A kernel that is to be compiled and linted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernels_ref.hopper.aot import Compiled, compile_for
from kernels_ref.hopper.ptx_lint import Claims, Violation, lint

Program = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kernel to compile: a name, how to make the function and the shapes of its arguments, and its claims."""

    name: str
    program: Callable[[], Program]
    claims: Claims

    def compiled(self, target: str) -> Compiled:
        """The kernel compiled for ``target``; errors are those of `aot.compile_for`."""
        fn, avals = self.program()
        return compile_for(target, fn, *avals)

    def violations(self, target: str) -> tuple[Violation, ...]:
        """What the lint finds in it."""
        return lint(self.compiled(target), self.claims)
