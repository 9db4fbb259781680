"""The general suite: taught kinds, silence and unknown sounds, on machines that no site has."""

from collections import Counter

import numpy as np

from otoloop.simulate.general import general_suite, taught


def test_general_sounds_are_balanced_repeatable_and_rendered_as_asked_for():
    clips = list(general_suite(28, seed=5, seconds=1.0))
    assert set(Counter(c.fault for c in clips).values()) == {2}
    assert {c.fault for c in clips} == set(taught()) and {"silence", "unknown", "normal"} <= set(taught())
    assert not {"gear_wear", "valve_knock", "inverter_whine"} & set(taught())
    again = next(iter(general_suite(28, seed=5, seconds=1.0)))
    assert np.array_equal(again.wave, clips[0].wave) and again.truth == clips[0].truth
    assert len({c.id for c in clips}) == 28


def test_another_site_name_has_other_machines():
    a, b = (next(iter(general_suite(14, seed=5, seconds=0.5, site=s))) for s in ("general", "replay"))
    assert a.fault == b.fault and a.machine["bearing"] != b.machine["bearing"]
