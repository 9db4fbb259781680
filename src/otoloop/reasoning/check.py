"""Checking a chain of thought against the sound itself: every reason why a trace must not be trained on.

``check`` returns what is wrong (empty when nothing is); ``claims_against`` returns how every single claim fared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, cast

from otoloop.reasoning.answers import answer_findings, answerable, gold_leak
from otoloop.reasoning.claims import Stated, extract
from otoloop.reasoning.facts import as_evidence
from otoloop.reasoning.hearing import hearing
from otoloop.reasoning.judge import ClaimFinding, judge
from otoloop.reasoning.terms import KIND_PARTS, parts, parts_of, surrogates, unknown_terms
from otoloop.reasoning.trace import PARTS, TraceFormatError, parse
from otoloop.records import Evidence, Finding, Item, Trace

# facts that nobody hears: a trace can have them from the evidence block only
_TOLD = {
    "speed_rpm", "shaft_hz", "impacts_per_turn", "outer_race_order", "inner_race_order", "ball_order", "gear_mesh_hz",
    "vibration_rms_mm_s", "temperature_c", "current_a", "outer_race_hz", "inner_race_hz", "ball_hz",
}  # fmt: skip
_EVENT_PARTS = ("CAPTION", "REASONING", "SUMMARY")
# what the evidence itself speaks of, so that a trace may speak of it too
_SUPPORTS = {
    "outer_race_order": "bearing", "inner_race_order": "bearing", "ball_order": "bearing", "gear_mesh_hz": "gear",
    "hum_hz": "winding", "speed_rpm": "rotor",
}  # fmt: skip


def check(
    trace_text: str, evidence: Evidence | Mapping[str, Any], *, item: Item | None, base: str, kind: str | None = None
) -> list[Finding]:
    """All reasons against a trace, each with its code, place and numbers; an empty list means that it passes.

    Args:
        trace_text: the trace with its tags.
        evidence: measured and derived facts of the clip (or their JSON form).
        item: the question with its gold answer; None checks the trace against the sound and itself only.
        base: name of the base whose hearing limits ``audio_only`` traces.
        kind: ``audio_only`` or ``with_evidence`` in place of the item's; ``any`` when it is not known.
    """
    facts = as_evidence(evidence)
    kind = None if kind == "any" else kind or (item.kind if item is not None else None)
    found: list[Finding] = []
    trace = _parsed(trace_text, item, found)
    if trace is not None:
        found += answer_findings(trace_text, trace, item)
        found += gold_leak(trace_text, trace, item)
    found += [f for f in claims_against(trace_text, facts, kind, base) if f.code is not None]
    found += _invented(trace_text, facts, item, base)
    found += _words(trace_text, facts, item, trace)
    found += answerable(item) if item is not None else []
    return found


def claims_against(
    trace_text: str, evidence: Evidence | Mapping[str, Any], item_kind: str | None, base: str
) -> list[ClaimFinding]:
    """How every claim of a trace fared, in order of appearance.

    Right claims have ``code`` None and the measured value. ``status`` is confirmed, contradicted, not_hearable or
    unverifiable; the last has ``code`` None and ``measured`` None, and counts neither as right nor as wrong.
    """
    facts, ears = as_evidence(evidence), hearing(base)
    return [judge(cast(Stated, claim), facts, item_kind, ears) for claim in extract(trace_text)]


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as scripts read it: ``{code, claim, span, stated, measured, tolerance, unit, message, ...}``."""
    row = asdict(finding)
    return {**row, "span": list(finding.span) if finding.span else None}


def _parsed(text: str, item: Item | None, found: list[Finding]) -> Trace | None:
    """The trace, or None with the format's fault added to ``found``."""
    try:
        trace = parse(text)
    except TraceFormatError as err:
        found.append(Finding(code=err.code, message=str(err)))
        return None
    if item is not None and item.style == "cot" and trace.direct:
        found.append(Finding(code="empty_part", message="<THINK> is empty, but the item asks for a chain of thought."))
    if item is not None and item.style == "direct" and not trace.direct:
        found.append(
            Finding(code="format", message="The item asks for a direct answer: <THINK></THINK> must be empty.")
        )
    return trace


def _invented(text: str, facts: Evidence, item: Item | None, base: str) -> Iterator[Finding]:
    """Numbers of sensors or geometry that nobody measured, in a trace whose prompt carried all that is known."""
    if item is None or item.evidence is None:
        return
    for finding in claims_against(text, facts, item.kind, base):
        fact = facts.get(finding.kind)
        if finding.status == "unverifiable" and finding.kind in _TOLD and (fact is None or fact.value is None):
            message = f"“{finding.claim}” is not supported: the item's evidence has no such fact."
            yield replace(finding, code="event_not_supported", message=message, status="contradicted")


def _words(text: str, facts: Evidence, item: Item | None, trace: Trace | None) -> Iterator[Finding]:
    """Terms outside the vocabulary, machine parts out of nowhere, hidden sources."""
    for words, start, end in unknown_terms(text):
        yield _at("unknown_term", f"“{words}” is not in the vocabulary of faults.", words, start, end)
    for words, start, end in surrogates(text):
        yield _at("surrogate_phrase", f"“{words}” speaks of a source other than the sound.", words, start, end)
    if trace is not None and not trace.direct:
        yield from _strange_parts(text, facts, item, trace)


def _at(code: str, message: str, words: str, start: int, end: int) -> Finding:
    return Finding(code=code, message=message, claim=words, span=(start, end))


def _strange_parts(text: str, facts: Evidence, item: Item | None, trace: Trace) -> Iterator[Finding]:
    """Machine parts that neither question, options, answer, machine nor evidence speak of."""
    allowed = _allowed_parts(facts, item, trace)
    for tag in _EVENT_PARTS:
        offset, end = text.find(f"<{tag}>") + len(tag) + 2, text.find(f"</{tag}>")
        for part, a, b in parts(text[offset:end]):
            if part not in allowed:
                words = text[offset + a : offset + b]
                yield _at(
                    "event_not_supported",
                    f"Nothing in the item or the evidence speaks of “{words}”.",
                    words,
                    offset + a,
                    offset + b,
                )


def _allowed_parts(facts: Evidence, item: Item | None, trace: Trace) -> set[str]:
    response = trace.response.split("(")[0]
    names = [response, *([item.answer, *(item.choices or ())] if item else [])]
    allowed = parts_of(names) | {p for p, _, _ in parts(response)}
    allowed |= {part for key, part in _SUPPORTS.items() if key in facts and facts[key].value is not None}
    if item is not None:
        allowed |= {p for p, _, _ in parts(item.question)}
    kind = item.slice.get("machine_kind", "") if item is not None else ""
    return allowed | set(KIND_PARTS.get(kind, ("pump",)))


__all__ = ["PARTS", "check", "claims_against", "finding_json"]
