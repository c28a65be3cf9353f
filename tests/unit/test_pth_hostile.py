"""Legacy .pth files: tensors come out, whatever else is refused with ValueError, and nothing is ever executed."""

import numpy as np
import pytest
from pth_files import (
    FLOAT,
    HALF,
    LONG,
    ORDERED_DICT,
    REBUILD,
    dictionary,
    number,
    pth_bytes,
    storage,
    tensor,
    text,
    tuple_of,
)

from analysis.tensors import Skipped, Tensor, pth_file

ROWS = np.arange(12, dtype=np.float32)
ARRAYS = {"a": ROWS, "b": np.array([3], np.int64), "c": np.array([1.5, -2], np.float16)}
ROW_MAJOR = tensor(storage("a", FLOAT, 12), 0, (3, 4), (4, 1))
ENTRIES = [
    ("rows", ROW_MAJOR),
    ("columns", tensor(storage("a", FLOAT, 12), 1, (2, 3), (1, 4))),
    ("steps", tensor(storage("b", LONG, 1), 0, (), ())),
    ("halves", tensor(storage("c", HALF, 2), 0, (2,), (1,))),
]
VERSIONS = b"}" + text("_metadata") + ORDERED_DICT + b")R" + b"sb"


def read(folder, content):
    path = folder / "weights.pth"
    path.write_bytes(content)
    return list(pth_file.read(path, lambda name: True))


def only(body):
    """A file of float32 storage "a" alone."""
    return pth_bytes(body, {"a": ROWS})


def test_tensors_are_views_with_their_strides(tmp_path):
    rows, columns, steps, halves = read(tmp_path, pth_bytes(dictionary(ENTRIES, VERSIONS), ARRAYS))
    assert isinstance(rows, Tensor)
    assert np.array_equal(rows.values, ROWS.reshape(3, 4))
    assert np.array_equal(columns.values, [[1, 5, 9], [2, 6, 10]])
    assert not rows.values.flags.writeable
    assert isinstance(steps, Skipped)
    assert "int64" in steps.reason
    assert halves.values.dtype == np.float16
    assert halves.values.tolist() == [1.5, -2]


def test_only_the_wanted_are_given(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(pth_bytes(dictionary(ENTRIES), ARRAYS))
    assert [entry.name for entry in pth_file.read(path, lambda name: name == "rows")] == ["rows"]


def test_memo_and_long_numbers(tmp_path):
    memo = dictionary([("x", ROW_MAJOR + b"q\x05"), ("y", b"h\x05"), ("z", b"h\x05r\x00\x01\x00\x00")])
    assert [entry.name for entry in read(tmp_path, only(memo))] == ["x", "y", "z"]


def test_every_truncation_is_refused(tmp_path):
    whole = pth_bytes(dictionary(ENTRIES[:2]), {"a": ROWS})
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"truncated|empty file"):
            read(tmp_path, whole[:length])


def test_every_changed_bit_is_read_or_refused(tmp_path):
    whole = bytearray(pth_bytes(dictionary([("w", ROW_MAJOR)]), {"a": ROWS}))
    refused = 0  # no other error than ValueError
    for position in range(len(whole)):
        for bit in range(8):
            whole[position] ^= 1 << bit
            try:
                read(tmp_path, bytes(whole))
            except ValueError:
                refused += 1
            whole[position] ^= 1 << bit
    assert 0 < refused < 8 * len(whole) - 8 * ROWS.nbytes + 1  # every bit of the numbers is a number's


