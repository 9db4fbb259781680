"""Golden rows: measures on either side of every limit with their expected verdict; judged before any batch.

They are made from the limits themselves, so they prove that the checks see what they should see under these very
parameters: a suite that lets everything through, or nothing, stops the intake.
"""

from __future__ import annotations

from typing import Any

from otoloop.params import IntakeParams

GoldenRow = tuple[str, str | None, dict[str, Any]]


def good_row(p: IntakeParams) -> dict[str, Any]:
    """An ordinary recording that every sensible set of limits admits."""
    return {
        "duration_s": min(p.max_seconds, max(p.min_seconds, 4.0)),
        "rate_hz": min(p.max_rate_hz, max(p.min_rate_hz, 16000)),
        "channels": 1,
        "rms_dbfs": max(p.silent_below_dbfs / 2, -25.0),
        "peak_dbfs": -6.0,
        "clipped_share": 0.0,
        "dc_offset": 0.0,
        "dropout_s": 0.0,
        "bandwidth_share": 1.0,
        "snr_db": max(p.min_snr_db + 10.0, 20.0),
    }


def golden_rows(p: IntakeParams) -> list[GoldenRow]:
    """(name, expected reason code or None, measures): a good row, rows on each limit, rows just beyond it."""
    edges: list[tuple[str, str, float, float]] = [
        ("too_short", "duration_s", p.min_seconds, p.min_seconds * 0.9),
        ("too_long", "duration_s", p.max_seconds, p.max_seconds * 1.1),
        ("rate_out_of_range", "rate_hz", p.min_rate_hz, p.min_rate_hz - 1),
        ("rate_out_of_range", "rate_hz", p.max_rate_hz, p.max_rate_hz + 1),
        ("channels_out_of_range", "channels", p.max_channels, p.max_channels + 1),
        ("channels_out_of_range", "channels", 1, 0),
        ("silent", "rms_dbfs", p.silent_below_dbfs, p.silent_below_dbfs - 1),
        ("clipped", "clipped_share", p.max_clipped_share, p.max_clipped_share + 0.01),
        ("dc_offset", "dc_offset", p.max_dc_offset, p.max_dc_offset + 0.01),
        ("dc_offset", "dc_offset", -p.max_dc_offset, -p.max_dc_offset - 0.01),
        ("dropouts", "dropout_s", p.max_dropout_s, p.max_dropout_s + 0.01),
        ("upsampled", "bandwidth_share", p.min_bandwidth_share, p.min_bandwidth_share - 0.01),
        ("low_snr", "snr_db", p.min_snr_db, p.min_snr_db - 1),
    ]
    # a dict, since two limits of one column may be the same number
    known: dict[str, GoldenRow] = {"good": ("golden: good", None, good_row(p))}
    for code, column, on, beyond in edges:
        for expected, value in ((None, on), (code, beyond)):
            name = f"golden: {column} = {value:g}"
            known[name] = (name, expected, {**good_row(p), column: value})
    rows = list(known.values())
    missing = {k: v for k, v in good_row(p).items() if k != "snr_db"}
    rows.append(("golden: not measured", "decode_failed", missing))
    rows.append(("golden: not a number", "decode_failed", {**good_row(p), "rms_dbfs": float("nan")}))
    rows.append(("golden: digital silence", "silent", {**good_row(p), "rms_dbfs": float("-inf")}))
    rows.append(("golden: speech dropped", "speech_policy", {**good_row(p), "speech_allowed": False}))
    return rows
