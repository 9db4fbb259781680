"""Everything that can be refused is refused in words, leaves things as they were, and works once it was put right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from otoloop.audio.refusals import REMEDIES
from otoloop.catalog import clips
from otoloop.codes import QUARANTINE_CODES
from otoloop.errors import OtoloopError
from otoloop.params import Params, load_params
from otoloop.pipeline import stage_names
from otoloop.simulate.bad import bad_deliveries
from otoloop.simulate.encode import to_int16, wav
from otoloop.store.s3 import ObjectStore

from .intake.conftest import DAY, Site, flac_bytes, note_bytes, sound, wav_bytes
from .said import otoloop, refused

SPEECH = Path(__file__).parent / "audio" / "golden" / "speech_en.flac"


@pytest.fixture
def site(workspace: Path, object_store: ObjectStore) -> Iterator[Site]:
    yield Site(workspace, object_store)


def change(site: Site, **sections: object) -> None:
    path = site.workspace / "params.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**data, **sections}), encoding="utf-8")


# ---- files -----------------------------------------------------------------------------------------------------------


def speech() -> bytes:
    voice, rate = soundfile.read(SPEECH, dtype="float32")
    return wav(to_int16(0.5 * voice / np.abs(voice).max()), rate)


def bad_files(site: Site) -> dict[str, tuple[str, bytes]]:
    """Key -> the code it must get, and its bytes: one object at least for every reason that a delivery can earn."""
    limits = load_params(site.workspace / "params.yaml").intake.model_dump()
    files = {}
    for made in bad_deliveries(DAY, sound(5, 4.0), limits, np.random.default_rng(1)):
        files[made.key] = (made.expected, made.data + bytes(made.size - len(made.data)))
    return {
        **files,
        f"{DAY}/broken.json": ("note_invalid", b'{"text": "hissing"'),
        f"{DAY}/again.flac": ("duplicate_content", flac_bytes(1)),
        "osaka/office/2026-05-01/talk.wav": ("speech_policy", speech()),
        "lost.wav": ("bad_key", wav_bytes(6)),
    }


def test_every_reason_of_the_list_is_given_by_a_real_intake_and_the_object_stays_where_it_was(site: Site):
    change(site, intake={"max_mb": 1})
    machines = [{"site": "osaka", "machine": "office", "kind": "fan", "speech_policy": "drop"}]
    (site.workspace / "machines.yaml").write_text(yaml.safe_dump(machines), encoding="utf-8")
    site.put("first.wav", wav_bytes(1))
    assert otoloop("intake", "--once", cwd=site.workspace).code == 0
    with site.book().session() as session:
        clips.erase_clip(session, site.clip_of("first.wav").id)

    files = bad_files(site)
    assert {code for code, _ in files.values()} == set(QUARANTINE_CODES) == set(REMEDIES)
    for key, (_, data) in files.items():
        site.store.put("incoming", key, data)
    told = otoloop("intake", "--once", "--json", cwd=site.workspace).json

    assert {row["key"]: row["reason_code"] for row in told["refused"]} == {k: code for k, (code, _) in files.items()}
    assert all(row["message"].endswith((".", ").")) and row["remedy"] for row in told["refused"]), told["refused"]
    assert told["admitted"] == 0
    for key, (_, data) in files.items():
        assert hashlib.sha256(site.store.get("incoming", key)).digest() == hashlib.sha256(data).digest()
    shown = otoloop("intake", "--show", cwd=site.workspace).out
    assert all(key in shown and code in shown for key, (code, _) in files.items())
    assert otoloop("intake", "--once", "--json", cwd=site.workspace).json["discovered"] == 0


def test_inspect_says_of_a_file_what_the_intake_would(site: Site, tmp_path: Path):
    change(site, intake={"max_mb": 1})
    wanted = {}
    for key, (code, data) in bad_files(site).items():
        path = tmp_path / Path(key).name
        path.write_bytes(data)
        if code not in ("note_invalid", "duplicate_content", "speech_policy", "bad_key"):  # not the sound's fault
            wanted[str(path)] = code
    answer = otoloop("inspect", *wanted, "--json", cwd=site.workspace)
    assert answer.code == 1
    assert {row["file"]: row["reason_code"] for row in answer.json} == wanted
    assert all(row["verdict"] == "quarantine" and row["message"] and row["remedy"] for row in answer.json)


# ---- params.yaml -----------------------------------------------------------------------------------------------------

WRONG = {
    "intake: {max_mbb: 3}": ("`intake.max_mbb` = 3", "`max_mb` is meant", "allowed: decode_cpu_s, "),
    "trian: {}": ("`trian` = {}", "`train` is meant", "allowed: answer, "),
    "intake: {max_mb: many}": ("`intake.max_mb` = 'many'", "allowed: a number above 0, up to 4096"),
    "intake: {max_mb: -3}": ("`intake.max_mb` = -3", "allowed: a number above 0, up to 4096"),
    "intake: {min_seconds: .nan}": ("`intake.min_seconds` = nan", "allowed: a number above 0"),
    "train: {steps: 1.5}": ("`train.steps` = 1.5", "allowed: a whole number from 1"),
    "train: {steps: yes}": ("`train.steps` = True", "allowed: a whole number from 1"),
    "intake: {speech_policy: maybe}": ("'maybe'", "allowed: drop or scramble or keep"),
    "answer: {variants: [loud]}": ("`answer.variants` = 'loud'", "allowed: a list of silent or swapped or direct"),
    "prefix: My_Site": ("`prefix` = 'My_Site'", "lower-case letters, digits and single dashes"),
    "gate:": ("`gate` is empty", "such as `alpha: 0.05`"),
    "gate: 3": ("`gate` = 3", "such as `alpha: 0.05`"),
    "3: 4": ("`3` = 3", "allowed: answer, "),
    "- a list": ("['a list'] instead of keys and values",),
    "intake: {max_mb: 1": ("line 1, column 19", "expected ',' or '}'"),
    "a: b: c": ("line 1, column 5", "not valid YAML"),
    "base: x\nprefix: a\nprefix: b": ("line 3, column 1", "`prefix` stands twice, first in line 2"),
    "intake: {}\ntrain: {}\nintake: {}": ("line 3, column 1", "`intake` stands twice, first in line 1"),
    "prefix: \x00": ("not valid YAML", "#x0000"),
    "!!python/object:os.system x": ("not valid YAML",),
    "\udcff": ("no UTF-8 text (byte 0)",),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_params_yaml_names_the_key_the_value_and_what_is_allowed(tmp_path: Path, text: str):
    file = tmp_path / "params.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert str(file) in refused("gate", "simulate", cwd=tmp_path, said=WRONG[text])
    file.write_text("", encoding="utf-8")
    assert load_params(file) == Params()


@pytest.mark.parametrize(
    "words",
    [("intake", "--once"), ("draft",), ("review", "list"), ("release", "create"), ("stage", "validate"),
     ("up", "--only", "s3")],
    ids=" ".join,
)  # fmt: skip
def test_no_command_works_with_a_wrong_params_yaml_and_none_leaves_a_trace(site: Site, words: tuple[str, ...]):
    good = (site.workspace / "params.yaml").read_text(encoding="utf-8")
    before = tree(site.workspace)
    (site.workspace / "params.yaml").write_text(f"{good}\nintkae: 3\n", encoding="utf-8")
    refused(*words, cwd=site.workspace, said=["`intkae` = 3", "`intake` is meant"])
    (site.workspace / "params.yaml").write_text(good, encoding="utf-8")
    assert tree(site.workspace) == before
    assert not site.fates()


def tree(folder: Path) -> dict[str, str]:
    """Digests of all files that mean something: no locks, no caches, not the empty catalogue."""
    skip = (".git", "tmp", "catalog.db", "catalog.db-wal", "catalog.db-shm", "aws.config")
    files = [p for p in folder.rglob("*") if p.is_file() and not {*p.relative_to(folder).parts} & set(skip)]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.suffix != ".lock"}


def test_a_missing_section_that_a_stage_reads_is_told_with_its_defaults(site: Site):
    data = yaml.safe_load((site.workspace / "params.yaml").read_text(encoding="utf-8"))
    encode = {"encode": data.pop("encode")}
    (site.workspace / "params.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    checks = {row["name"]: row for row in otoloop("doctor", "--json", cwd=site.workspace).json}
    found = checks["params.yaml"]
    assert found["level"] == "error" and "lacks `encode`, which stages of dvc.yaml read" in found["message"]
    assert found["remedy"] == f"Add to it: `{yaml.safe_dump(encode, default_flow_style=True).strip()[1:-1]}`"
    assert "encode" in stage_names(site.workspace)
    refused("retrain", cwd=site.workspace, said=["lacks `encode`", found["remedy"]])
    assert not (site.workspace / "inputs" / "cycle.yaml").exists()


@pytest.mark.parametrize("text", ["", "stages:", "stages: [a", "- x", "stages: 3"])
def test_a_damaged_pipeline_is_told(tmp_path: Path, text: str):
    (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"dvc\.yaml") as caught:
        stage_names(tmp_path)
    assert caught.value.remedy and "\n" not in caught.value.message


# ---- other files that people write -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("machines.yaml", "- {site: a, machine: b, kind: rocket}", "'rocket'"),
        ("machines.yaml", "- {site: a", "machines.yaml"),
        (".otoloop/state.json", "{", "state.json is damaged"),
        (".otoloop/catalog.db", "no database, whatever its name", "catalog.db is no SQLite database"),
    ],
)
def test_a_damaged_file_of_the_workspace_is_named(site: Site, name: str, text: str, said: str):
    (site.workspace / name).parent.mkdir(exist_ok=True)
    (site.workspace / name).write_text(text, encoding="utf-8")
    refused("up" if "state" in name else "intake", *(() if "state" in name else ("--once",)), cwd=site.workspace,
            said=[said])  # fmt: skip
    assert (site.workspace / name).read_text(encoding="utf-8") == text


def test_damaged_credentials_of_the_embedded_server_are_named(tmp_path: Path):
    (tmp_path / "params.yaml").touch()
    (tmp_path / ".otoloop").mkdir()
    (tmp_path / ".otoloop" / "s3.credentials").touch()
    refused("up", "--only", "s3", cwd=tmp_path, said=["s3.credentials is damaged", "otoloop up --only s3"])


def test_a_note_may_be_wrong_without_the_sound_being_refused(site: Site):
    site.put("a.wav", wav_bytes(1))
    site.put("a.json", note_bytes("hissing", fault="gremlins"))
    told = otoloop("intake", "--once", "--json", cwd=site.workspace).json
    assert (told["admitted"], told["reasons"]) == (1, {"note_invalid": 1})
    site.put("a.json", json.dumps({"text": "hissing", "fault": "air_leak"}).encode())
    assert otoloop("intake", "--once", "--json", cwd=site.workspace).json["sidecars"]["matched"] == 1
    assert site.label_of("a.wav") == "air_leak"
