"""What goes into a release has the content that its id names."""

from __future__ import annotations

import numpy as np
import pytest

from otoloop.audio.decode import Decoded
from otoloop.audio.fingerprint import content_id
from otoloop.errors import OtoloopError
from otoloop.intake.listen import canonical
from otoloop.release.sounds import require_named
from otoloop.store.content import BUCKET, audio_key
from otoloop.vcs import Repo

from .plant import Plant, sounds

NOISE = np.random.default_rng(1).integers(-(2**31), 2**31, (4000, 2)).astype(np.int32)


@pytest.mark.parametrize(
    "samples",
    [NOISE >> 16 << 16, NOISE >> 8 << 8, NOISE, (NOISE / 2**31).astype(np.float32)],
    ids=["16", "24", "32", "f"],
)
def test_every_sound_passes_as_the_intake_keeps_it(samples: np.ndarray) -> None:
    kept = Decoded(samples, 44100, 2, "", "")
    pair = content_id(kept), canonical(kept)[0]
    assert list(require_named([pair, pair])) == [pair, pair]


def test_a_damaged_sound_and_anothers_are_named() -> None:
    kept = Decoded(NOISE >> 16 << 16, 16000, 2, "", "")
    clip, data = content_id(kept), canonical(kept)[0]
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for clip_id, wrong in ((clip, bytes(flipped)), (clip, data[:-500]), (clip, b"fLaC"), (clip, b""), ("0" * 64, data)):
        with pytest.raises(OtoloopError, match=f"clip {clip_id} in the store is damaged or another's"):
            list(require_named([(clip_id, wrong)]))


def test_no_release_is_made_from_a_sound_that_was_replaced(plant: Plant) -> None:
    plant.approve(0, 4)
    one, other = (audio_key(sound.row.id) for sound in sounds()[:2])
    plant.store.put(BUCKET, one, plant.store.get(BUCKET, other))
    with pytest.raises(OtoloopError, match="is damaged or another's"):
        plant.release()
    assert Repo(plant.workspace).tags("release/*") == []
