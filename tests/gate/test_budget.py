import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.gate.budget import Look, grant

LOOKS = st.lists(st.builds(Look, suite=st.sampled_from("ab"), adapter=st.sampled_from("123456")), max_size=40)


@given(LOOKS, st.integers(1, 8))
def test_no_history_spends_more_than_the_suite_has(wanted, planned):
    past, spent = [], {"a": 0.0, "b": 0.0}
    for look in wanted:
        try:
            leave = grant(past, look, alpha=0.05, planned=planned)
        except OtoloopError:
            assert len({p for p in past if p.suite == look.suite}) == planned and look not in past
            continue
        assert leave.free == (look in past)
        spent[look.suite] += 0 if leave.free else leave.alpha
        past.append(look)
    assert max(spent.values()) <= 0.05 + 1e-12


def test_the_same_adapter_looks_again_for_free_even_when_all_is_spent():
    past = [Look("a", "1"), Look("a", "2")]
    again = grant(past, Look("a", "1"), alpha=0.05, planned=2)
    assert (again.free, again.left, again.alpha) == (True, 0, 0.025)
    with pytest.raises(OtoloopError, match="Rotate"):
        grant(past, Look("a", "3"), alpha=0.05, planned=2)
