"""The integers that I-BERT's quantisers clip to."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from formats.integer_only.ibert import ClipRule
from formats.integer_only.ibert_rules import clip_rule
from reference.integer.ibert.words import Wide, as_words


def clip(q: ArrayLike, bits: int, *, rule: str | ClipRule) -> Wide:
    """``q`` clipped to ``clip_rule(rule).limits(bits)``, as int64.

    The paper's range is -128..127. Its code clips weights, embeddings, biases and the network's input to -127..126,
    one less at the top than the scale is chosen for: the greatest positive weight always loses a step. Requantised
    activations have -128..127. ``KeyError`` (rule), ``ValueError`` (bits), ``TypeError``, ``OverflowError`` (``q``).

    >>> clip([-128, -127, 127], 8, rule="code_weights").tolist(), clip([-128, -127, 127], 8, rule="paper").tolist()
    ([-127, -127, 126], [-128, -127, 127])
    """
    if not 2 <= bits <= 32:
        raise ValueError(f"bits={bits} must lie in 2..32")
    return np.clip(as_words(q), *clip_rule(rule).limits(bits))
