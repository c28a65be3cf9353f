"""The table: where peers are known to differ from the judge. It must stay true in both directions."""

from __future__ import annotations

from peers.disagreements.gfloat_modes import GFLOAT
from peers.disagreements.nan_codes import NAN_CODES
from peers.disagreements.negatives import NEGATIVES_TO_POWERS_OF_TWO
from peers.disagreements.powers_of_two import POWERS_OF_TWO
from peers.disagreements.record import Disagreement, Example
from peers.disagreements.stop_over import STOP_OVER
from peers.disagreements.without_nan import NAN_INTO_FORMATS_WITHOUT

__all__ = ["TABLE", "Disagreement", "Example"]

TABLE = (
    *STOP_OVER,
    *NAN_INTO_FORMATS_WITHOUT,
    *POWERS_OF_TWO,
    *NEGATIVES_TO_POWERS_OF_TWO,
    *GFLOAT,
    *NAN_CODES,
)
