"""Legacy .pth files, opcode by opcode: what a well-behaved writer leaves, and what a hostile one might."""

import struct

MAGIC = 0x1950A86A20F9469CFC6C
ORDERED_DICT, REBUILD = b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOAT, HALF, LONG = (b"ctorch\n" + name + b"Storage\n" for name in (b"Float", b"Half", b"Long"))


def text(characters):
    encoded = characters.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(n):
    if -(1 << 31) <= n < 1 << 31:
        return b"J" + struct.pack("<i", n)
    width = n.bit_length() // 8 + 1
    return b"\x8a" + bytes([width]) + n.to_bytes(width, "little", signed=True)


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def storage(key, kind, count):
    return tuple_of(text("storage"), kind, text(key), text("cpu"), number(count), b"N") + b"Q"


def tensor(stored, offset, shape, strides, hooks=ORDERED_DICT + b")R"):
    places = (number(offset), tuple_of(*map(number, shape)), tuple_of(*map(number, strides)))
    return REBUILD + tuple_of(stored, *places, b"\x89", hooks) + b"R"


def pickled(body):
    return b"\x80\x02" + body + b"."


def dictionary(entries, attributes=b""):
    items = b"".join(text(name) + value for name, value in entries)
    return ORDERED_DICT + b")R(" + items + b"u" + attributes


def pth_bytes(body, arrays, *, magic=MAGIC, version=1001, little_endian=b"\x88", keys=None, end=b""):
    """A whole file: ``body`` is the dictionary's opcodes, ``arrays`` the storages by key."""
    header = b"}" + text("little_endian") + little_endian + b"s"
    listed = b"](" + b"".join(text(key) for key in (sorted(arrays) if keys is None else keys)) + b"e"
    stored = b"".join(struct.pack("<q", arrays[key].size) + arrays[key].tobytes() for key in sorted(arrays))
    return b"".join(map(pickled, (number(magic), number(version), header, body, listed))) + stored + end
