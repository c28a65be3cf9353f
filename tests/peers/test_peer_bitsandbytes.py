"""bitsandbytes on CPU: its tables, its 4-bit and 8-bit codes at every threshold, and where its back ends disagree."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest

from formats.code_books.book import CodebookSpec
from formats.code_books.decisions import decision
from formats.code_books.named import NF4, codebook
from reference.array.codebook import encode_table, values
from reference.codebook import decode_codebook, encode_codebook

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of the GPU that is not there
    bnb = pytest.importorskip("bitsandbytes")
    functional = pytest.importorskip("bitsandbytes.functional")

pytestmark = pytest.mark.peers

FP4 = codebook("bitsandbytes_fp4")
DYNAMIC = {signed: codebook(f"bitsandbytes_dynamic_{'signed' if signed else 'unsigned'}") for signed in (True, False)}

#: create_dynamic_map's binary32 tables by torch.backends.cpu: first the scalar build, then AVX2 and AVX512
TABLE_DIGESTS = {True: ("dad4c269", "e732639a"), False: ("9dad1cb8", "305f002c")}
#: number -> (code of the CPU wheel, code of the nearest value): a table over a grid that has no point at 0
CPU_GRID = {
    True: {0.0: (131, 127), 5.5e-7: (131, 128), -5.5e-7: (123, 126), 3.25e-6: (131, 129), 7.75e-6: (131, 130)},
    False: {0.0: (7, 0), 3.25e-7: (7, 1), 7.75e-7: (7, 2)},
}
#: number -> (code of the torch back end, code by CUDA's rule)
FP4_BACK_ENDS = {1e-9: (8, 0), -1e-9: (0, 8), 0.002604168: (1, 0), 0.5833331: (5, 2), -0.5833331: (13, 10)}


def near(book: CodebookSpec, name: str) -> np.ndarray:
    """The binary32 numbers in [-1, 1] around every threshold, and the ends."""
    keys = np.array(encode_table(book, decision(name, book), None).keys, np.int64)
    keys = np.unique(np.concatenate([keys + offset for offset in range(-3, 3)] + [[0x3F800000, ~0x3F800000, 0, 1, -1]]))
    keys = keys[(keys >= ~0x3F800000) & (keys <= 0x3F800000)].astype(np.int32)
    return (keys ^ ((keys >> 31) & 0x7FFFFFFF)).view(np.float32)


def in_blocks(y: np.ndarray, block: int) -> np.ndarray:
    """Each block begins with 1, which is then its absmax, so that the rest is quantised as it is."""
    padded = np.append(y, np.zeros(-len(y) % (block - 1), np.float32)).reshape(-1, block - 1)
    return np.concatenate([np.ones((len(padded), 1), np.float32), padded], axis=1).reshape(-1)


def out_of_blocks(codes: np.ndarray, block: int, count: int) -> np.ndarray:
    return codes.reshape(-1, block)[:, 1:].reshape(-1)[:count]


def quantize_4bit(y: np.ndarray, kind: str) -> np.ndarray:
    packed, _ = torch.ops.bitsandbytes.quantize_4bit(torch.from_numpy(in_blocks(y, 64)), 64, kind, torch.uint8)
    words = packed.numpy().reshape(-1)
    return out_of_blocks(np.stack([words >> 4, words & 15], axis=-1).reshape(-1), 64, len(y))


def quantize_8bit(y: np.ndarray, table: np.ndarray) -> np.ndarray:
    blocks, code = torch.from_numpy(in_blocks(y, 256)), torch.from_numpy(table.copy())
    codes, _ = torch.ops.bitsandbytes.quantize_blockwise(blocks, code, 256)
    return out_of_blocks(codes.numpy().reshape(-1), 256, len(y))


def test_tables_of_4_bits():
    assert functional.get_4bit_type("nf4", device="cpu").tolist() == values(NF4).tolist()
    assert functional.get_4bit_type("fp4", device="cpu").tolist() == values(FP4).tolist()  # -0 == 0
    assert not np.signbit(
        functional.get_4bit_type("fp4", device="cpu")[8].item()
    )  # a table of decimals has no -0; CUDA's has


def test_nf4_by_its_construction():
    built = np.unique(functional.create_normal_map().numpy())
    assert built.tolist() == values(NF4).tolist()


def test_the_documented_construction_of_fp4_is_another_format():
    built = np.unique(np.abs(functional.create_fp8_map(True, 2, 1, 4).numpy()))
    ours = np.unique(np.abs(values(FP4)))
    assert [built[1], ours[1]] == np.float32([1 / 48, 1 / 192]).tolist()


@pytest.mark.parametrize(
    ("book", "kind", "name"), [(NF4, "nf4", "bitsandbytes_nf4"), (FP4, "fp4", "bitsandbytes_fp4_torch")]
)
def test_codes_of_4_bits_at_every_threshold(book, kind, name):
    y = np.concatenate([near(book, other) for other in ("lower", name)])
    np.testing.assert_array_equal(quantize_4bit(y, kind), encode_codebook(y, book, decision=name))


@pytest.mark.parametrize("number", FP4_BACK_ENDS)
def test_back_ends_of_fp4_disagree(number):
    theirs, cuda = FP4_BACK_ENDS[number]
    y = np.float32([number])
    assert quantize_4bit(y, "fp4").tolist() == [theirs]
    assert encode_codebook(y, FP4, decision="bitsandbytes_fp4_cuda").tolist() == [cuda]


@pytest.mark.parametrize(("book", "kind"), [(NF4, "nf4"), (FP4, "fp4")])
def test_decoding_4_bits(book, kind):
    """With absmax 1; the CPU kernel of FP4 has CUDA's -0."""
    words = torch.arange(256, dtype=torch.uint8).reshape(-1, 1)
    absmax = torch.ones(512 // 64)
    got = torch.ops.bitsandbytes.dequantize_4bit(words, absmax, 64, kind, [512], torch.float32).numpy().reshape(-1)
    codes = np.stack([np.arange(256) >> 4, np.arange(256) & 15], axis=-1).reshape(-1)
    np.testing.assert_array_equal(got, decode_codebook(codes, book))


@pytest.mark.parametrize("signed", [True, False])
def test_dynamic_tables_vary_with_the_machine_and_lie_within_2_units_of_ours(signed):
    theirs = functional.create_dynamic_map(signed).numpy()
    ours = values(DYNAMIC[signed])
    assert hashlib.sha256(theirs.astype("<f4").tobytes()).hexdigest()[:8] in TABLE_DIGESTS[signed]
    assert 1 <= np.abs(theirs.view(np.int32) - ours.view(np.int32)).max() <= 2


@pytest.mark.parametrize("signed", [True, False])
def test_the_cpu_grid_at_every_threshold(signed):
    """Our table, its look-up."""
    book = DYNAMIC[signed]
    y = np.concatenate([near(book, "lower"), near(book, "bitsandbytes_dynamic_cpu")])
    np.testing.assert_array_equal(
        quantize_8bit(y, values(book)), encode_codebook(y, book, decision="bitsandbytes_dynamic_cpu")
    )


@pytest.mark.parametrize("signed", [True, False])
def test_the_cpu_grid_misses_the_nearest_value(signed):
    book = DYNAMIC[signed]
    y = np.float32(list(CPU_GRID[signed]))
    theirs, nearest = zip(*CPU_GRID[signed].values(), strict=True)
    assert quantize_8bit(y, values(book)).tolist() == list(theirs)
    assert encode_codebook(y, book, decision="even_index").tolist() == list(nearest)


@pytest.mark.parametrize("signed", [True, False])
def test_the_torch_back_end_at_every_threshold(signed):
    """Its two lines on a table; the wheel's own CPU kernel takes its place, so it cannot be called there."""
    book = DYNAMIC[signed]
    y, table = near(book, "bitsandbytes_dynamic_torch"), torch.from_numpy(values(book).copy())
    codes = torch.bucketize(torch.from_numpy(y), (table[:-1] + table[1:]) / 2).numpy()
    np.testing.assert_array_equal(codes, encode_codebook(y, book, decision="bitsandbytes_dynamic_torch"))


def test_version():
    assert bnb.__version__ == "0.50.2"  # the sources of the decisions are those of this version
