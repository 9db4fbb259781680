"""Bad files are bad in the way they claim, and nothing arrives that deliveries.jsonl does not list."""

import io
import json

import numpy as np
import pytest
import soundfile

from otoloop.codes import QUARANTINE_CODES
from otoloop.params import IntakeParams
from otoloop.simulate.bad import bad_deliveries
from otoloop.simulate.deliveries import read_jsonl, upload
from otoloop.simulate.encode import constant_flac
from otoloop.simulate.scenes import numpy_render, sample
from otoloop.simulate.site import plan_site
from otoloop.simulate.writer import write_site

PARAMS = IntakeParams(max_mb=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    write_site(plan_site("demo", 7, 64), out, limits=PARAMS.model_dump())
    return out


@pytest.fixture(scope="module")
def bad():
    made = sample(np.random.default_rng(0), 1, faults=["rub"], split="site", seconds=4.0)
    rows = bad_deliveries("a/b/2026-01-01", numpy_render(made)[0], PARAMS.model_dump(), np.random.default_rng(0))
    return {d.expected: d for d in rows}


def read(bad, code):
    return soundfile.read(io.BytesIO(bad[code].data), always_2d=True)


def test_every_code_that_a_file_can_earn_is_there(site):
    expected = {r["expected"] for r in read_jsonl(site / "deliveries.jsonl")}
    copies = {a for r in read_jsonl(site / "deliveries.jsonl") for a in r["accept"]}
    assert set(QUARANTINE_CODES) - {"speech_policy", "duplicate_content", "bad_key"} <= expected
    assert {"duplicate_content"} <= copies and {"admit", "duplicate"} <= expected


def test_the_limits_are_broken(bad):
    assert soundfile.info(io.BytesIO(bad["too_short"].data)).duration < PARAMS.min_seconds
    assert soundfile.info(io.BytesIO(bad["too_long"].data)).duration > PARAMS.max_seconds
    assert soundfile.info(io.BytesIO(bad["rate_out_of_range"].data)).samplerate < PARAMS.min_rate_hz
    assert soundfile.info(io.BytesIO(bad["channels_out_of_range"].data)).channels > PARAMS.max_channels
    assert bad["too_large"].size > PARAMS.max_mb * 2**20


def test_the_sound_is_spoilt(bad):
    assert not np.isfinite(read(bad, "not_finite")[0]).all()
    assert np.sqrt((read(bad, "silent")[0] ** 2).mean()) < 10 ** (PARAMS.silent_below_dbfs / 20)
    assert (np.abs(read(bad, "clipped")[0]) > 0.999).mean() > PARAMS.max_clipped_share
    assert read(bad, "dc_offset")[0].mean() > PARAMS.max_dc_offset
    zero = read(bad, "dropouts")[0][:, 0] == 0
    assert np.diff(np.flatnonzero(np.diff(zero.astype(int)))).max() > PARAMS.max_dropout_s * 16_000
    wave, rate = read(bad, "upsampled")
    power = np.abs(np.fft.rfft(wave[:, 0])) ** 2
    above = np.fft.rfftfreq(len(wave), 1 / rate) > PARAMS.min_bandwidth_share * rate / 2
    assert power[above].sum() / power.sum() < 1e-6


@pytest.mark.parametrize("code", ["bad_magic", "unsupported_codec", "decode_failed"])
def test_it_does_not_open(bad, code):
    with pytest.raises(soundfile.LibsndfileError):
        read(bad, code)


def test_the_head_declares_more_than_there_is(bad):
    data = bad["header_mismatch"].data
    assert int.from_bytes(data[40:44], "little") > len(data)


def test_a_few_kilobytes_decode_to_gigabytes(bad):
    facts = soundfile.info(io.BytesIO(bad["resource_limit"].data))
    assert len(bad["resource_limit"].data) < 100_000
    assert facts.frames * facts.channels * 4 > PARAMS.decode_memory_mb * 2**20


def test_hand_made_flac_is_valid():
    wave, rate = soundfile.read(io.BytesIO(constant_flac(30, 16_000, 3, -321)), dtype="int16")
    assert rate == 16_000 and wave.shape == (round(30 * 16_000 / 65_535) * 65_535, 3) and (wave == -321).all()


def test_deliveries_list_every_file_and_nothing_else(site):
    rows = read_jsonl(site / "deliveries.jsonl")
    listed = {r["file"] for r in rows}
    found = {str(p.relative_to(site)) for p in site.rglob("*") if p.is_file()}
    assert found - listed == {"machines.yaml", "truth.jsonl", "deliveries.jsonl"} and listed <= found
    assert [r["wave"] for r in rows] == sorted(r["wave"] for r in rows)
    assert all((site / r["file"]).stat().st_size == r["bytes"] for r in rows)


def test_sidecars_come_before_and_after_their_audio_and_objects_come_twice(site):
    rows = read_jsonl(site / "deliveries.jsonl")
    audio = {r["clip"]: r["seq"] for r in rows if r["kind"] == "audio" and r["expected"] == "admit"}
    order = [r["seq"] - audio[r["clip"]] for r in rows if r["kind"] != "audio"]
    assert min(order) < 0 < max(order)
    keys = [r["key"] for r in rows]
    assert len(keys) > len(set(keys))


def test_copies_hold_the_same_samples(site):
    rows = read_jsonl(site / "deliveries.jsonl")
    copies = [r for r in rows if r["expected"] == "duplicate" and r["key"].rsplit(".")[0].endswith("_copy")]
    assert copies
    first = {r["clip"]: r["file"] for r in rows if r["kind"] == "audio" and r["expected"] == "admit"}
    for copy in copies:
        a, b = (soundfile.read(site / f, dtype="int16") for f in (copy["file"], first[copy["clip"]]))
        assert np.array_equal(a[0], b[0]) and a[1] == b[1] and copy["file"][-4:] != first[copy["clip"]][-4:]


def test_a_broken_note_is_kept_aside_when_it_is_sent_again(site):
    broken = [r for r in read_jsonl(site / "deliveries.jsonl") if r["expected"] == "note_invalid"]
    texts = [(site / r["file"]).read_text() for r in broken]
    assert len(broken) == 2 and "gremlins" in "".join(texts)
    cut = next(r for r, t in zip(broken, texts, strict=True) if "gremlins" not in t)
    assert cut["file"].startswith("superseded/")
    with pytest.raises(json.JSONDecodeError):
        json.loads((site / cut["file"]).read_text())
    json.loads((site / cut["key"]).read_text())


def test_upload_without_deliveries_is_refused(tmp_path):
    from otoloop.errors import OtoloopError

    with pytest.raises(OtoloopError, match=r"deliveries\.jsonl"):
        upload(tmp_path, None)


def test_upload_puts_waves_in_order_and_never_the_truth(site, object_store):
    rows = read_jsonl(site / "deliveries.jsonl")
    early = {r["key"] for r in rows if r["wave"] == 0}
    assert upload(site, object_store, waves=[0]) == len(early)
    assert {o.key for o in object_store.list("incoming")} == early
    upload(site, object_store)
    stored = {o.key: o.size for o in object_store.list("incoming")}
    assert stored == {r["key"]: (site / r["key"]).stat().st_size for r in rows}
