"""Closed lists that scripts may rely on: reason codes, states and verdicts. Extend, never rename."""

from typing import Literal, get_args

QuarantineCode = Literal[
    "too_large", "bad_magic", "header_mismatch", "unsupported_codec", "rate_out_of_range", "channels_out_of_range",
    "too_short", "too_long", "not_finite", "silent", "clipped", "dc_offset", "dropouts", "upsampled", "low_snr",
    "speech_policy", "duplicate_content", "note_invalid", "decode_failed", "resource_limit",
    "bad_key",
]  # fmt: skip
TraceCode = Literal[
    "format", "empty_part", "answer_mismatch", "claim_contradicted", "claim_not_hearable", "event_not_supported",
    "unknown_term", "surrogate_phrase", "gold_leak", "answerable_without_audio",
]  # fmt: skip
ReviewState = Literal["drafted", "queued", "approved", "rejected", "superseded"]
VerdictName = Literal["pass", "fail", "not_enough_data"]
ItemKind = Literal["audio_only", "with_evidence"]
Style = Literal["cot", "direct"]
Lang = Literal["en", "ja"]

QUARANTINE_CODES: tuple[str, ...] = get_args(QuarantineCode)
TRACE_CODES: tuple[str, ...] = get_args(TraceCode)
REVIEW_STATES: tuple[str, ...] = get_args(ReviewState)
VERDICTS: tuple[str, ...] = get_args(VerdictName)
