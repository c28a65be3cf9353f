"""The tensors of a file that make up one quantised weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from analysis.tensors.checkpoints.config import Config
from analysis.tensors.checkpoints.quantised import Quantised
from analysis.tensors.safetensors_file import Contents, Stored
from analysis.tensors.tensor import Skipped, Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """The tensors that store the weight ``name``, by the ending that tells them apart.

    ``missing`` are the names of tensors that should be there and are not, ``beside`` reads what the files beside say
    about quantisation, when it is asked, and ``attributes`` are what the file's own metadata says.
    """

    name: str
    file: Contents
    members: Mapping[str, Stored]
    missing: tuple[str, ...]
    beside: Callable[[], Config]
    attributes: Mapping[str, Any]
    reader: Callable[[Group], Quantised | Skipped]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members."""
        return tuple(stored.name for stored in self.members.values())

    @property
    def config(self) -> Config:
        """What the files beside say about quantisation. ``ValueError`` if they are damaged."""
        return self.beside()

    def quantised(self) -> Quantised | Skipped:
        """The weight, or why it is not read. ``ValueError`` if tensors are missing or contradict each other."""
        if self.missing:
            raise ValueError(f"{self.file.path}: {self.names[0]!r} has no {self.missing[0]!r} beside it")
        return self.reader(self)

    def tensor(self) -> Tensor | Skipped:
        """The decoded weight, or why it is not read."""
        weight = self.quantised()
        return weight if isinstance(weight, Skipped) else weight.tensor()

    def skipped(self, reason: str) -> Skipped:
        """Why the weight is not read."""
        return Skipped(name=self.name, reason=reason)

    def source(self, what: str) -> str:
        """Where the weight comes from, for people."""
        return f"{self.file.path}: decoded from {what}"

    def error(self, ending: str, complaint: str) -> ValueError:
        """The error to raise about a member."""
        return ValueError(f"{self.file.path}: {self.members[ending].name!r} {complaint}")

    def need(self, condition: bool, ending: str, complaint: str) -> None:
        """Raises ``ValueError`` about a member unless the condition holds."""
        if not condition:
            raise self.error(ending, complaint)

    def dtype(self, ending: str) -> str:
        """The format's name of a member's dtype."""
        return self.members[ending].dtype

    def array(self, ending: str, dtypes: tuple[str, ...], ndim: int | None = None) -> NDArray[Any]:
        """A member that must have one of these dtypes and, if stated, this rank, and must not be empty."""
        stored = self.members[ending]
        self.need(stored.dtype in dtypes, ending, f"has dtype {stored.dtype}; accepted: {', '.join(dtypes)}")
        shape = f"has shape {list(stored.shape)}"
        self.need(0 not in stored.shape, ending, f"{shape}, which is empty")
        self.need(ndim in (None, len(stored.shape)), ending, f"{shape}; {ndim} axes are accepted")
        assert stored.values is not None, stored
        return stored.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """How a library names the tensors of a weight.

    A tensor ``prefix + anchor`` shows that there is a quantised weight ``prefix + weight``, if ``prefix + carrier`` has
    a dtype that ``carried`` lists. The other endings are members if they are there; ``required`` ones must be.
    """

    anchor: str
    weight: str
    carrier: str
    carried: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    reader: Callable[[Group], Quantised | Skipped]

    def groups(self, file: Contents, beside: Callable[[], Config]) -> Iterator[Group]:
        """The weights that the file stores in this way."""
        for name in file.tensors:
            prefix = name.removesuffix(self.anchor)
            carrier = file.tensors.get(prefix + self.carrier)
            if prefix != name and carrier is not None and carrier.dtype in self.carried:
                yield self._group(prefix, file, beside)

    def _group(self, prefix: str, file: Contents, beside: Callable[[], Config]) -> Group:
        endings = dict.fromkeys((self.anchor, self.carrier, *self.required, *self.optional))
        return Group(
            name=prefix + self.weight,
            file=file,
            members={ending: file.tensors[prefix + ending] for ending in endings if prefix + ending in file.tensors},
            missing=tuple(prefix + ending for ending in self.required if prefix + ending not in file.tensors),
            beside=beside,
            attributes={},
            reader=self.reader,
        )
