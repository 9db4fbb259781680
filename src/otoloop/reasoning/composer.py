"""The offline drafter: writes a trace from evidence and the labelled fault, stating nothing that was not measured.

Every sentence with a fact comes from `phrases`, so the claim reader finds it again and the check can confirm it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from otoloop.reasoning.evidence_text import number, stated, tones_hz
from otoloop.reasoning.hearing import third_octave
from otoloop.reasoning.phrases import BANDS, FLAGS, HEARD, NUMERIC, ORDERS, say
from otoloop.reasoning.vocab import Fault
from otoloop.records import Evidence, Trace

_PLANS = {
    "en": ("Describe the sound, then name what fits.", "Listen for tones, impacts and noise, then decide.",
           "Say what is heard first and compare it with the known faults.", "Note what stands out, then choose."),
    "ja": ("音を描写し、合う異常を選ぶ。", "音程、衝撃、雑音を聞いて判断する。"),
}  # fmt: skip
_PLANS_EVIDENCE = {
    "en": (
        "Read the evidence, listen, then name what fits.",
        "Take the measured facts together with the sound, then decide.",
    ),
    "ja": ("計測値を読み、音を聞いて判断する。",),
}
_CONCLUDE = {
    "en": ("{name} fits: {cue}.", "{name} is likely: {cue}.", "{name} explains it: {cue}."),
    "ja": ("{name}が合う、{cue}。", "{name}と考えられる、{cue}。"),
}
_SUMS = {"en": ("So it is {name}.", "The sound shows {name}."), "ja": ("よって{name}である。", "{name}と判断する。")}
_BEARINGS = {"bearing_outer": "outer_race_order", "bearing_inner": "inner_race_order", "bearing_ball": "ball_order"}
# An order explains a count of impacts within this share of it
ORDER_TOLERANCE = 0.05
_MESH_TOLERANCE = 0.05


def compose(
    evidence: Evidence, fault: Fault, *, kind: str, style: str, lang: str, letter: str | None, rng: random.Random
) -> Trace:
    """Write the trace of one item.

    Args:
        evidence: measured and derived facts; only reliable ones are stated.
        fault: the gold answer.
        kind: ``audio_only`` (states only what can be heard, rounded) or ``with_evidence`` (states numbers word for word).
        style: ``cot`` or ``direct``.
        lang: ``en`` or ``ja``.
        letter: the letter of the right option, or None for an open question.
        rng: picks among phrasings.
    """
    response = answer_text(fault, lang, letter)
    if style == "direct":
        return Trace(response=response)
    if kind == "with_evidence":
        plan, caption = _PLANS_EVIDENCE, _measured(evidence, lang)
        reasoning = [*_combined(evidence, fault, lang)]
    else:
        plan, caption, reasoning = _PLANS, _heard(evidence, lang), []
    cue = fault.cue_ja if lang == "ja" else fault.cue
    # the name comes first and in lower case, so that one mapping from sound to name serves reasoning and response alike
    reasoning.append(rng.choice(_CONCLUDE[lang]).format(cue=cue, name=fault.name(lang)))
    return Trace(
        planning=rng.choice(plan[lang]),
        caption=_sentences(caption, lang) if caption else _nothing(lang),
        reasoning=("" if lang == "ja" else " ").join(reasoning),
        summary=rng.choice(_SUMS[lang]).format(name=fault.name(lang)),
        response=response,
    )


def answer_text(fault: Fault, lang: str, letter: str | None) -> str:
    """The response: the name, and the letter of the option if there are options."""
    return f"{fault.name(lang)} ({letter})" if letter else fault.name(lang)


def _heard(evidence: Evidence, lang: str) -> list[str]:
    """What a listener can say of the sound alone, rounded to what can be heard."""
    said = [say(BANDS[str(evidence["band"].value)], lang)] if _reliable(evidence, "band") else []
    tones = tones_hz(evidence)
    if tones:
        said.append(HEARD["tone_hz"].say(lang, str(third_octave(tones[0]))))
    if _reliable(evidence, "impulsive"):
        said.append(say(FLAGS["impulsive", bool(evidence["impulsive"].value)], lang))
    if _reliable(evidence, "modulation_hz") and 1 <= float(evidence["modulation_hz"].value) <= 20:
        said.append(HEARD["modulation_hz"].say(lang, str(round(float(evidence["modulation_hz"].value)))))
    elif _reliable(evidence, "steady") and evidence["steady"].value:
        said.append(say(FLAGS["steady", True], lang))
    return said


def _measured(evidence: Evidence, lang: str) -> list[str]:
    """The facts of the evidence block that bear on faults, word for word."""
    said = [
        NUMERIC[key].say(lang, text)
        for key in ("speed_rpm", "impulse_rate_hz", "hum_hz", "modulation_hz")
        if (text := stated(evidence, key)) is not None
    ]
    said += [NUMERIC["tone_hz"].say(lang, number(f, 0)) for f in tones_hz(evidence)[:1]]
    if _reliable(evidence, "band"):
        said.append(say(BANDS[str(evidence["band"].value)], lang))
    return said


def _combined(evidence: Evidence, fault: Fault, lang: str) -> list[str]:
    """What follows from several facts together, when it follows: orders of a bearing, tone against gear mesh."""
    order = nearest_order(evidence)
    if order is not None and _BEARINGS.get(fault.id) == order:
        ratio = NUMERIC["impacts_per_turn"].say(lang, stated(evidence, "impacts_per_turn") or "")
        near = say(ORDERS[order], lang).format(v=stated(evidence, order))
        return [f"{ratio}は{near}。" if lang == "ja" else f"{_capital(ratio)} is {near}."]
    mesh, tones = stated(evidence, "gear_mesh_hz"), tones_hz(evidence)
    if fault.id == "gear_wear" and mesh and tones and abs(tones[0] / float(mesh) - 1) < _MESH_TOLERANCE:
        return [_sentences([NUMERIC["gear_mesh_hz"].say(lang, mesh)], lang)]
    return []


def nearest_order(evidence: Evidence) -> str | None:
    """The bearing order that explains the impacts per turn within 5 %, or None."""
    ratio = stated(evidence, "impacts_per_turn")
    orders = {k: float(t) for k in ORDERS if (t := stated(evidence, k)) is not None}
    if ratio is None or not orders:
        return None
    best = min(orders, key=lambda k: abs(orders[k] / float(ratio) - 1))
    return best if abs(orders[best] / float(ratio) - 1) <= ORDER_TOLERANCE else None


def _reliable(evidence: Evidence, key: str) -> bool:
    fact = evidence.get(key)
    return fact is not None and fact.reliable and fact.value is not None


def _nothing(lang: str) -> str:
    return "はっきりした特徴はない。" if lang == "ja" else "Nothing stands out clearly."


def _sentences(parts: Sequence[str], lang: str) -> str:
    if lang == "ja":
        return "、".join(parts) + "。"
    return _capital(", ".join(parts)) + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
