"""A sample of the tests themselves, for a Python that is not the first to run them.

``ASSAY_SAMPLE=1/n`` runs one of n slices; the rotation takes another each day, so n days run each test once. A test
lies in a slice by its name, on every machine and Python alike. Left whole is what another Python may skip: kernels for
GPUs, which need the newest jax, what is known about versions of jax, and every test with a ``skipif``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

import pytest
from rotation import INDEX, WHOLE

LEFT_WHOLE = re.compile(
    r"tests/kernels/(?!\w*_jax)"  # those of JAX on XLA run on every Python
    r"|kernels_ref/(hopper|mosaic|pallas)"
    r"|tests/peers/test_disagreements\.py"
)


def parts_of(share: str) -> int:
    """n of a share "1/n"."""
    found = re.fullmatch(r"1/([1-9][0-9]*)", share)
    if found is None:
        raise pytest.UsageError(f"ASSAY_SAMPLE={share}; accepted: 1/n with n at least 1, as in 1/3")
    return int(found[1])


def slice_of(name: str, parts: int) -> int:
    """Which of the slices 0 to ``parts`` - 1 a test lies in: the SHA-256 of its name, modulo ``parts``."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()) % parts


def is_left_whole(item: pytest.Item) -> bool:
    """Whether a test runs every day."""
    return LEFT_WHOLE.match(item.nodeid) is not None or item.get_closest_marker("skipif") is not None


def sample(items: Sequence[pytest.Item], parts: int, day: int) -> list[pytest.Item]:
    """The tests of a day, in their order."""
    return [item for item in items if is_left_whole(item) or slice_of(item.nodeid, parts) == day % parts]


_SHARE = parts_of(os.environ.get("ASSAY_SAMPLE") or "1/1")
PARTS = 1 if WHOLE else _SHARE


def header() -> str:
    """What a run says of its sample."""
    return (
        f"assay sample: slice {INDEX % PARTS} of {PARTS}; kernels for GPUs whole"
        if PARTS > 1
        else "assay sample: every test"
    )
