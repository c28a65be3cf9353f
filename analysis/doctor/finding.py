"""A probe measures one thing; a finding says what it measured and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: the answer of every probe that raised instead of measuring
FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measured fact about this machine."""

    group: str
    name: str
    #: the JAX backend it was measured on; empty where none is involved
    backend: str
    answer: str
    #: the numbers behind the answer
    detail: str
    #: what follows for the user
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A measurement with a closed set of answers, each with its meaning.

    ``measure`` returns an answer and its detail. One that raises gives the answer ``failed``; one that answers
    outside its vocabulary is a defect and raises ``ValueError``.

    >>> answers = {"yes": "as it should"}
    >>> Probe(group="demo", name="is 3 odd", answers=answers, measure=lambda: ("yes", "3 % 2 = 1")).run().meaning
    'as it should'
    """

    group: str
    name: str
    answers: Mapping[str, str]
    measure: Callable[[], tuple[str, str]]

    def run(self, backend: str = "") -> Finding:
        """Measure; the caller has made ``backend`` the default."""
        try:
            answer, detail = self.measure()
        except Exception as error:  # whatever a library here raises is a finding, and the other probes go on
            return self._finding(backend, FAILED, _one_line(error), "could not be measured here: nothing is known")
        if answer not in self.answers:
            raise ValueError(f"probe {self.name!r} answered {answer!r}; its answers are: {', '.join(self.answers)}")
        return self._finding(backend, answer, detail, self.answers[answer])

    def _finding(self, backend: str, answer: str, detail: str, meaning: str) -> Finding:
        return Finding(group=self.group, name=self.name, backend=backend, answer=answer, detail=detail, meaning=meaning)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
