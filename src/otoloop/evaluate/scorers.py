"""When is an answer right? The published rules, and ours, side by side.

Published rules are kept as they are, flaws included, so that numbers compare with papers: MMAU's token match counts
"The answer is X." wrong for some golds, and AIR-Bench leaves what it cannot read out of the count. The strict rule
decides about
promotion: missing or unreadable is wrong, a letter stands for its option, and letter and name must not contradict
each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from otoloop.reasoning import trace as trace_format
from otoloop.reasoning import vocab
from otoloop.records import Item, Trace

Reading = Literal["read", "missing", "no_answer", "ambiguous", "contradiction"]
_RESPONSE = re.compile(r"<RESPONSE>(.*?)</RESPONSE>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?(?:THINK|PLANNING|CAPTION|REASONING|SUMMARY|RESPONSE)>", re.IGNORECASE)
_END = r"(?=\s*(?:[.,;:!)\"'。、]|$))"
_LETTER = re.compile(
    rf"\(([a-z])\)|(?:answer|option|choice|答え|選択肢)\s*(?:is|are|は|:)?\s*\(?([a-z])\)?{_END}|^\(?([a-z])\)?(?:[.):]\s|[.):]?$)"
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
NUMBER_TOLERANCE = 0.05
# An answer is a name or a sentence; what a rambling model says after so many characters is not read
LONGEST_ANSWER = 160


@dataclass(frozen=True, slots=True)
class Choice:
    """Which option a text names: its index, or None and why not."""

    index: int | None
    reading: Reading


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer judged.

    Attributes:
        strict: right by our rule.
        official: right by the published rule, None where that rule leaves the item out.
        format_valid: the output is one well-formed trace.
        reading: ``read``, or why no answer could be read.
        said: the fault id or option that was answered, None if unread.
        consistent: whether the summary names what the response names; None without a summary.
    """

    strict: bool
    official: bool | None
    format_valid: bool
    reading: Reading
    said: str | None
    consistent: bool | None

    @property
    def parsed(self) -> bool:
        """Whether an answer could be read."""
        return self.reading == "read"


def judge(item: Item, output: str | None, official: str = "string_match") -> Judged:
    """Judge one model output for one item; None is a missing output.

    Args:
        item: with its gold answer.
        output: the model's text, tags and all.
        official: ``string_match`` (MMAU, MMAR), ``first_letter`` (AIR-Bench, MMSU) or ``exact`` (MELD).
    """
    if output is None:
        return Judged(False, None, False, "missing", None, None)
    parsed = read_trace(output)
    text = answer_part(output)
    strict, reading, said = _strict(item, text) if text is not None else (False, "no_answer", None)
    by_rule = OFFICIAL[official](item.answer, text if text is not None else output, item.choices or (item.answer,))
    return Judged(strict, by_rule, parsed is not None, reading, said, _consistent(item, parsed, said))


def read_trace(output: str) -> Trace | None:
    """The trace, or None when it is not well-formed."""
    try:
        return trace_format.parse(output)
    except trace_format.TraceFormatError:
        return None


def answer_part(output: str) -> str | None:
    """The text of the only ``<RESPONSE>``; all of an output without tags; None when thinking came to no answer."""
    found = _RESPONSE.findall(output)
    if len(found) == 1:
        return str(found[0]).strip()
    return None if _TAG.search(output) else output.strip()


def _strict(item: Item, text: str) -> tuple[bool, Reading, str | None]:
    """(right, reading, what was said)."""
    if not text:
        return False, "no_answer", None
    if item.choices:
        choice = choose(text, item.choices)
        if choice.index is None:
            return False, choice.reading, None
        return choice.index == gold_index(item), "read", fault_or_text(item.choices[choice.index])
    return _open(item, text)


def _open(item: Item, text: str) -> tuple[bool, Reading, str | None]:
    """An open answer: the same fault by any of its names, the same number within 5 %, or the same words."""
    gold, said = gold_fault(item.answer), _fault_in(text[:LONGEST_ANSWER], item.lang)
    if gold is not None:
        return said == gold, "read" if said else "no_answer", said
    wanted, given = _NUMBER.findall(item.answer), _NUMBER.findall(text)
    if wanted:
        near = bool(given) and abs(float(given[0]) - float(wanted[0])) <= NUMBER_TOLERANCE * abs(float(wanted[0]))
        return near, "read" if given else "no_answer", given[0] if given else None
    return _contains(normal(text), normal(item.answer)), "read", normal(text)[:80]


@lru_cache(maxsize=8192)
def _fault_in(text: str, lang: str) -> str | None:
    """Forgiving spelling costs milliseconds a text, and answers repeat."""
    return vocab.find_fault(text, lang)


