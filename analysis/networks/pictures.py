"""Pictures that installed packages bring along, as an ImageNet network takes them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.networks.float_network import Floats

#: the distribution by the folder that it installs
PACKAGES = {"skimage": "scikit-image", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}
SIZE, SHORT_SIDE = 224, 256


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of a package, and its SHA-256."""

    member: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without folder and suffix."""
        return Path(self.member).stem


#: what networks are judged by: the pictures in colour of at least 200 rows and columns in scikit-image 0.26.0 and
#: scikit-learn 1.9.1. Not all are photographs: a chessboard, a phantom, a logo, a tissue are among them
EVALUATED = (
    Picture("skimage/data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    Picture("skimage/data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    Picture("skimage/data/chessboard_RGB.png", "1ac01eff2d4e50f4eda55a2ddecdc28a6576623a58d7a7ef84513c5cc19a0331"),
    Picture("skimage/data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    Picture("skimage/data/color.png", "7d2df993de2b4fa2a78e04e5df8050f49a9c511aa75e59ab3bd56ac9c98aef7e"),
    Picture("skimage/data/horse.png", "c7fb60789fe394c485f842291ea3b21e50d140f39d6dcb5fb9917cc178225455"),
    Picture("skimage/data/ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
    Picture("skimage/data/logo.png", "f2c57fe8af089f08b5ba523d95573c26e62904ac5967f4c8851b27d033690168"),
    Picture("skimage/data/motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    Picture("skimage/data/motorcycle_right.png", "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797"),
    Picture("skimage/data/phantom.png", "552ff698167aa402cceb17981130607a228a0a0aa7c519299eaa4d5f301ba36c"),
    Picture("skimage/data/hubble_deep_field.jpg", "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
    Picture("skimage/data/retina.jpg", "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"),
    Picture("skimage/data/rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
    Picture("sklearn/datasets/images/china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
    Picture("sklearn/datasets/images/flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
)
#: what networks are calibrated on, none of them among those: scikit-image's in grey, and matplotlib's portrait
HELD_OUT = (
    Picture("skimage/data/brick.png", "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf"),
    Picture("skimage/data/camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a"),
    Picture("skimage/data/cell.png", "8d23a7fb81f7cc877cd09f330357fc7f595651306e84e17252f6e0a1b3f61515"),
    Picture("skimage/data/clock_motion.png", "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955"),
    Picture("skimage/data/coins.png", "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba"),
    Picture("skimage/data/grass.png", "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89"),
    Picture("skimage/data/gravel.png", "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12"),
    Picture("skimage/data/moon.png", "78739619d11f7eb9c165bb5d2efd4772cee557812ec847532dbb1d92ef71f577"),
    Picture("skimage/data/page.png", "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3"),
    Picture("skimage/data/text.png", "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1"),
    Picture(
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
)


def pictures(chosen: Sequence[Picture]) -> Floats:
    """The pictures as (count, 224, 224, 3) in float32: the short side to 256 pixels (bicubic), the middle, bytes p as
    ``(p - 127) / 128``.

    Raises ``FileNotFoundError`` for a missing package and ``ValueError`` for a file other than the pinned one.
    Source: the preprocessing of EfficientNet's Lite variants, tensorflow/tpu (its mean 127 and deviation 128).
    """
    return np.stack([_prepared(_bytes(picture)) for picture in chosen])


def _bytes(picture: Picture) -> bytes:
    package = PACKAGES[picture.member.split("/")[0]]
    try:
        path = Path(str(metadata.distribution(package).locate_file(picture.member)))
    except metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"the picture {picture.name} comes with {package}; install it: pip install {package}"
        ) from None
    if not path.is_file():
        raise FileNotFoundError(f"{package} {metadata.version(package)} does not bring the picture {path}")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != picture.sha256:
        raise ValueError(f"{path} has SHA-256 {found}, not the pinned {picture.sha256}")
    return content


def _prepared(content: bytes) -> Floats:
    with Image.open(io.BytesIO(content)) as file:
        image = file.convert("RGB")
    ratio = SHORT_SIDE / min(image.size)
    image = image.resize((round(image.width * ratio), round(image.height * ratio)), Image.Resampling.BICUBIC)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    middle = image.crop((left, top, left + SIZE, top + SIZE))
    return (np.asarray(middle, np.float32) - np.float32(127)) / np.float32(128)
