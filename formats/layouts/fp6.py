"""Layouts of FP6-LLM: codes of 5, 6 and 7 bits in a row, and split into pieces for tensor cores."""

from __future__ import annotations

from formats.layouts.bits import BitLayout, Field, SplitLayout

_PAPER = "Xia et al., FP6-LLM, arXiv 2401.14112"
_CODE = "github.com/usyd-fsalab/fp6_llm @ 9802c5a"

FP6_IN_A_ROW = BitLayout(
    name="6bit_high_first",
    code_bits=6,
    tile=(4,),
    axes="c4 b6",
    order="~c b",
    word_bits=8,
    words=(3,),
    big_endian=True,
    source=f"four codes in three bytes, the first code in the highest bits ({_CODE}, weight_quant.h)",
)


def _piece(name: str, bits: int, column_axes: str, order: str) -> BitLayout:
    """One piece of each code of a 64 x 64 tile.

    ``g`` is a group of 16 columns, and lane ``4 l + u`` of a warp holds in it, as the A operand of mma.m16n8k16, the
    rows ``16 k + 8 h + l`` and columns ``8 c + 2 u + v``. 32-bit words of 32 lanes lie side by side; in a word the
    odd columns (``v``) come above the even ones, and then, from the top, rise ``h``, the rows of ``k`` that share the
    word, and ``c``: the shuffle that lets masks pick four codes at once.
    """
    return BitLayout(
        name=name,
        code_bits=bits,
        tile=(64, 64),
        axes=column_axes,
        order=order,
        word_bits=32,
        words=(1, 128 * bits),
        source=f"{_PAPER}, section 5; {_CODE}, weight_prepacking.h",
    )


#: pieces of 1, 2 and 4 bits: the 16-row blocks of ``k`` (2 j + m) fill one, two and four words a lane
FP6_LLM_1BIT = _piece("fp6_llm_1bit", 1, "k4 h2 l8 g4 c2 u4 v2", "g l u v ~h ~k ~c")
FP6_LLM_2BIT = _piece("fp6_llm_2bit", 2, "k2 m2 h2 l8 g4 c2 u4 v2 b2", "g k l u v ~h ~m ~c b")
FP6_LLM_4BIT = _piece("fp6_llm_4bit", 4, "k4 h2 l8 g4 c2 u4 v2 b4", "g k l u v ~h ~c b")

FP5_LLM = SplitLayout(
    name="fp5_llm",
    fields=(Field(low=4, layout=FP6_LLM_1BIT), Field(low=0, layout=FP6_LLM_4BIT)),
    source=f"a sign bit and four more ({_CODE}, weight_prepacking.h)",
)
FP6_LLM = SplitLayout(
    name="fp6_llm",
    fields=(Field(low=4, layout=FP6_LLM_2BIT), Field(low=0, layout=FP6_LLM_4BIT)),
    source=f"the 4+2 split: sign and highest exponent bit, and the rest ({_PAPER}, section 5)",
)
FP7_LLM = SplitLayout(
    name="fp7_llm",
    fields=(
        Field(low=6, layout=FP6_LLM_1BIT),
        Field(low=4, layout=FP6_LLM_2BIT),
        Field(low=0, layout=FP6_LLM_4BIT),
    ),
    source=f"pieces of 1, 2 and 4 bits ({_CODE}, weight_prepacking.h)",
)

LAYOUTS = (FP6_IN_A_ROW, FP6_LLM_1BIT, FP6_LLM_2BIT, FP6_LLM_4BIT, FP5_LLM, FP6_LLM, FP7_LLM)
