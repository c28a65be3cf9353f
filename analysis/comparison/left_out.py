"""What a comparison does not run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A combination that was not run, and why; ``rule`` is that of a block format."""

    format: str
    scheme: str
    rule: str = ""
    reason: str

    @property
    def what(self) -> str:
        """The combination in words.

        >>> LeftOut(format="nvfp4", scheme="symmetric", rule="floor", reason="").what
        'nvfp4 symmetric floor'
        """
        return " ".join(part for part in (self.format, self.scheme, self.rule) if part)
