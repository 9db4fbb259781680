"""The split rules hold for any site and any order of arrival."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.release.splits import Recording, Splits, assign

SHARES = {"test_share": 0.3, "valid_share": 0.1}


def rows(draws: list[tuple[int, int, int, int]], start: int = 0) -> list[Recording]:
    return [
        Recording(
            clip=f"clip{start + i:04d}", machine=f"site/m{m}", kind="motor", session=f"m{m}-s{s}", group=f"g{g}",
            time=f"2026-01-{1 + s:02d}T{i % 24:02d}:00:00Z", label=("normal", "rub")[label],
        )
        for i, (m, s, g, label) in enumerate(draws)
    ]  # fmt: skip


draws_of_a_clip = st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(0, 30), st.integers(0, 1))
recordings = st.lists(draws_of_a_clip, max_size=60)


def straddling(recs: list[Recording], splits: Splits) -> list[str]:
    seen = defaultdict(set)
    for r in recs:
        if (split := splits.of(r)) is not None:
            seen["session " + r.session].add(split)
            seen["group " + r.group].add(split)
    return [name for name, found in seen.items() if len(found) > 1]


@given(recordings)
def test_no_session_and_no_near_duplicates_in_two_splits(draws):
    recs = rows(draws)
    assert straddling(recs, assign(recs, Splits(), **SHARES)) == []


@given(recordings, recordings, recordings)
@settings(max_examples=60)
def test_nothing_moves_when_data_are_appended(first, second, third):
    seen: list[Recording] = []
    splits = Splits()
    for batch in (first, second, third):
        before = splits
        seen += rows(batch, len(seen))
        splits = assign(seen, before, **SHARES)
        assert before.sessions.items() <= splits.sessions.items()
        assert before.groups.items() <= splits.groups.items()
        assert before.held_out.items() <= splits.held_out.items()
        assert straddling(seen, splits) == []


@given(recordings, st.randoms())
def test_the_order_of_arrival_within_a_release_does_not_matter(draws, shuffler):
    recs = rows(draws)
    mixed = recs.copy()
    shuffler.shuffle(mixed)
    assert assign(recs, Splits(), **SHARES) == assign(mixed, Splits(), **SHARES)


def own_groups(machines: int, sessions: int) -> list[Recording]:
    return rows([(m, s, m * 100 + s, 0) for m in range(machines) for s in range(sessions)])


def test_later_sessions_of_a_machine_are_tested():
    recs = own_groups(1, 10)
    splits = assign(recs, Splits(), **SHARES)
    assert [splits.of(r) for r in recs] == ["train"] * 6 + ["valid"] + ["test"] * 3


def test_one_machine_in_five_of_a_kind_is_never_heard_in_training():
    recs = own_groups(5, 4)
    splits = assign(recs, Splits(), **SHARES)
    held = [m for m, out in splits.held_out.items() if out]
    assert len(held) == 1
    assert {splits.of(r) for r in recs if r.machine == held[0]} == {"test"}
    assert sum(splits.of(r) == "test" for r in recs) / len(recs) < 0.45


def test_machines_that_nobody_described_are_of_no_kind():
    recs = [replace(r, kind="") for r in own_groups(6, 4)]
    splits = assign(recs, Splits(), **SHARES)
    assert splits.held_out == {f"site/m{m}": False for m in range(6)}
    assert {splits.of(r) for r in recs if r.machine == "site/m0"} == {"train", "test"}


def test_a_machine_that_trained_is_not_held_out_later():
    splits = assign(own_groups(4, 4), Splits(), **SHARES)
    later = assign(own_groups(5, 4), splits, **SHARES)
    assert [m for m, out in later.held_out.items() if out] == ["site/m4"]


def test_single_sessions_of_many_machines_share_out_in_the_wanted_proportion():
    recs = own_groups(4, 1)
    splits = assign([r for r in recs], Splits(), test_share=0.5, valid_share=0.0)
    assert sorted(str(splits.of(r)) for r in recs) == ["test", "test", "train", "train"]


def test_a_clip_between_two_splits_is_withheld():
    recs = own_groups(1, 10)
    splits = assign(recs, Splits(), **SHARES)
    copy_of_test = replace(recs[0], clip="copy", group=recs[9].group)
    assert assign([*recs, copy_of_test], splits, **SHARES).of(copy_of_test) is None


def test_assignment_does_not_depend_on_hash_order():
    recs = own_groups(7, 9)
    random.Random(3).shuffle(recs)
    assert assign(recs, Splits(), **SHARES) == assign(sorted(recs, key=lambda r: r.clip), Splits(), **SHARES)
