"""Words of a trace that are judged without measuring: fault names, machine parts, hints at a hidden source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from otoloop.reasoning.negation import denied
from otoloop.reasoning.vocab import by_name, faults, find_fault


@dataclass(frozen=True, slots=True)
class Named:
    """A fault named in a text; ``denied`` when the text says that it is not this one."""

    fault: str
    start: int
    end: int
    denied: bool


@cache
def _names(synonyms: bool) -> tuple[re.Pattern[str], dict[str, str]]:
    """Pattern of fault names (with synonyms on request), longest first, and the fault id of each."""
    table = {}
    for fault in faults().values():
        for name in (*(fault.synonyms if synonyms else ()), fault.id, fault.id.replace("_", " "), fault.ja, fault.en):
            table[name.lower()] = fault.id
    ordered = sorted(table, key=len, reverse=True)
    forms = [rf"(?<![a-z]){re.escape(n)}(?![a-z])" if n.isascii() else re.escape(n) for n in ordered]
    return re.compile("|".join(forms), re.IGNORECASE), table


def named(text: str, *, synonyms: bool = False) -> list[Named]:
    """Faults that ``text`` names, in order; synonyms such as "rattle" may also be plain descriptions of a sound."""
    pattern, table = _names(synonyms)
    return [
        Named(table[m.group().lower()], m.start(), m.end(), denied(text, *m.span())) for m in pattern.finditer(text)
    ]


def affirmed(text: str) -> set[str]:
    """Ids of the faults that a conclusion names and does not deny; synonyms count when no proper name stands there."""
    found = named(text) or named(text, synonyms=True)
    return {n.fault for n in found if not n.denied}


# names of failures that are not in the vocabulary, and heads that make any phrase one
_OUTSIDE = re.compile(
    r"(?<![a-z])(?:(?:parallel |angular |shaft |coupling )?misalign(?:ment|ed)|oil whirl|oil whip|water hammer|"
    r"surg(?:e|ing)|stall(?:ing)?|"
    r"broken rotor bars?|rotor bar|eccentricity|arcing|corona(?: discharge)?|partial discharge|resonance problem|"
    r"pitting|spalling|corrosion|"
    r"contamination|lack of lubrication|lubrication (?:failure|problem|starvation)|poor lubrication|starved bearing|"
    r"cage (?:defect|damage|wear|fault)|"
    r"bent shaft|soft foot|phase imbalance|seal (?:leak|failure|damage)|clogg(?:ed|ing)(?: filter)?|blockage|"
    r"overheating|overload)(?![a-z])"
    r"|ミスアライメント|芯ずれ|芯出し不良|潤滑不良|油切れ|ウォーターハンマー|サージング|偏心|アーク|部分放電|詰まり|腐食|保持器損傷",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"(?<![a-z])(?P<what>(?:[a-z]+[ -]){1,3})(?P<head>defects?|faults?|damage|failures?|cracks?|wear|leaks?|breakage|"
    r"fracture)(?![a-z])",
    re.IGNORECASE,
)
_HEADED_JA = re.compile(r"(?P<what>[一-龥ァ-ヶー]{2,8})(?P<head>損傷|摩耗|破損|亀裂|故障|欠陥|不良)")
_GENERIC = (
    "a an the this that these those any no not known possible likely such some of or and is are to for with which "
    "what each every same other specific "
    "mechanical electrical machine equipment component bearing rotor belt gear pump motor fan valve compressor drive "
    "winding impeller first one "
    "more clear obvious visible typical common particular new serious early slight developing incipient point points "
    "suggest suggests indicates "
    "race ring element rolling outer inner tooth teeth local localised localized general actual named fits fit "
    "listed signs sign kind type from by as "
    "than there be has have shows show means mean names name see seen hear heard it its so normal tear list between "
    "these both all without against "
    "対象 機械 軸受 設備 既知 特定 該当"
)
_PLAIN_WORDS = frozenset(_GENERIC.split())


def unknown_terms(text: str) -> Iterator[tuple[str, int, int]]:
    """Failures named in ``text`` that the vocabulary does not have: (words, start, end); denied ones do not count."""
    return iter(_unknown_terms(text))


@lru_cache(maxsize=256)
def _unknown_terms(text: str) -> tuple[tuple[str, int, int], ...]:
    return tuple(_find_unknown(text))


def _find_unknown(text: str) -> Iterator[tuple[str, int, int]]:
    pattern, _ = _names(synonyms=True)
    known = [m.span() for m in pattern.finditer(text)]
    seen: list[tuple[int, int]] = []
    for match in (*_OUTSIDE.finditer(text), *_HEADED.finditer(text), *_HEADED_JA.finditer(text)):
        span = _core(match)
        if span is None or any(a < span[1] and span[0] < b for a, b in (*known, *seen)) or denied(text, *span):
            continue
        seen.append(span)
        yield text[slice(*span)], *span


def _core(match: re.Match[str]) -> tuple[int, int] | None:
    """The naming part of a match: for "this shaft crack" only "shaft crack"; None when nothing names a failure."""
    groups = match.groupdict()
    if "what" not in groups:
        return match.span()
    words = [w for w in re.finditer(r"[^\s-]+", match["what"]) if w.group().lower() not in _PLAIN_WORDS]
    if not words or find_fault(match.group()) is not None:
        return None
    return match.start() + words[0].start(), match.end()


PARTS: dict[str, str] = {
    "bearing": r"bearings?|(?:outer|inner) (?:race|ring)|rolling elements?|bearing cage|軸受|外輪|内輪|転動体",
    "gear": r"gears?|gearbox|gear teeth|pinion|toothed wheel|歯車|ギヤ|ギア",
    "belt": r"belts?|pulleys?|ベルト|プーリ",
    "valve": r"valves?|弁|バルブ",
    "impeller": r"impellers?|blades?|vanes?|羽根車?|翼",
    "winding": r"windings?|stator|巻線|固定子",
    "pneumatic line": r"pneumatic line|air (?:line|hose|pipe)|compressed air|空気配管|エア配管",
    "fastener": r"fasteners?|bolts?|screws?|締結部|ボルト|ねじ",
    "drive": r"inverter|vfd|frequency converter|インバータ",
    "pump": r"pumps?|suction side|ポンプ|吸込み側",
    "rotor": r"rotor|ロータ",
    "piston": r"pistons?|cylinders?|ピストン|シリンダ",
    "engine": r"engine|エンジン",
}
_PART = re.compile(
    "|".join(f"(?P<p{i}>(?<![a-z])(?:{p})(?![a-z]))" for i, p in enumerate(PARTS.values())), re.IGNORECASE
)
# of which parts a machine of this kind may be said to consist
KIND_PARTS: dict[str, tuple[str, ...]] = {
    "motor": ("bearing", "rotor", "winding", "impeller", "drive"),
    "pump": ("pump", "bearing", "rotor", "impeller", "valve"),
    "fan": ("impeller", "bearing", "rotor", "belt"),
    "compressor": ("bearing", "rotor", "valve", "piston", "pneumatic line", "pump"),
    "gearbox": ("gear", "bearing", "rotor"),
    "conveyor": ("belt", "bearing", "rotor", "gear", "fastener"),
    "drive": ("drive", "winding"),
}


def parts(text: str) -> list[tuple[str, int, int]]:
    """Machine parts that ``text`` affirms, outside fault names: (part, start, end)."""
    return list(_parts(text))


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[tuple[str, int, int], ...]:
    """The same few cues and actions are read for every trace."""
    pattern, _ = _names(synonyms=True)
    masked = pattern.sub(lambda m: "_" * len(m.group()), text)
    found = [(list(PARTS)[int(str(m.lastgroup)[1:])], m.start(), m.end()) for m in _PART.finditer(masked)]
    return tuple(f for f in found if not denied(masked, f[1], f[2]))


def parts_of(names: Iterable[str]) -> set[str]:
    """Parts that faults of these names concern, also those their cue and action speak of."""
    found: set[str] = set()
    for name in names:
        fault = by_name(name)
        if fault is not None:
            found |= {
                fault.part,
                *(p for p, _, _ in parts(f"{fault.cue}. {fault.action}. {fault.cue_ja}。{fault.action_ja}")),
            }
            found |= {p for p, regex in PARTS.items() if re.search(regex, f"{fault.en} {fault.ja}", re.IGNORECASE)}
    return found


_SURROGATE = re.compile(
    r"meta-?data|(?:according to|based on|judging by|going by|as (?:stated|given|written|noted|described) (?:in|by)|"
    r"from|per) (?:the |its |their )?"
    r"(?:provided |given |supplied |attached |technician's |operator's )?"
    r"(?:label|labels|note|notes|annotation|annotations|tag|tags|file ?name|evidence file|ground truth|transcript|"
    r"description|answer key|gold answer|data ?set|caption text)"
    r"|(?:the |its )(?:label|note|annotation|tag|file ?name|ground truth|answer key|description)s? (?:says?|states?|"
    r"reads?|tells?|mentions?|indicates?|suggests?|shows?|gives?|names?|lists?)"
    r"|(?:the )?evidence(?: file| block| text)? (?:says?|states?|tells?(?: us)?|names?|"
    r"lists?)(?: that)? (?:the )?(?:fault|answer|cause|diagnosis|failure|label|condition)"
    r"|(?:it )?(?:is|was) (?:labell?ed|tagged|annotated) (?:as|with)|as (?:labell?ed|annotated|tagged)|the (?:gold|"
    r"correct|expected|reference) (?:answer|label)"
    r"|the (?:given|provided|supplied) (?:answer|label|note|description)"
    r"|メタデータ|ラベル(?:に(?:よる|よれば|は)|では|情報|が示す|から)|(?:メモ|注記|ノート|備考|記録票)(?:に(?:よる|よれば|は|ある)|では|から|の通り)|ファイル名|"
    r"正解(?:は|が|ラベル|データ)|証拠ファイル|アノテーション|与えられた(?:説明|情報|答え|ラベル)|タグ(?:に|では)",
    re.IGNORECASE,
)


def surrogates(text: str) -> Iterator[tuple[str, int, int]]:
    """Phrases by which a trace admits that it did not listen: (words, start, end)."""
    for match in _SURROGATE.finditer(text):
        yield match.group(), match.start(), match.end()
