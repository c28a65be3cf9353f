"""The opcodes of a saved dictionary of tensors, interpreted as data: nothing is imported, called or constructed.

Values are numbers, texts, tuples, lists, dictionaries with text keys, and the records below. Everything else that a
pickle can say, every name but five, and every use of those names but one, is refused.
Source: the opcodes of protocol 2 as CPython's ``pickletools`` documents them; torch/serialization.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.tensors.cursor import Cursor

ORDERED_DICT, REBUILD_TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
DTYPES = {"torch FloatStorage": "<f4", "torch HalfStorage": "<f2", "torch LongStorage": "<i8"}
NAMES = (ORDERED_DICT, REBUILD_TENSOR, *DTYPES)


@dataclass(frozen=True, slots=True)
class Name:
    """One of `NAMES`: a word, not the object that it names."""

    text: str


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of one or more tensors, which the file holds after its dictionary."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class Placement:
    """A tensor: its storage, and where in it. All are counts of elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where the items of a tuple, list or dictionary begin on the stack."""


MARK = _Mark()


def interpret(cursor: Cursor) -> Any:
    """The value that the opcodes from here on describe, up to their STOP.

    Raises ``ValueError`` with the offset for an unknown opcode, another name, a wrong operand, or a truncated file.
    """
    machine = _Machine(cursor)
    while (opcode := cursor.take(1)) != b".":
        action = _ACTIONS.get(opcode)
        if action is None:
            raise cursor.error(f"opcode {opcode!r}, which no dictionary of tensors needs,")
        action(machine)
    return machine.pop(object)


@dataclass(slots=True)
class _Machine:
    cursor: Cursor
    stack: list[Any] = field(default_factory=list[Any])
    memo: dict[int, Any] = field(default_factory=dict[int, Any])

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, *kinds: type) -> Any:
        if not self.stack:
            raise self.cursor.error("a value is due, the stack is empty")
        value = self.stack.pop()
        if value is MARK or not isinstance(value, kinds):
            accepted = ", ".join(kind.__name__ for kind in kinds)
            raise self.cursor.error(f"a {type(value).__name__} where there must be: {accepted};")
        return value

    def marked(self) -> list[Any]:
        """What lies above the last mark, which goes as well."""
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is MARK:
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise self.cursor.error("items without a mark")

    def remember(self, index: int) -> None:
        value = self.pop(object)
        self.memo[index] = value
        self.push(value)

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise self.cursor.error(f"value {index}, which nothing defined,")
        self.push(self.memo[index])

    def protocol(self) -> None:
        if (version := self.cursor.unsigned(1)) != 2:
            raise self.cursor.error(f"protocol {version}, not 2,")

    def signed(self, size: int) -> None:
        self.push(int.from_bytes(self.cursor.take(size), "little", signed=True))

    def name(self) -> None:
        text = f"{self.line()} {self.line()}"
        if text not in NAMES:
            raise self.cursor.error(f"the name {text!r}, which is none of {', '.join(NAMES)},")
        self.push(Name(text))

    def line(self) -> str:
        characters = bytearray()
        while (character := self.cursor.take(1)) != b"\n":
            characters += character
        return characters.decode("ascii", "backslashreplace")

    def tuple_of(self, count: int) -> None:
        self.push(tuple(reversed([self.pop(object) for _ in range(count)])))

    def append(self, items: list[Any]) -> None:
        target = self.pop(list)
        target += items
        self.push(target)

    def set_items(self, items: list[Any]) -> None:
        target = self.pop(dict)
        if len(items) % 2:
            raise self.cursor.error("a key without its value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise self.cursor.error(f"a key that is a {type(key).__name__}, not text,")
            if key in target:
                raise self.cursor.error(f"a second entry {key!r}")
            target[key] = value
        self.push(target)

    def set_item(self) -> None:
        value, key = self.pop(object), self.pop(object)
        self.set_items([key, value])

    def storage(self) -> None:
        match self.pop(tuple):
            case ("storage", Name(text), str(key), str(), int(count), None) if text in DTYPES and count >= 0:
                self.push(Storage(key, np.dtype(DTYPES[text]), count))
            case _:
                raise self.cursor.error("a storage that is not (storage, type, key, place, count, None)")

    def call(self) -> None:
        """What a name would be called with: an empty dictionary, or a tensor's placement."""
        given = self.pop(tuple)
        operands: list[Any] = list(given)
        called = self.pop(Name)
        match called.text, given:
            case text, () if text == ORDERED_DICT:
                self.push({})
            case text, (Storage(), int(), tuple(), tuple(), bool(), dict()) if (
                text == REBUILD_TENSOR and not operands[5]
            ):
                self.push(self.placement(*operands[:4]))
            case _:
                raise self.cursor.error(f"{called.text} with {len(given)} operands that it does not take here")

    def placement(self, storage: Storage, offset: int, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> Placement:
        """A tensor that lies within its storage and has no more elements than that."""
        if not (_counts((offset,)) and _counts(shape) and _counts(strides) and len(shape) == len(strides)):
            raise self.cursor.error("a tensor whose offset, shape and strides are no counts of one rank")
        count = math.prod(shape)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if count else 0
        if count > storage.count or last >= max(storage.count, 1):
            raise self.cursor.error(f"a tensor of {count} numbers up to number {last} in a storage of {storage.count}")
        return Placement(storage, offset, shape, strides)

    def attributes(self) -> None:
        """Attributes of a dictionary: module versions, which are no tensors."""
        match self.pop(dict):
            case {"_metadata": dict(), **rest} if not rest:
                self.push(self.pop(dict))
            case _:
                raise self.cursor.error("attributes other than _metadata")


def _counts(numbers: tuple[Any, ...]) -> bool:
    """Whether these are sizes or strides of an array: at most 64 numbers of 48 bits."""
    return len(numbers) <= 64 and all(type(number) is int and 0 <= number < 1 << 48 for number in numbers)


_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"(": lambda m: m.push(MARK),
    b"}": lambda m: m.push({}),
    b"]": lambda m: m.push([]),
    b")": lambda m: m.push(()),
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"K": lambda m: m.push(m.cursor.unsigned(1)),
    b"M": lambda m: m.push(m.cursor.unsigned(2)),
    b"J": lambda m: m.signed(4),
    b"\x8a": lambda m: m.signed(m.cursor.unsigned(1)),
    b"X": lambda m: m.push(m.cursor.text(m.cursor.unsigned(4))),
    b"c": _Machine.name,
    b"q": lambda m: m.remember(m.cursor.unsigned(1)),
    b"r": lambda m: m.remember(m.cursor.unsigned(4)),
    b"h": lambda m: m.recall(m.cursor.unsigned(1)),
    b"j": lambda m: m.recall(m.cursor.unsigned(4)),
    b"t": lambda m: m.push(tuple(m.marked())),
    b"\x85": lambda m: m.tuple_of(1),
    b"\x86": lambda m: m.tuple_of(2),
    b"\x87": lambda m: m.tuple_of(3),
    b"a": lambda m: m.append([m.pop(object)]),
    b"e": lambda m: m.append(m.marked()),
    b"s": _Machine.set_item,
    b"u": lambda m: m.set_items(m.marked()),
    b"Q": _Machine.storage,
    b"R": _Machine.call,
    b"b": _Machine.attributes,
}
