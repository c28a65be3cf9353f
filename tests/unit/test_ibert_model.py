"""I-BERT's functions inside MiniLM: how it is read, what is compared, and that a worse function is noticed."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest

import analysis.ibert.__main__ as command
from analysis.ibert import minilm as module
from analysis.ibert.comparison import NAMES, SENTENCES, compare_functions, compare_models, cosine, neighbours
from analysis.ibert.integer_functions import IntegerFunctions, quantised, unfit_channels
from analysis.ibert.minilm import Functions, minilm, pieces


@pytest.fixture(scope="module")
def model():
    try:
        return minilm()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_pieces():
    words = {word: n for n, word in enumerate(["[CLS]", "[SEP]", "play", "##ing", "##in", "a", ",", "play-"])}
    assert pieces("Playing, a", words) == [0, 2, 3, 6, 5, 1]
    with pytest.raises(ValueError, match="'played' of 'played' has a piece"):
        pieces("played", words)


def test_quantised():
    q, scale = quantised(np.array([0.5, -2.0], np.float32), 16)
    assert (q.tolist(), scale) == ([8192, -32767], 2 / 32767)


def test_missing_and_wrong_package(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "PACKAGE", "no-such-package")
    with pytest.raises(FileNotFoundError, match="MiniLM comes from no-such-package"):
        minilm()
    folder = tmp_path / module.FOLDER
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"other")
    located = type("Found", (), {"locate_file": lambda self, name: tmp_path / name})()
    monkeypatch.setattr(metadata, "distribution", lambda name: located)
    with pytest.raises(ValueError, match="not the pinned"):
        minilm()


def test_meaning_is_near(model):
    """The float model itself: sentences of one subject are nearest."""
    sentences = ("A cat sleeps.", "A kitten takes a nap.", "Shares fell sharply.", "The stock market dropped.")
    vectors = np.stack([model.embed(sentence, Functions()) for sentence in sentences])
    assert neighbours(vectors).tolist() == [1, 0, 3, 2]


@pytest.mark.parametrize("form", ["paper", "code", "safe"])
def test_functions_in_the_model(model, form):
    rows = {row.function: row for row in compare_functions(model, form, SENTENCES[:3])}
    assert set(rows) == set(NAMES)
    assert [rows[name].calls for name in NAMES] == [18, 18, 39]
    # i-exp is off by 0.22 %, floors by 1/256: 0.0022 / 2 + 0.0039
    assert rows["softmax"].greatest_error <= 0.0051
    assert all(row.least_cosine > 0.999 for row in rows.values())
    whole = compare_models(model, form, SENTENCES[:3])[-1]
    assert (whole.replaced, whole.neighbours) == ("all three", 3)
    assert whole.least_cosine > 0.997


def test_a_worse_function_is_noticed(model):
    """ReLU for GELU: what a comparison that always passed would pass too."""
    sentence = "Heat the oil and add the onions."
    due = model.embed(sentence, Functions())
    relu = model.embed(sentence, replace(Functions(), gelu=lambda x: np.maximum(x, 0)))
    integer = IntegerFunctions("safe")
    right = model.embed(sentence, replace(Functions(), gelu=integer.gelu))
    assert cosine(due, relu) < 0.997 < cosine(due, right)


def test_a_channel_that_int32_does_not_hold(model):
    assert unfit_channels(model) == (1, 4992)


def test_command(model, capsys):
    command.main(forms="safe")
    out = capsys.readouterr().out
    assert "beta / gamma is no int32 in 1 of 4992 channels" in out
    assert out.count("nearest sentences kept 8 of 8") == 4


def test_bad_commands(monkeypatch, capsys):
    with pytest.raises(command.typer.Exit):
        command.main(forms="best")
    assert "forms=best; accepted: paper, code, safe" in capsys.readouterr().err
    monkeypatch.setattr(module, "PACKAGE", "no-such-package")
    with pytest.raises(command.typer.Exit):
        command.main(forms="safe")
    assert "pip install --no-deps" in capsys.readouterr().err
