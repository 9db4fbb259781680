"""Codes and states as people say them, in English; ``words/ja.yaml`` has the Japanese."""

REASONS = {
    "too_large": "too large", "bad_magic": "no sound file", "header_mismatch": "header and content differ",
    "unsupported_codec": "unknown coding", "rate_out_of_range": "unusable sample rate",
    "channels_out_of_range": "too many channels", "too_short": "too short", "too_long": "too long",
    "not_finite": "broken samples", "silent": "silent", "clipped": "overdriven", "dc_offset": "offset",
    "dropouts": "gaps", "upsampled": "upsampled", "low_snr": "too much noise", "speech_policy": "people talk in it",
    "duplicate_content": "the same recording", "note_invalid": "unreadable note", "decode_failed": "damaged file",
    "resource_limit": "takes too much to read", "bad_key": "name without site and machine",
}  # fmt: skip
FINDINGS = {
    "format": "not in the form of a trace", "empty_part": "a part is empty",
    "answer_mismatch": "answer and summary differ", "claim_contradicted": "contradicts the sound",
    "claim_not_hearable": "cannot be heard", "event_not_supported": "nothing supports it",
    "unknown_term": "unknown word", "surrogate_phrase": "speaks of notes, not of sound",
    "gold_leak": "gives the answer away", "answerable_without_audio": "needs no sound to answer",
}  # fmt: skip
STATES = {
    "claimed": "being read", "admitted": "admitted", "waiting": "waits for its sound", "matched": "joined to its sound",
    "quarantined": "in quarantine", "gone": "gone before it was read", "erased": "erased",
    "drafted": "drafted", "queued": "queued", "approved": "approved", "rejected": "rejected",
    "superseded": "superseded", "open": "open", "closed": "closed", "promoted": "live", "replaced": "replaced",
    "expired": "expired", "outdated": "outdated",
    "pass": "passed", "fail": "refused", "not_enough_data": "not enough data",
    "audio": "sound", "note": "note", "sensors": "sensors",
    "right": "right", "wrong": "wrong", "unsure": "not sure", "none": "nothing yet",
    "confirmed": "confirmed", "contradicted": "contradicted", "not_hearable": "cannot be heard",
    "unverifiable": "open",
}  # fmt: skip
SOURCES = {
    "note_field": "field of the note", "note_text": "words of the note", "conflict": "note contradicts itself",
    "reviewer": "reviewer", "import": "import", "answer": "answer", "model": "the model's answer",
}  # fmt: skip
ROLES = {
    "technician": ("Technician", "asks about sounds and says whether the answer was right"),
    "reviewer": ("Reviewer", "corrects and approves what the model shall learn from"),
    "approver": ("Approver", "signs what goes live"),
    "admin": ("Admin", "lets people in"),
}  # fmt: skip
LANGUAGES = {"en": "English", "ja": "Japanese"}
KINDS = {"with_evidence": "with evidence", "audio_only": "sound only"}


def plain(code: str | None) -> str:
    """A code of any of the closed lists as words."""
    known = {**FINDINGS, **REASONS, **STATES, **SOURCES, **KINDS}
    return known.get(code or "", (code or "").replace("_", " "))
