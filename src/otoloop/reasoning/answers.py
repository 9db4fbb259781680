"""Whether the answer is right, follows from the thinking, was given away before it, or needs no listening."""

from __future__ import annotations

import re
from collections.abc import Iterator

from otoloop.reasoning.items import LETTERS
from otoloop.reasoning.terms import Named, affirmed, named
from otoloop.reasoning.vocab import by_name, faults, find_fault
from otoloop.records import Finding, Item, Trace

_LETTER = re.compile(r"(?<![a-z])\(?([a-h])\)(?![a-z])|^\s*\(?([a-h])[).:]?\s*$|^\s*\(?([a-h])[).:]\s", re.IGNORECASE)
_LETTER_LEAK = re.compile(
    r"(?:(?:option|choice|answer(?: is)?|letter)\s*\(?|\()([a-h])(?:\)|(?![a-z]))|(?:選択肢|"
    r"答えは)\s*\(?([a-h])",
    re.IGNORECASE,
)

_CONCLUDES = re.compile(
    r"\b(?:points? to|fits|speaks for|indicates?|suggests?|so it is|therefore|hence|must be|means|"
    r"this is|it is|matches|shows|"
    r"consistent with|typical of|conclude\w*)\b[^.;,]*$",
    re.IGNORECASE,
)
_CONCLUDES_JA = re.compile(r"(?:を示|に合|に一致|であ|と判断|が疑|と考え)")


def said(response: str, item: Item | None) -> tuple[str | None, str | None]:
    """(fault id, letter) that a response gives; a lone letter stands for its option."""
    match = _LETTER.search(response)
    letter = next((g.lower() for g in match.groups() if g), None) if match else None
    name = _LETTER.sub(" ", response).strip(" .。、,:")
    fault = by_name(name)
    found = fault.id if fault else _only(affirmed(name)) or (find_fault(name) if name else None)
    if found is None and letter and item and item.choices and LETTERS.index(letter) < len(item.choices) and not name:
        option = by_name(item.choices[LETTERS.index(letter)])
        found = option.id if option else None
    return found, letter


def _only(ids: set[str]) -> str | None:
    return next(iter(ids)) if len(ids) == 1 else None


def answer_findings(text: str, trace: Trace, item: Item | None) -> Iterator[Finding]:
    """Mismatches of response with gold, letter, summary and reasoning; a response outside the vocabulary."""
    fault, letter = said(trace.response, item)
    start = text.rfind("<RESPONSE>") + len("<RESPONSE>")
    span = (start, start + len(trace.response))
    if fault is None:
        code = "answer_mismatch" if letter and item else "unknown_term"
        yield Finding(
            code=code,
            message=f"The response “{trace.response}” names no fault of the vocabulary.",
            claim=trace.response,
            span=span,
        )
    yield from _against_gold(fault, letter, trace.response, span, item)
    if fault is not None and not trace.direct:
        yield from _follows(text, trace, fault, span)


def _against_gold(
    fault: str | None, letter: str | None, response: str, span: tuple[int, int], item: Item | None
) -> Iterator[Finding]:
    if item is None:
        return
    gold = by_name(item.answer)
    if fault is not None and gold is not None and fault != gold.id:
        yield _mismatch(
            f"The response “{response}” is not the gold answer “{item.answer}”.", response, span, response, item.answer
        )
    elif item.answer_letter and letter and letter != item.answer_letter.lower():
        yield _mismatch(
            f"The response has the letter ({letter}); the right one is ({item.answer_letter}).",
            response,
            span,
            letter,
            item.answer_letter,
        )


def _mismatch(message: str, claim: str, span: tuple[int, int], stated: str, measured: str) -> Finding:
    return Finding(code="answer_mismatch", message=message, claim=claim, span=span, stated=stated, measured=measured)


def _follows(text: str, trace: Trace, fault: str, span: tuple[int, int]) -> Iterator[Finding]:
    """The summary must name what the response names; reasoning that names faults must name it too."""
    summed = affirmed(trace.summary)
    if fault not in summed:
        named_there = ", ".join(sorted(faults()[f].en for f in summed)) or "no fault"
        yield _mismatch(f"The response “{trace.response}” does not follow from the summary, which names {named_there}.",
                        trace.response, span, fault, named_there)  # fmt: skip
    reasoned = {n.fault for n in named(trace.reasoning) if not n.denied and _concluded(trace.reasoning, n)}
    if reasoned and fault not in reasoned:
        names = ", ".join(sorted(faults()[f].en for f in reasoned))
        yield _mismatch(
            f"The reasoning concludes {names}, but the response is “{trace.response}”.",
            trace.response,
            span,
            fault,
            names,
        )


def _concluded(text: str, name: Named) -> bool:
    """Whether the text ends up with this fault instead of merely comparing with it."""
    before, after = text[max(0, name.start - 60) : name.start], text[name.end : name.end + 8]
    return bool(_CONCLUDES.search(before) or _CONCLUDES_JA.match(after))


def gold_leak(text: str, trace: Trace, item: Item | None) -> Iterator[Finding]:
    """The answer's name or letter in planning or caption, before any reasoning."""
    gold = by_name(item.answer) if item is not None else None
    answer = gold.id if gold else said(trace.response, item)[0]
    letter = item.answer_letter if item is not None else said(trace.response, item)[1]
    for tag in ("PLANNING", "CAPTION"):
        offset, end = text.find(f"<{tag}>") + len(tag) + 2, text.find(f"</{tag}>")
        part = text[offset:end] if offset > len(tag) + 1 and end >= offset else ""
        spans = [(n.start, n.end) for n in named(part) if n.fault == answer and not n.denied]
        spans += [m.span() for m in _LETTER_LEAK.finditer(part) if letter and (m[1] or m[2]).lower() == letter.lower()]
        for start, stop in spans:
            words = part[start:stop]
            yield Finding(code="gold_leak", message=f"<{tag}> gives the answer away (“{words}”) before any reasoning.",
                          claim=words, span=(offset + start, offset + stop))  # fmt: skip


def answerable(item: Item) -> Iterator[Finding]:
    """Whether question or evidence text names the answer, so that nobody has to listen."""
    gold = by_name(item.answer)
    if gold is None:
        return
    for where, text, wide in (("question", item.question, True), ("evidence", item.evidence or "", False)):
        hit = next(
            (
                n
                for n in named(text, synonyms=wide)
                if n.fault == gold.id and (n.end - n.start > 3 or not text.isascii())
            ),
            None,
        )
        if hit is not None:
            words = text[hit.start : hit.end]
            yield Finding(
                code="answerable_without_audio", message=f"The {where} names the answer (“{words}”).", claim=words
            )
    if item.choices is not None and len(set(item.choices)) < 2:
        yield Finding(code="answerable_without_audio", message="There is only one option to choose from.")