def gold_fault(answer: str) -> str | None:
    """The fault id that a gold answer is the name or a synonym of, None where it is no fault."""
    named = vocab.by_name(answer)
    if named is not None:
        return named.id
    wanted = normal(answer)
    return next((f.id for f in vocab.faults().values() if wanted in map(normal, f.synonyms)), None)


def gold_index(item: Item) -> int | None:
    """Index of the right option by its text, else by the gold letter."""
    names = [normal(c) for c in item.choices or ()]
    if normal(item.answer) in names:
        return names.index(normal(item.answer))
    letter = (item.answer_letter or "").strip("() ").lower()
    return ord(letter) - ord("a") if len(letter) == 1 and 0 <= ord(letter) - ord("a") < len(names) else None


def fault_or_text(text: str) -> str:
    """The fault id where the text is a fault's name or synonym, else the text."""
    return gold_fault(text) or text


def choose(text: str, choices: Sequence[str]) -> Choice:
    """Which option a short answer names, by its text, its letter, or both.

    Several options or letters are ambiguous; a letter that stands for another option than the one named contradicts it.
    """
    plain = normal(text)
    named = _named(plain, [normal(c) for c in choices])
    lettered = {i for i in _letters(plain) if i < len(choices)}
    if len(named) > 1 and len(lettered & named) == 1:
        return Choice(next(iter(lettered & named)), "read")
    if len(named) > 1 or (not named and len(lettered) > 1):
        return Choice(None, "ambiguous")
    if named and lettered and not named & lettered:
        return Choice(None, "contradiction")
    return Choice(next(iter(named or lettered), None), "read" if named or lettered else "no_answer")


def _letters(plain: str) -> list[int]:
    return [ord(next(g for g in m.groups() if g)) - ord("a") for m in _LETTER.finditer(plain)]


def _named(plain: str, choices: Sequence[str]) -> set[int]:
    """Options whose text occurs, longest first; what a longer option covers does not count for a shorter one."""
    found = set()
    for index in sorted(range(len(choices)), key=lambda i: -len(choices[i])):
        if choices[index] and _contains(plain, choices[index]):
            found.add(index)
            plain = plain.replace(choices[index], " \0 ")
    return found


def _contains(text: str, phrase: str) -> bool:
    """Whole words for Latin script; any place for Japanese, which has no blanks between words."""
    if not phrase.isascii():
        return phrase in text
    return re.search(rf"(?<![a-z0-9]){re.escape(phrase)}(?![a-z0-9])", text) is not None


def normal(text: str) -> str:
    """NFKC (full-width letters become plain), lower case, single blanks."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower()


def _consistent(item: Item, parsed: Trace | None, said: str | None) -> bool | None:
    if parsed is None or parsed.direct or not parsed.summary:
        return None
    return _strict(item, parsed.summary)[2] == said


def string_match(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """MMAU's and MMAR's rule: all words of the answer occur, and no word that only wrong options have.

    Source: MMAU (arXiv 2410.19168), `evaluation.py`, function of the same name.
    """
    said, gold = _words(prediction), _words(answer)
    wrong = {w for c in choices if _words(c) != gold for w in _words(c) - gold}
    return bool(said) and gold <= said and not said & wrong


def _words(text: str) -> set[str]:
    return set(re.findall(r"\b\w+\b", text.lower()))


def first_letter(answer: str, prediction: str, choices: Sequence[str]) -> bool | None:
    """AIR-Bench foundation's and MMSU's rule: first character A-D, else the one before last; otherwise left out (None).

    Source: OFA-Sys/AIR-Bench, `score_foundation.py`.
    """
    text = prediction.strip().replace("\n", "")
    letters = "ABCD"[: len(choices)] if len(choices) > 1 else "ABCD"
    said = next((c for c in (text[:1], text[-2:-1]) if c and c in "ABCD"), None)
    if said is None or answer not in choices:
        return None
    return said in letters and list(choices).index(answer) == letters.index(said)


def exact(answer: str, prediction: str, choices: Sequence[str]) -> bool:
    """The same string but for case and blanks at the ends (MELD in Qwen2-Audio's evaluation)."""
    return prediction.strip().lower() == answer.strip().lower()


def of_corpus(answer: str, prediction: str, choices: Sequence[str]) -> None:
    """No rule an item: BLEU is one number for all of a suite, see `benchmarks.corpus_bleu`."""


OFFICIAL: dict[str, Callable[[str, str, Sequence[str]], bool | None]] = {
    "string_match": string_match, "first_letter": first_letter, "exact": exact, "bleu": of_corpus,
}  # fmt: skip
