"""Sound made here, and what the encoder of Whisper is given of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE, SECONDS = 16_000, 30
_WINDOW, _HOP, _MELS = 400, 160, 80


def speechlike(seed: int) -> NDArray[np.float32]:
    """Thirty seconds at 16 kHz that look like speech to a spectrogram: they are no recording.

    Harmonics of a gliding pitch (90 to 250 Hz) under three moving formants, four syllables a second with pauses,
    and hiss between them.

    >>> speechlike(0).shape
    (480000,)
    """
    random = np.random.Generator(np.random.PCG64(seed))
    pitch = _glide(random, 90, 250, per_second=2)
    formants = [_glide(random, *span, per_second=4) for span in ((300, 900), (900, 2300), (2300, 3200))]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = np.zeros(RATE * SECONDS)
    for harmonic in range(1, 33):
        distance = [(harmonic * pitch - formant) / (80 + 0.06 * formant) for formant in formants]
        voice += np.sin(harmonic * phase) * sum(1 / (1 + d * d) for d in distance) / harmonic**0.5
    loud = np.clip(_glide(random, -0.5, 1.0, per_second=4), 0, 1)
    hiss = random.standard_normal(RATE * SECONDS) * np.clip(_glide(random, -1.0, 0.3, per_second=4), 0.002, 1)
    sound = loud * voice + hiss
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def _glide(random: np.random.Generator, low: float, high: float, *, per_second: int) -> NDArray[np.float64]:
    """Uniform draws, joined by straight lines."""
    targets = random.uniform(low, high, SECONDS * per_second + 1)
    return np.interp(np.arange(RATE * SECONDS) / RATE * per_second, np.arange(len(targets)), targets)


def log_mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whisper's input: (3000 frames of 10 ms, 80 mel bands), log10 of energies, cut 8 below the top, ``(x + 4) / 4``.

    Source: https://github.com/openai/whisper/blob/main/whisper/audio.py
    """
    padded = np.pad(sound, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:-1:_HOP]
    hann = np.sin(np.pi * np.arange(_WINDOW) / _WINDOW) ** 2
    energies = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2 @ _mel_bands().T
    logs = np.log10(np.maximum(energies, 1e-10))
    return ((np.maximum(logs, logs.max() - 8) + 4) / 4).astype(np.float32)


def _mel_bands() -> NDArray[np.float64]:
    """Triangles of equal area over the bins of the spectrum (80, 201), evenly spaced on Slaney's mel scale."""
    steps = np.linspace(0, _mel(RATE / 2), _MELS + 2)
    edges = np.where(steps < 15, 200 / 3 * steps, 1000 * 6.4 ** ((steps - 15) / 27))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    shape = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.maximum(shape, 0) * 2 / (high - low)


def _mel(hertz: float) -> float:
    """Linear below 1 kHz, logarithmic above."""
    return hertz * 3 / 200 if hertz < 1000 else float(15 + 27 * np.log(hertz / 1000) / np.log(6.4))
