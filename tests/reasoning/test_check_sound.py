"""The check against samples: signals built here, the simulator's truth; rates of detection and false alarm."""

import random
import re

import numpy as np
import pytest

from otoloop.reasoning import evidence_text, items
from otoloop.reasoning.check import check, claims_against
from otoloop.reasoning.composer import compose
from otoloop.reasoning.trace import format_trace
from otoloop.reasoning.vocab import faults

audio = pytest.importorskip("otoloop.audio.evidence")
BASE = "otoloop-mini"

# (parts of the signal, true statements, false statements); what is true follows from how the signal is built
SIGNALS = [
    (
        {"tone": 2900.0},
        [
            "a tone near 2.9 kHz",
            "There is a whistle at 2,880 Hz.",
            "no impacts are heard",
            "2.9kHz付近に音",
            "most of the energy is above 2 kHz",
        ],
        [
            "a tone at 3.3 kHz",
            "a tone stands at 2500 Hz",
            "No tone at 2.9 kHz.",
            "low-frequency energy dominates",
            "impacts are heard",
            "1.4kHzに音",
            "no clear tone stands out",
        ],
    ),
    (
        {"impacts": 107.0},
        [
            "impacts come 107.0 times a second",
            "roughly 107 hits per second",
            "107 Hz impacts",
            "one impact every 9.35 ms",
            "between 100 and 115 impacts per second",
            "衝撃は毎秒約107回",
        ],
        [
            "impacts come 98.0 times a second",
            "roughly 120 hits per second",
            "214 Hz impacts",
            "no impacts are heard",
            "衝撃は聞こえない",
            "one impact every 12 ms",
            "impacts come 53.5 times a second",
        ],
    ),
    (
        {"hum": 100.0, "noise": 0.003},
        ["a hum stands at 100 Hz", "energy lies mostly below 500 Hz", "100Hzのうなり"],
        ["a hum stands at 120 Hz", "impacts are heard", "the high band is strongest with most energy"],
    ),
    (
        {"noise": 0.1, "swell": 4.0},
        ["the level swells 4.0 times a second", "amplitude modulated at about 4 Hz"],
        ["the level swells 6.0 times a second", "the level is steady", "a tone at 440 Hz", "音量は一定"],
    ),
    (
        {"noise": 0.1},
        ["the level is steady", "no clear tone stands out", "no impacts"],
        ["the level swells 4 times a second", "a tone at 1 kHz", "107 impacts per second", "毎秒30回の衝撃"],
    ),
]


@pytest.mark.parametrize(("parts", "true", "false"), SIGNALS)
def test_statements_about_built_signals(build, trace, parts, true, false):
    measured = audio.measure(build(**parts), 16000)
    for said in true:
        judged = claims_against(trace(said), measured, None, BASE)
        assert judged and all(f.code is None for f in judged), (said, judged)
    for said in false:
        assert any(f.code for f in claims_against(trace(said), measured, None, BASE)), said


def test_resolution_of_hearing_widens_what_is_right_for_audio_only(build, trace):
    measured = audio.measure(build(tone=2750.0), 16000)
    text = trace("A tone stands near 2500 Hz.")
    assert [f.code for f in claims_against(text, measured, "audio_only", BASE)] == [None]
    assert [f.code for f in claims_against(text, measured, "with_evidence", BASE)] == ["claim_contradicted"]
    assert [f.code for f in claims_against(trace("A tone stands near 2000 Hz."), measured, "audio_only", BASE)] == [
        "claim_contradicted"
    ]


@pytest.fixture(scope="module")
def simulated():
    """(fault id, evidence, machine kind, truth) of simulated clips of every fault."""
    scenes = pytest.importorskip("otoloop.simulate.scenes")
    from otoloop.audio.derive import derive

    drawn = scenes.sample(np.random.default_rng(11), 68, faults=list(faults()), split="train", seconds=3.0)
    rows = audio.measure_batch(scenes.numpy_render(drawn), 16000, np)
    return [
        (str(drawn.fault[i]), derive(rows[i], drawn.sensors(i), drawn.machine(i)), drawn.machine(i)["kind"],
         {k: v[i] for k, v in drawn.truth.items()})
        for i in range(len(drawn))
    ]  # fmt: skip