@pytest.mark.parametrize("name", [b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch\nload\n", b"ccollections\ndeque\n"])
def test_a_foreign_name_is_refused_before_anything_is_done_with_it(tmp_path, name):
    hostile = name + tuple_of(text("touch " + str(tmp_path / "owned"))) + b"R"
    with pytest.raises(ValueError, match=r"the name '.*', which is none of collections OrderedDict"):
        read(tmp_path, only(hostile))
    assert not (tmp_path / "owned").exists()


HOSTILE = {
    "an unknown opcode": (only(b"i"), "opcode b'i', which no dictionary of tensors needs"),
    "a class called by the newer opcode": (only(ORDERED_DICT + b")\x81"), r"opcode b'\\x81'"),
    "an object of a name": (only(ORDERED_DICT), "no dictionary of tensors"),
    "a name called with something": (only(ORDERED_DICT + tuple_of(number(1)) + b"R"), "with 1 operands that it does"),
    "a storage type called": (only(FLOAT + b")R"), "torch FloatStorage with 0 operands"),
    "a call of no name": (only(number(1) + b")R"), "a int where there must be: Name"),
    "a tensor with hooks": (
        only(dictionary([("w", tensor(storage("a", FLOAT, 12), 0, (1,), (1,), b"}" + text("x") + b"Ns"))])),
        "_rebuild_tensor_v2 with 6 operands that it does not take here",
    ),
    "a tensor without its operands": (only(dictionary([("w", REBUILD + b")R")])), "with 0 operands"),
    "no tensor": (only(dictionary([("w", number(7))])), "entry 'w', which is no tensor"),
    "two tensors of a name": (only(dictionary([("w", ROW_MAJOR), ("w", ROW_MAJOR)])), "a second entry 'w'"),
    "a key that is no text": (only(ORDERED_DICT + b")R(" + number(1) + ROW_MAJOR + b"u"), "a key that is a int"),
    "a key without a value": (only(ORDERED_DICT + b")R(" + text("w") + b"u"), "a key without its value"),
    "attributes": (only(dictionary([], b"}" + text("__class__") + b"Nsb")), "attributes other than _metadata"),
    "an undefined memo": (only(b"h\x09"), "value 9, which nothing defined"),
    "no mark": (only(b"t"), "items without a mark"),
    "a mark as a value": (only(b"(q\x00"), "where there must be"),
    "an empty stack": (only(b""), "the stack is empty"),
    "a storage that is no storage": (only(tuple_of(text("module"), b"N") + b"Q"), "a storage that is not"),
    "another protocol": (only(b"\x80\x04}"), "protocol 4, not 2"),
    "a tensor beyond its storage": (
        only(dictionary([("w", tensor(storage("a", FLOAT, 12), 9, (4,), (1,)))])),
        "a tensor of 4 numbers up to number 12 in a storage of 12",
    ),
    "a tensor larger than its storage": (
        only(dictionary([("w", tensor(storage("a", FLOAT, 12), 0, (1 << 40,), (0,)))])),
        "a tensor of 1099511627776 numbers",
    ),
    "a negative offset": (only(dictionary([("w", tensor(storage("a", FLOAT, 12), -1, (1,), (1,)))])), "are no counts"),
    "strides of another rank": (
        only(dictionary([("w", tensor(storage("a", FLOAT, 12), 0, (1,), (1, 1)))])),
        "are no counts of one rank",
    ),
    "a storage of two types": (
        only(dictionary([("w", ROW_MAJOR), ("v", tensor(storage("a", LONG, 12), 0, (1,), (1,)))])),
        "two storages of the key 'a'",
    ),
    "a storage of another size": (
        pth_bytes(dictionary([("w", ROW_MAJOR)]), {"a": ROWS[:11]}),
        "storage 'a' of 11 numbers, not 12",
    ),
    "a storage too many": (pth_bytes(dictionary([("w", ROW_MAJOR)]), ARRAYS), "a list of storages other than"),
    "a storage that is not listed": (
        pth_bytes(dictionary([("w", ROW_MAJOR)]), {"a": ROWS}, keys=[]),
        "a list of storages other than",
    ),
    "bytes at the end": (pth_bytes(dictionary([("w", ROW_MAJOR)]), {"a": ROWS}, end=b"\0"), "1 bytes after the last"),
    "another magic number": (pth_bytes(dictionary([]), {}, magic=1), "no magic number 0x1950a86a20f9469cfc6c"),
    "another version": (pth_bytes(dictionary([]), {}, version=1002), "no version 0x3e9"),
    "big-endian": (pth_bytes(dictionary([]), {}, little_endian=b"\x89"), "does not say little_endian"),
    "no UTF-8": (only(b"X\x01\x00\x00\x00\xff"), "a name that is not UTF-8"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(tmp_path, case):
    content, reason = HOSTILE[case]
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, content)


def test_an_empty_tensor_and_an_empty_dictionary(tmp_path):
    empty = tensor(storage("a", FLOAT, 0), 0, (0, 3), (3, 1))
    (entry,) = read(tmp_path, pth_bytes(dictionary([("w", empty)]), {"a": ROWS[:0]}))
    assert entry.values.shape == (0, 3)
    assert read(tmp_path, pth_bytes(dictionary([]), {})) == []
