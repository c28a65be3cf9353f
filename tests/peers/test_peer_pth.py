"""Legacy .pth files as torch writes them."""

import numpy as np
import pytest

from analysis.tensors import Tensor, pth_file

pytestmark = pytest.mark.peers


def test_what_torch_saves_is_what_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = layer.state_dict()
    state["turned"] = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    state["half"] = torch.tensor([1.5, -0.0]).half()
    torch.save(state, tmp_path / "weights.pth", _use_new_zipfile_serialization=False)
    entries = list(pth_file.read(tmp_path / "weights.pth", lambda name: True))
    assert [entry.name for entry in entries] == list(state)
    for entry in entries:
        if isinstance(entry, Tensor):
            assert np.array_equal(entry.values, state[entry.name].numpy())
    assert sum(isinstance(entry, Tensor) for entry in entries) == len(state) - 1  # num_batches_tracked is an integer