def composed(simulated):
    for i, (name, evidence, kind_of_machine, _) in enumerate(simulated):
        for kind in ("audio_only", "with_evidence"):
            for lang in ("en", "ja"):
                rng, gold = random.Random(i), faults()[name]
                item = items.make_item(
                    str(i),
                    gold,
                    kind=kind,
                    style="cot",
                    lang=lang,
                    pool=list(faults()),
                    evidence=evidence_text.block(evidence),
                    has_choices=bool(i % 2),
                    rng=rng,
                    slice={"machine_kind": kind_of_machine},
                )
                trace = compose(evidence, gold, kind=kind, style="cot", lang=lang, letter=item.answer_letter, rng=rng)
                yield format_trace(trace), evidence, item


NUMBER = re.compile(r"(?<![a-zA-Z\d.])\d+(?:\.\d+)?")


def corrupted(text, rng, kind):
    """The text with one number up to 3 times larger or smaller, beyond the resolution of its kind; None without one."""
    match = rng.choice(list(NUMBER.finditer(text)) or [None])
    if match is None:
        return None
    factor = rng.uniform(1.5 if kind == "audio_only" else 1.15, 3.0) ** rng.choice((-1, 1))
    digits = len(match.group().split(".")[1]) if "." in match.group() else 0
    wrong = f"{float(match.group()) * factor:.{digits}f}"
    return None if wrong == match.group() else text[: match.start()] + wrong + text[match.end() :]


def test_one_corrupted_number_is_caught_and_right_traces_pass(simulated, capsys):
    rng, counts = random.Random(5), {k: [0, 0, 0, 0] for k in ("audio_only", "with_evidence")}
    for text, evidence, item in composed(simulated):
        count, spoiled = counts[item.kind], corrupted(text, rng, item.kind)
        count[0] += 1
        count[1] += bool(check(text, evidence, item=item, base=BASE))
        if spoiled is not None:
            count[2] += 1
            count[3] += bool(check(spoiled, evidence, item=item, base=BASE))
    with capsys.disabled():
        for kind, (n, alarms, m, caught) in counts.items():
            print(
                f"\n  {kind}: corrupted numbers caught {caught}/{m} = {caught / m:.3f}, false alarms {alarms}/{n}",
                end="",
            )
    rates = {kind: (alarms / n, caught / m) for kind, (n, alarms, m, caught) in counts.items()}
    assert rates["with_evidence"][1] >= 0.97 and rates["audio_only"][1] >= 0.85
    assert max(r[0] for r in rates.values()) <= 0.02


def test_a_trace_about_another_clip_is_caught(simulated, capsys):
    rows = list(composed(simulated))
    strange = [(text, rows[(i + 37) % len(rows)][1], item) for i, (text, _, item) in enumerate(rows)]
    caught = sum(any(f.code for f in claims_against(t, e, item.kind, BASE)) for t, e, item in strange)
    with capsys.disabled():
        print(f"\n  traces of another clip caught: {caught}/{len(strange)} = {caught / len(strange):.3f}")
    assert caught / len(strange) >= 0.85


TRUE_OF = {
    "speed_rpm": "the speed is {:.0f} rpm",
    "impulse_rate_hz": "impacts come {:.1f} times a second",
    "tone_hz": "a tone stands at {:.0f} Hz",
    "hum_hz": "a hum stands at {:.0f} Hz",
}


def test_the_simulators_truth_is_not_contradicted_and_its_corruption_is(simulated, trace, capsys):
    """Sentences written from the true parameters, not from what was measured; unverifiable ones do not count."""
    counts = {k: [0, 0, 0, 0] for k in TRUE_OF}
    for _, evidence, _, truth in simulated:
        for key, sentence in TRUE_OF.items():
            value = float(truth.get(key, np.nan))
            if not np.isfinite(value) or value <= 0:
                continue
            for offset, factor in ((0, 1.0), (2, 1.37)):
                (judged,) = claims_against(trace(sentence.format(value * factor)), evidence, "with_evidence", BASE)
                counts[key][offset] += judged.status != "unverifiable"
                counts[key][offset + 1] += judged.code is not None
    with capsys.disabled():
        for key, (n, refused, m, caught) in counts.items():
            print(f"\n  {key}: true statements refused {refused}/{n}; 37 % off caught {caught}/{m}", end="")
    total = np.sum(list(counts.values()), axis=0)
    assert total[1] / total[0] <= 0.25 and total[3] / total[2] >= 0.9
