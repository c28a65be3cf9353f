"""PyTorch on the CPU: ``Tensor.to``."""

from __future__ import annotations

import numpy as np
import pytest
from peers.adapters.mldtypes import in_int32
from peers.adapters.peer import CUT_AND_WRAP, FINITE, NONE, Codes, Peer, Values

torch = pytest.importorskip("torch")
POLICY = {
    "float8_e4m3fn": FINITE,
    "float8_e5m2": NONE,
    "float8_e4m3fnuz": NONE,
    "float8_e5m2fnuz": NONE,
    "float8_e8m0fnu": NONE,
    "bfloat16": NONE,
    "float16": NONE,
    "int8": CUT_AND_WRAP,
    "uint8": CUT_AND_WRAP,
}
_WORDS = {1: torch.uint8, 2: torch.uint16}


def encode(values: Values, fmt: str) -> Codes:
    if values.dtype.name == "bfloat16":
        tensor = torch.from_numpy(values.view(np.uint16)).view(torch.bfloat16)
    else:
        tensor = torch.from_numpy(values)
    target = tensor.to(getattr(torch, fmt))
    return target.view(_WORDS[target.element_size()]).numpy()


def decode(codes: Codes, fmt: str) -> Values:
    target = getattr(torch, fmt)
    tensor = torch.from_numpy(codes.astype(f"u{target.itemsize}")).view(target)
    return tensor.to(torch.float32).numpy()


PEERS = (
    Peer(
        name="torch to",
        policy=POLICY,
        encode=encode,
        decodes=tuple(POLICY),
        decode=decode,
        accepts=in_int32,
    ),
)
