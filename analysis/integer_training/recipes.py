"""What is trained, as data: layers, batches and rules by epochs."""

from __future__ import annotations

from dataclasses import dataclass

from formats.integer_only.training import StepRule, ZerothOrderRule
from formats.look_up import find_record
from reference.integer.training import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A perceptron of these widths, trained in phases on batches of so many rows.

    >>> RECIPES["niti"].epochs
    30
    """

    name: str
    widths: tuple[int, ...]
    batch: int
    phases: tuple[Phase, ...]

    @property
    def epochs(self) -> int:
        """All epochs together."""
        return sum(phase.epochs for phase in self.phases)


def _zeroth_order(greatest: int, update_shift: int, *, zeros: int = 1 << 15) -> ZerothOrderRule:
    return ZerothOrderRule(zeros=zeros, greatest=greatest, update_shift=update_shift, rounding="round_shift")


def _hybrid(name: str, *, zeros: int) -> Recipe:
    """The first layer by zeroth order, the last one by back-propagation."""
    phases = tuple(
        Phase(
            epochs=100,
            rule=StepRule(gradient_bits=bits, first=1, zeroth_order=_zeroth_order(greatest, 3, zeros=zeros)),
        )
        for bits, greatest in ((2, 16), (1, 8))
    )
    return Recipe(name=name, widths=(64, 32, 10), batch=32, phases=phases)


#: chosen on another split of the digits than the one whose accuracies are reported
RECIPES = {
    known.name: known
    for known in (
        Recipe(
            name="niti",
            widths=(64, 128, 10),
            batch=32,
            phases=tuple(
                Phase(epochs=epochs, rule=StepRule(gradient_bits=bits))
                for epochs, bits in ((8, 5), (8, 4), (8, 3), (6, 2))
            ),
        ),
        _hybrid("hybrid", zeros=1 << 15),
        _hybrid("frozen", zeros=1 << 16),  # no weight of the first layer moves: what the zeroth order has to beat
        Recipe(
            name="zeroth_order",
            widths=(64, 10),
            batch=64,
            phases=tuple(
                Phase(epochs=300, rule=StepRule(gradient_bits=1, first=1, zeroth_order=_zeroth_order(greatest, 4)))
                for greatest in (32, 16, 10)
            ),
        ),
    )
}


def recipe(name: str) -> Recipe:
    """The recipe of that name; ``KeyError`` lists the names.

    >>> recipe("hybrid").widths
    (64, 32, 10)
    """
    return find_record(name, RECIPES, "recipe")
