import numpy as np

from otoloop.audio.fingerprint import near_hash, near_share
from otoloop.catalog import open_catalog
from otoloop.intake.neighbours import Neighbours, _signs, near_shares

RNG = np.random.default_rng(5)


def machine_sound(seconds: float) -> np.ndarray:
    return (0.1 * RNG.standard_normal(round(seconds * 16_000))).astype(np.float32)


def test_all_at_once_equals_one_by_one():
    hashes = [near_hash(machine_sound(s)) for s in (4.0, 3.0, 3.7, 1.0, 1.5, 10.0, 2.0)]
    whole = machine_sound(6.0)
    hashes += [near_hash(whole), near_hash(whole[16_000:80_000]), near_hash(whole[500:])]
    for own in hashes:
        if len(own) == 0:
            continue
        fast = near_shares(_signs(own), [_signs(h) for h in hashes])
        assert np.allclose(fast, [near_share(own, h) for h in hashes], atol=1e-4)


def test_copies_and_cuts_are_near_and_other_recordings_are_not():
    book = open_catalog("sqlite://")
    sound = machine_sound(5.0)
    with book.reading() as session:
        near = Neighbours(session)
        near.add("osaka", "pump-3", near_hash(sound), "first")
        near.add("osaka", "pump-3", near_hash(machine_sound(5.0)), "second")
        near.add("osaka", "pump-3", "", "nothing")
        assert near.group_of("osaka", "pump-3", near_hash(0.5 * sound[16_000:])) == "first"
        assert near.group_of("osaka", "pump-3", near_hash(machine_sound(5.0))) is None
        assert near.group_of("osaka", "fan-1", near_hash(sound)) is None
        assert near.group_of("osaka", "pump-3", "") is None
