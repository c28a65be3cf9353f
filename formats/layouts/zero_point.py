"""How checkpoints store zero points before they are packed: arithmetic, and so no part of a layout."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroPointConvention:
    """What is packed for a zero point ``z``: the code ``z - less``, of as many bits as the weights have.

    A weight is ``scale * (code - z)`` either way. With ``less`` = 1 the zero points of 4 bits are 1 to 16, and
    GPTQ's zero point 0, which asymmetric weights do have, cannot be stored.

    >>> GPTQ_V1.stored(8, bits=4), GPTQ_V1.zero(7, bits=4), GPTQ_V2.stored(8, bits=4)
    (7, 8, 8)
    """

    name: str
    less: int
    #: where the facts come from
    source: str

    def stored(self, zero: int, *, bits: int) -> int:
        """The code to pack for a zero point. Raises ``ValueError`` for one that has none."""
        if not 0 <= zero - self.less < 1 << bits:
            accepted = f"{self.less}..{(1 << bits) - 1 + self.less}"
            raise ValueError(f"{self.name} stores no zero point {zero} in {bits} bits: {accepted}")
        return zero - self.less

    def zero(self, stored: int, *, bits: int) -> int:
        """The zero point that a packed code means. Raises ``ValueError`` for what is no code of ``bits`` bits."""
        if not 0 <= stored < 1 << bits:
            raise ValueError(f"{stored} is no code of {bits} bits: 0..{(1 << bits) - 1}")
        return stored + self.less


_SOURCE = "GPTQModel 7.7.0, utils/model.py convert_gptq_v1_to_v2_format_module"
GPTQ_V1 = ZeroPointConvention(name="gptq", less=1, source=f"{_SOURCE}: the format called gptq, also of AutoGPTQ")
GPTQ_V2 = ZeroPointConvention(name="gptq_v2", less=0, source=f"{_SOURCE}: the format called gptq_v2")
