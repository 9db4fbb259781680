import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otoloop.errors import OtoloopError
from otoloop.evaluate.suites import Suite, default_suites, join_sealed, read_items
from otoloop.records import Item
from otoloop.release.layout import QUESTIONS, SEALED, compact, write_table


def test_lines_and_parquet_give_the_same_items(tmp_path, rows, lines):
    plain = read_items(lines(tmp_path / "items.jsonl", rows))
    table = [{**r, "slice": json.dumps(r["slice"]), "measured": json.dumps(r["measured"])} for r in rows]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "items.parquet")
    assert read_items(tmp_path / "items.parquet") == plain
    assert plain[3].item.slice["machine"] == "pump-0" and plain[3].measured["speed_rpm"]["value"] == 1480.0


def test_a_cluster_is_named_or_follows_from_machine_and_session_or_is_the_clip(rows, tmp_path, lines):
    rows[1]["slice"]["cluster"] = "mine"
    rows[2]["slice"] = {}
    found = read_items(lines(tmp_path / "items.jsonl", rows))
    assert [q.cluster for q in found[:3]] == ["plant/pump-0/0", "mine", "c2"]


def test_the_digest_follows_what_decides_about_right_and_wrong(rows, tmp_path, lines):
    before = read_items(lines(tmp_path / "a.jsonl", rows))
    rows[0]["choices"] = rows[0]["choices"][::-1]
    rows[1]["measured"] = {}
    after = read_items(lines(tmp_path / "b.jsonl", rows))
    assert before[0].sha256 != after[0].sha256 and before[1].sha256 == after[1].sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "i001"}, "more than once"),
        ({"answer": None}, "no answer"),
        ({"slice": "{broken"}, "unreadable"),
    ],
)
def test_unusable_items_are_named(rows, tmp_path, lines, change, words):
    rows[0] |= change
    with pytest.raises(OtoloopError, match=words):
        read_items(lines(tmp_path / "items.jsonl", rows))


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "items.jsonl"
    with pytest.raises(OtoloopError, match="There is no file"):
        read_items(path)
    path.write_text('{"id": "a"}\n[1]\n')
    with pytest.raises(OtoloopError, match="line 2"):
        read_items(path)
    path.write_text("{oops\n")
    with pytest.raises(OtoloopError, match="line 1 is not JSON"):
        read_items(path)


def test_a_release_keeps_answers_apart_and_they_are_joined_by_id(tmp_path, rows):
    place = {"site": "plant", "machine": "pump-1", "session": "s1", "group": "g", "time": "2026-01-01"}
    asked = [{**r, **place, "slice": compact({"fault": "x"})} for r in rows]
    told = [
        {**r, "fault": "gear_wear", "slice": compact({"fault": "x"}), "measured": compact(r["measured"])} for r in rows
    ]
    write_table(tmp_path / "test.parquet", QUESTIONS, asked)
    write_table(tmp_path / "sealed.parquet", SEALED, told)
    found = join_sealed(tmp_path / "test.parquet", tmp_path / "sealed.parquet")
    assert [q.item.answer for q in found] == [r["answer"] for r in rows]
    assert found[0].cluster == "plant/pump-1/s1" and found[0].item.choices == tuple(rows[0]["choices"])
    write_table(tmp_path / "sealed.parquet", SEALED, told[1:])
    with pytest.raises(OtoloopError, match="no sealed answer"):
        join_sealed(tmp_path / "test.parquet", tmp_path / "sealed.parquet")


def test_a_cycle_names_suites():
    suite = Suite.from_mapping(
        {"name": "site", "target": {"fault": "gear_wear"}, "slice_by": ["machine"], "items": "x"}
    )
    assert suite.target == {"fault": ("gear_wear",)} and suite.slice_by == ("machine",) and suite.role == "target"
    with pytest.raises(OtoloopError, match="role"):
        Suite.from_mapping({"name": "x", "role": "judge"})
    with pytest.raises(OtoloopError, match="without a name"):
        Suite.from_mapping({"role": "guard"})


def test_without_a_cycle_untaught_faults_are_the_target_and_other_suites_guards():
    found = default_suites([("site", {"fault": "gear_wear"}), ("site", {"fault": "normal"}), ("mmau", {})])
    assert [(s.name, s.role, dict(s.target)) for s in found] == [
        ("mmau", "guard", {}),
        ("site", "target", {"fault": ("gear_wear",)}),
    ]
    assert default_suites([("site", {"novelty": "new"})])[0].target == {"novelty": ("new",)}
    assert default_suites([("site", {"fault": "normal"})])[0].target == {}


def test_a_question_moves_into_a_suite(rows, tmp_path, lines):
    one = read_items(lines(tmp_path / "items.jsonl", rows))[0]
    assert one.suite == "site" and one.in_suite("mmau").suite == "mmau" and one.in_suite("mmau").sha256 == one.sha256
    assert isinstance(one.item, Item)
