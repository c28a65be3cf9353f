"""What NumPy and ml_dtypes do with subnormals and casts; the vocabulary is shared with the XLA probes."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from analysis.doctor.compiled import NORMAL, SUBNORMAL, hexadecimal, row, words
from analysis.doctor.finding import Probe

GROUP = "NumPy and ml_dtypes"

OVERFLOW = {
    "NaN": "values beyond 448 become NaN; clamp before casting if they should saturate",
    "saturates": "values beyond 448 become 448",
    "mixed": "finite values and infinities go different ways",
}
INTEGERS = {
    "clamps": "out-of-range values become the nearest end",
    "wraps": "out-of-range values keep their low bits only; clamp first",
    "mixed": "int8 and int4 go different ways; clamp first",
}
E8M0_ZERO = {
    "NaN": "a block of zeros gets a NaN scale; treat zero blocks yourself",
    "2^-127": "zero becomes the smallest scale",
    "other": "neither NaN nor the smallest scale; treat zero blocks yourself",
}
E8M0_TIE = {
    "up": "ties go up: unlike nearest_ties_to_even here, which goes by the code's parity (IEEE P3109)",
    "even code": "as nearest_ties_to_even here",
}


def overflow(codes: list[int]) -> tuple[str, str]:
    """The float8_e4m3fn codes of 1000 and infinity, judged."""
    detail = f"1000 and infinity become {hexadecimal(codes)} (448 is 0x7e, NaN 0x7f)"
    return {(0x7F, 0x7F): "NaN", (0x7E, 0x7E): "saturates"}.get((codes[0] & 0x7F, codes[1] & 0x7F), "mixed"), detail


def integers(whole: int, narrow: int, nan: int | None = None) -> tuple[str, str]:
    """The int8 of 300 and the int4 of 100, judged."""
    detail = f"300 to int8 is {whole}, 100 to int4 is {narrow}" + ("" if nan is None else f", NaN to int8 is {nan}")
    return {(127, 7): "clamps", (44, 4): "wraps"}.get((whole, narrow), "mixed"), detail


def e8m0_zero(code: int) -> tuple[str, str]:
    """The E8M0 code of 0, judged."""
    return {0xFF: "NaN", 0x00: "2^-127"}.get(code, "other"), f"0 becomes {code:#04x}"


def e8m0_tie(code: int) -> tuple[str, str]:
    """The E8M0 code of 3, judged."""
    return ("up" if code == 0x81 else "even code"), f"3 becomes {code:#04x} (2 is 0x80, 4 is 0x81)"


def subnormals() -> tuple[str, str]:
    """A subnormal product and a subnormal summand, against their exact bits."""
    product, total = words(row(NORMAL) * np.float32(0.5)), words(row(NORMAL) + row(SUBNORMAL))
    kept = product == [0x00400000], total == [0x00C00000]
    detail = f"2^-126 * 0.5 is {hexadecimal(product)}; 2^-126 + 2^-127 is {hexadecimal(total)}"
    return ("kept" if all(kept) else "mixed" if any(kept) else "flushed"), detail


def to_float8() -> tuple[str, str]:
    """1000 and infinity to float8_e4m3fn."""
    x = np.array([1000, np.inf], np.float32)
    return overflow(x.astype(ml_dtypes.float8_e4m3fn).view(np.uint8).tolist())


def to_integers() -> tuple[str, str]:
    """300 to int8 and 100 to int4."""
    with np.errstate(invalid="ignore"):
        whole = np.full(1, 300, np.float32).astype(np.int8)
        narrow = np.full(1, 100, np.float32).astype(ml_dtypes.int4)
    return integers(int(whole[0]), int(narrow[0]))


def float64_to_float8() -> tuple[str, str]:
    """A float64 just past the tie between 0 and the smallest float8_e4m3fn."""
    code = int(np.array([2.0**-10 * (1 + 2.0**-40)]).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)[0])
    return ("once" if code == 0x01 else "twice"), f"2^-10 * (1 + 2^-40) becomes {code:#04x}; once rounded it is 0x01"


def _e8m0(value: float) -> int:
    return int(np.full(1, value, np.float32).astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)[0])


PROBES = (
    Probe(
        group=GROUP,
        name="float32 subnormals in sums and products",
        answers={
            "kept": "as IEEE 754",
            "flushed": "some library here has switched the processor to flush: do not trust float32 near 2^-127",
            "mixed": "some operations flush: do not trust float32 near 2^-127",
        },
        measure=subnormals,
    ),
    Probe(group=GROUP, name="float32 to float8_e4m3fn, out of range", answers=OVERFLOW, measure=to_float8),
    Probe(group=GROUP, name="float32 to int8 and int4, out of range", answers=INTEGERS, measure=to_integers),
    Probe(
        group=GROUP,
        name="float64 to float8_e4m3fn rounds",
        answers={"once": "correctly rounded", "twice": "by way of float32: wrong next to ties; use reference.encode"},
        measure=float64_to_float8,
    ),
    Probe(group=GROUP, name="0 to float8_e8m0fnu", answers=E8M0_ZERO, measure=lambda: e8m0_zero(_e8m0(0))),
    Probe(group=GROUP, name="3 to float8_e8m0fnu, a tie", answers=E8M0_TIE, measure=lambda: e8m0_tie(_e8m0(3))),
)
