"""What is said to people when a file is refused: one remedy for every quarantine code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otoloop.codes import QuarantineCode
from otoloop.records import Verdict

REMEDIES: Mapping[QuarantineCode, str] = {
    "too_large": "Cut the recording into pieces, or raise intake.max_mb in params.yaml.",
    "bad_magic": "Send WAV or FLAC: convert it, or set the recorder to one of them; renaming is not enough.",
    "header_mismatch": "The file was cut off or altered on its way: copy it again from the recorder.",
    "unsupported_codec": "Save it as WAV (PCM 16, 24, 32 bit or float) or as FLAC.",
    "rate_out_of_range": "Record at 16000 Hz or more, or change intake.min_rate_hz and intake.max_rate_hz.",
    "channels_out_of_range": "Record fewer channels, or raise intake.max_channels.",
    "too_short": "Record longer, four seconds or more.",
    "too_long": "Cut the recording into pieces, or raise intake.max_seconds.",
    "not_finite": "Save it again as PCM; a processing step before us divided by zero.",
    "silent": "Check the microphone, its cable and its gain.",
    "clipped": "Lower the gain or move the microphone away from the machine.",
    "dc_offset": "Check the microphone's supply, or switch its high-pass filter on.",
    "dropouts": "Check the recorder's buffer, network and storage card.",
    "upsampled": "Record at the true rate: this file was made from a lower one.",
    "low_snr": "Move the microphone closer to the machine.",
    "speech_policy": "Record without people nearby, or set the machine's speech_policy to scramble.",
    "duplicate_content": "Nothing to do: this recording is already here.",
    "note_invalid": "Correct the note and send it again; the sound is kept.",
    "decode_failed": "The file is damaged: copy it again from the recorder, or record again.",
    "bad_key": "Upload it again as <site>/<machine>/<yyyy-mm-dd>/<name>, or use `otoloop add`.",
    "resource_limit": "Cut it into pieces or use fewer channels, or raise intake.decode_memory_mb or decode_cpu_s.",
}


class Refused(Exception):
    """A file must not go on; carries its code and one sentence with the values."""

    def __init__(self, code: QuarantineCode, message: str) -> None:
        super().__init__(message)
        self.code: QuarantineCode = code
        self.message = message


def refuse(code: QuarantineCode, message: str, measures: Mapping[str, Any] | None = None) -> Verdict:
    """Make the verdict for a refused file, with the remedy of its code."""
    return Verdict(admitted=False, reason_code=code, message=message, remedy=REMEDIES[code], measures=measures or {})
