"""A picture of a sound as the model hears it: the log-mel spectrogram, with claims marked on it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from otoloop.audio.evidence import RATE

MELS, WINDOW, HOP = 128, 400, 160
"""Mel bands, and 25 ms windows every 10 ms, as in Whisper's and Qwen2-Audio's features."""
RANGE_DB = 80.0
COLOURS = {"confirmed": "#7CFC9A", "contradicted": "#FF6B6B", "open": "#FFFFFF"}
MAX_COLUMNS = 3000
Wave = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A claim drawn on the picture: a line at ``f_hz``, a stretch of time, or ticks ``rate_hz`` times a second."""

    label: str
    verdict: Literal["confirmed", "contradicted", "open"] = "open"
    f_hz: float | None = None
    start_s: float = 0.0
    end_s: float | None = None
    rate_hz: float | None = None


@lru_cache(maxsize=1)
def mel_filters() -> Wave:
    """Triangles [128, 201] on Slaney's mel scale (linear below 1 kHz, logarithmic above), area one."""
    grid = np.linspace(0, _mel(np.array([RATE / 2]))[0], MELS + 2)
    hz = np.where(grid < 15, grid * 200 / 3, 1000 * np.exp((grid - 15) * np.log(6.4) / 27))
    freq = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    up = (freq - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    down = (hz[2:, None] - freq) / (hz[2:] - hz[1:-1])[:, None]
    return np.asarray(np.maximum(0, np.minimum(up, down)) * (2 / (hz[2:] - hz[:-2]))[:, None])


def _mel(hz: Wave) -> Wave:
    """Slaney's mel scale."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1e-9) / 1000) / np.log(6.4))


def log_mel(wave: Wave) -> Wave:
    """Level in dB [128, frames], at most 80 dB below the loudest; ``wave`` is 16 kHz mono float32."""
    x = np.pad(np.asarray(wave, np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1].astype(np.float32))) ** 2
    level = 10 * np.log10(np.maximum(mel_filters() @ power.T, 1e-10))
    return np.asarray(np.maximum(level, level.max() - RANGE_DB))


def picture(wave: Wave, marks: Sequence[Mark] = (), *, width: int = 1000, height: int = 360, title: str = "") -> bytes:
    """Draw a PNG of ``width`` x ``height`` pixels with axes in seconds and Hz; ``wave`` is 16 kHz mono float32."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    seconds = len(wave) / RATE
    level = _narrowed(log_mel(wave))
    extent = (0.0, seconds, 0.0, float(MELS))
    axes.imshow(level, origin="lower", aspect="auto", cmap="magma", extent=extent, interpolation="nearest")
    ticks = np.array([100, 250, 500, 1000, 2000, 4000, 8000])
    axes.set_yticks(_row(ticks), [f"{t:g}" for t in ticks])
    axes.set(xlabel="s", ylabel="Hz", title=title or None, xlim=(0, seconds), ylim=(0, MELS))
    for mark in marks:
        _draw(axes, mark, seconds)
    out = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(out, metadata={"Software": None})
    return out.getvalue()


def _row(hz: Wave) -> Wave:
    """Height in the picture of a frequency."""
    return _mel(np.asarray(hz, float)) / _mel(np.array([RATE / 2])) * MELS


def _narrowed(level: Wave) -> Wave:
    """Take the loudest of neighbouring columns where there are more than a picture can show."""
    every = -(-level.shape[1] // MAX_COLUMNS)
    if every == 1:
        return level
    starts = np.arange(0, level.shape[1], every)
    return np.asarray(np.maximum.reduceat(level, starts, axis=1))


def _draw(axes: Any, mark: Mark, seconds: float) -> None:
    """Draw one claim and its words."""
    colour, end = COLOURS[mark.verdict], seconds if mark.end_s is None else min(mark.end_s, seconds)
    style = "--" if mark.verdict == "contradicted" else "-"
    height = MELS - 8.0
    if mark.f_hz is not None:
        height = float(_row(np.array([mark.f_hz]))[0])
        axes.hlines(height, mark.start_s, end, colors=colour, linestyles=style, linewidth=1.4)
    elif mark.rate_hz:
        axes.vlines(np.arange(mark.start_s, end, 1 / mark.rate_hz), 0, 5, colors=colour, linewidth=0.8)
        height = 8.0
    else:
        axes.axvspan(mark.start_s, end, facecolor=colour, alpha=0.15, edgecolor=colour, linestyle=style)
    sign = {"confirmed": "✓ ", "contradicted": "✗ ", "open": ""}[mark.verdict]
    axes.text(
        mark.start_s + 0.01 * seconds, min(height + 2, MELS - 6), sign + mark.label, color=colour, fontsize=8,
        bbox={"facecolor": "black", "alpha": 0.5, "pad": 1, "edgecolor": "none"}, clip_on=True,
    )  # fmt: skip
