"""Whether a word in a sentence is denied ("no clear tone", "no hum", 衝撃はない) or only supposed ("would")."""

from __future__ import annotations

import re

from otoloop.reasoning.topics import clause, sentence

_DENY = re.compile(
    r"\b(?:no|not|nothing|without|neither|nor|never|none of|absence of|lack(?:s|ing)?(?: of)?|free (?:of|from)|"
    r"rules? out|"
    r"ruled out|ruling out|"
    r"rather than|instead of|unlike|excludes?|excluding|cannot hear|hardly any)\b|n't\b|\bnon-?$",
    re.IGNORECASE,
)
# after a verb or "but" a denial no longer reaches on: "no tone stands out, impacts are heard"
_STOPS = re.compile(
    r"\b(?:is|are|was|were|stands?|come|comes|but|yet|however|while|although|because|since|so|only|"
    r"just)\b|[;:]",
    re.IGNORECASE,
)
_LIST_ONLY = re.compile(r"[^,]*(?:,[^,]*)*\b(?:or|nor|and)\b[^,]*$", re.IGNORECASE)
_ABSENT = re.compile(
    r"[^.;:,]{0,20}?\b(?:(?:is|are|was|were|can|could|do|does)\s*(?:not|n't)\s+(?:be\s+)?(?:clearly\s+)?"
    r"(?:heard|hear|present|audible|observed|detected|found|visible|there|evident|seen|occur|stand)|cannot be|absent|"
    r"missing|ruled out)",
    re.IGNORECASE,
)
_ABSENT_JA = re.compile(
    r"[^。、;]{0,14}?(?:(?<!で)はない|がない|もない|のない|(?<!で)はなく|がなく|もなく|なし|無し|"
    r"は無い|が無い|ありません|聞こえない|聞こえず|聞こえません|見られない|見られず|"
    r"認められない|認められず|見当たらない|存在しない|(?<![的一定])では?(?:ない|なく)|より(?:も)?、)"
)
_JOIN_JA = re.compile(r"[^。、;]{0,6}?(?:も|や|と|、)[^。;]{0,10}?もない")
# what a clause supposes ("impacts would come ..."), and what a sentence only announces from here on ("listen for ...")
_SUPPOSE = re.compile(
    r"\b(?:would|if|whether|should|might|in theory|could(?! (?:clearly |also |even )?(?:be heard|hear)))\b|"
    r"はず|であれば|ならば|なら$|もし|の場合",
    re.IGNORECASE,
)
_ANNOUNCE = re.compile(r"\b(?:listen|look|check|search|watch) (?:for|whether|if)\b", re.IGNORECASE)
_EXPECTED = re.compile(r"\bexpected(?: \w+){0,2} (?:of |at )?(?:about )?$|予想される[^、。]{0,8}$", re.IGNORECASE)

# "normal running has no impacts", "outer race defects produce impacts": true of a kind of fault, not said of this sound
_GENERIC = re.compile(
    r"\s*(?:and |so |while |since |because |whereas )?(?!the\b|this\b|that\b|its?\b)"
    r"(?:an? |any |every |most )?(?:[\w-]+ ){0,4}?"
    r"(?:defects?|faults?|damage|wear|running|squeal|rattle|rub|hum|whine|cavitation|imbalance|leaks?|knock|_+)\s+"
    r"(?:(?:usually|typically|normally|often) )?"
    r"(?:has|have|produces?|makes?|causes?|creates?|generates?|gives?|shows?)\b",
    re.IGNORECASE,
)


def denied(text: str, start: int, end: int) -> bool:
    """Whether the word at ``start:end`` is said not to be there."""
    left, right = sentence(text, start)
    return _denied_before(text, left, start, end, right) or _denied_after(text[end:right])


def _denied_before(text: str, left: int, start: int, end: int, right: int) -> bool:
    head = text[left:start]
    denials = list(_DENY.finditer(head))
    if not denials:
        return False
    between = head[denials[-1].end() :]
    if _STOPS.search(between):
        return False
    if "," not in between:
        return True
    followed = re.match(r"\s*(?:is|are|was|were|stand|come|ring|repeat)", text[end:right], re.IGNORECASE)
    return bool(_LIST_ONLY.match(between)) or (
        not followed and bool(re.match(r"[^.;]*\b(?:or|nor)\b", text[end:right]))
    )


def _denied_after(tail: str) -> bool:
    return bool(_ABSENT.match(tail) or _ABSENT_JA.match(tail) or _JOIN_JA.match(tail))


def supposed(text: str, at: int) -> bool:
    """Whether the clause around ``at`` speaks of what would be, or the sentence only announces what to look for."""
    left, right = sentence(text, at)
    if _ANNOUNCE.search(text, left, at) or _EXPECTED.search(text, left, at):
        return True
    start, end = clause(text, at, left, right)
    return _SUPPOSE.search(text[start:end]) is not None or _GENERIC.match(text[start:end]) is not None
