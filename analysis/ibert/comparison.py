"""Integer functions beside float ones on a real model's activations, and what sentence vectors become of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.ibert.integer_functions import IntegerFunctions
from analysis.ibert.minilm import Floats, Functions, MiniLM

NAMES = ("softmax", "gelu", "layer_norm")
FORMS = ("paper", "code", "safe")
SENTENCES = (
    "The cat sleeps on the warm stone wall in the afternoon sun.",
    "A kitten is having a nap outside where it is sunny.",
    "Interest rates rose by half a percent, and shares fell sharply.",
    "The central bank made borrowing more expensive, so markets dropped.",
    "To multiply two matrices, take the product of each row with each column.",
    "Heat the oil, add the onions, and stir until they are golden.",
    "Fry chopped onions slowly in a pan before adding the tomatoes.",
    "The train to the coast leaves at nine and arrives before noon.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRow:
    """One function in one form, over every call of it in every layer: the least cosine, and the greatest error."""

    function: str
    form: str
    calls: int
    least_cosine: float
    greatest_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """Sentence vectors with functions replaced, beside those in floats; ``neighbours``: nearest ones that stayed."""

    replaced: str
    form: str
    least_cosine: float
    mean_cosine: float
    neighbours: int


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Of two arrays as vectors, in binary64.

    >>> cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])).__round__(4)
    0.7071
    """
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def compare_functions(model: MiniLM, form: str, sentences: tuple[str, ...] = SENTENCES) -> list[FunctionRow]:
    """Each function on what the float model gives it: integers only where the function is."""
    integer = IntegerFunctions(form)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}

    def watched(name: str) -> Callable[..., Floats]:
        exact, other = getattr(Functions(), name), getattr(integer, name)

        def run(*given: Floats) -> Floats:
            due, got = exact(*given), other(*given)
            found[name].append((cosine(due, got), float(np.abs(due - got).max())))
            return due

        return run

    functions = Functions(**{name: watched(name) for name in NAMES})
    for sentence in sentences:
        model.embed(sentence, functions)
    return [
        FunctionRow(
            function=name,
            form=form,
            calls=len(pairs),
            least_cosine=min(pair[0] for pair in pairs),
            greatest_error=max(pair[1] for pair in pairs),
        )
        for name, pairs in found.items()
    ]


def compare_models(model: MiniLM, form: str, sentences: tuple[str, ...] = SENTENCES) -> list[ModelRow]:
    """Each function replaced alone in all layers, then all three: errors travel through the model."""
    integer, due = IntegerFunctions(form), _vectors(model, Functions(), sentences)
    rows: list[ModelRow] = []
    for names in (*((name,) for name in NAMES), NAMES):
        functions = replace(Functions(), **{name: getattr(integer, name) for name in names})
        got = _vectors(model, functions, sentences)
        cosines = [cosine(a, b) for a, b in zip(due, got, strict=True)]
        rows.append(
            ModelRow(
                replaced="all three" if len(names) > 1 else names[0],
                form=form,
                least_cosine=min(cosines),
                mean_cosine=float(np.mean(cosines)),
                neighbours=int((neighbours(due) == neighbours(got)).sum()),
            )
        )
    return rows


def neighbours(vectors: Floats) -> NDArray[np.intp]:
    """For each vector the place of the one, not itself, of the greatest cosine.

    >>> neighbours(np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)).tolist()
    [1, 0, 1]
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -2)
    return near.argmax(axis=1)


def _vectors(model: MiniLM, functions: Functions, sentences: tuple[str, ...]) -> Floats:
    return np.stack([model.embed(sentence, functions) for sentence in sentences])
