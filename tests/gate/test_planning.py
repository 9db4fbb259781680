import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.gate.planning import (
    Sizing,
    items_for_gain,
    items_for_margin,
    power_for_gain,
    recordings,
    sizing,
    smallest_detectable,
)
from otoloop.gate.statistics import paired


@pytest.mark.parametrize(
    ("discordance", "margins", "gains"),
    [(0.1, (1546, 687, 248, 62), (681, 242)), (0.2, (3092, 1374, 495, 124), (1368, 489))],
)
def test_sizes_match_the_table_that_the_defaults_come_from(discordance, margins, gains):
    size = Sizing(0.05, 0.8, discordance)
    assert tuple(items_for_margin(size, m) for m in (0.02, 0.03, 0.05, 0.1)) == margins
    assert tuple(items_for_gain(size, g) for g in (0.03, 0.05)) == gains


def test_three_hundred_recordings_see_seven_to_nine_points():
    seen = [smallest_detectable(Sizing(0.05, 0.8, d), 300) for d in (0.25, 0.38)]
    assert 0.07 <= seen[0] < seen[1] <= 0.09


@given(st.floats(0.02, 0.5), st.integers(50, 5000), st.floats(1, 4))
def test_the_smallest_detectable_gain_is_detected_with_the_wanted_power(discordance, items, effect):
    size = Sizing(0.05, 0.8, discordance, effect)
    gain = smallest_detectable(size, items)
    if gain < discordance:
        assert power_for_gain(size, items, gain) == pytest.approx(0.8, abs=1e-6)
        assert items_for_gain(size, gain) == pytest.approx(items, rel=0.02, abs=1)


@given(st.floats(0.05, 0.5), st.floats(0.01, 0.04), st.floats(1, 4))
def test_clustering_and_smaller_effects_cost_more(discordance, gain, effect):
    plain, clustered = Sizing(0.05, 0.8, discordance), Sizing(0.05, 0.8, discordance, effect)
    assert items_for_gain(clustered, gain) >= items_for_gain(plain, gain) > items_for_gain(plain, 2 * gain)
    assert items_for_margin(clustered, gain) >= items_for_margin(plain, gain)


def test_sizes_are_taken_from_what_was_seen():
    one = np.repeat([1, 0, 1, 1], 50)
    two = np.repeat([1, 0, 0, 1], 50)
    size = sizing(paired(one, two, np.repeat(np.arange(100), 2)), 0.05, 0.8)
    assert size.discordance == pytest.approx(51 / 202) and size.items_per_cluster == 2 and size.effect > 1.5
    assert recordings(size, 101) == 51
    nothing = sizing(paired([1] * 50, [1] * 50, range(50)), 0.05, 0.8)
    assert nothing.discordance > 0
