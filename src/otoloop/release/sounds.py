"""Sounds on their way from the store into a release: each has the samples that its id names, or no release is made."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from otoloop.audio.decode import Decoded
from otoloop.audio.fingerprint import content_id
from otoloop.errors import OtoloopError


def require_named(sounds: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Pass (clip, bytes) on after decoding the bytes and comparing their content id with the clip's.

    A release keeps a sound for ever, so damage in the store, or a sound in another's place, must not get that far.

    Raises:
        OtoloopError: names the first clip that is not what it was.
    """
    for clip, data in sounds:
        if _id_of(data) != clip:
            message = (
                f"The sound of clip {clip} in the store is damaged or another's: it has not the content of that id."
            )
            raise OtoloopError(message, "Restore it in the bucket <prefix>-audio from a backup, then run this again.")
        yield clip, data


def _id_of(data: bytes) -> str:
    """The content id of a file as the intake keeps it; empty when it cannot be read."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as source:
            samples = source.read(dtype="int32" if source.subtype.startswith("PCM") else "float32", always_2d=True)
            return content_id(Decoded(samples, source.samplerate, source.channels, source.subtype, source.format))
    except soundfile.LibsndfileError:
        return ""
