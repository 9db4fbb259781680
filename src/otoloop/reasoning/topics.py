"""Words that announce what a number is about, and the bounds of sentences and clauses."""

from __future__ import annotations

import re
from dataclasses import dataclass

# topic: words that announce it. Topics starting with "-" are read so that their numbers are left alone.
_TOPICS: tuple[tuple[str, str], ...] = (
    (
        "-ignored",
        r"recorded at (?=16|44|48|22|32|8 ?k)|"
        r"sampl\w*|nyquist|bandwidth|resolution|cut-?off|side-?bands?|spac(?:ed|ing)|window|harmonics? of|"
        r"multiples? of|サンプリング|側波帯|分解能|帯域幅",
    ),
    ("-resonance", r"resonan\w*|ring(?:s|ing)? (?:at|near|around)|共振"),
    ("centroid", r"centroid|重心"),
    ("energy", r"energy|bands?\b|エネルギー|帯域|[低中高]域"),
    ("mesh", r"mesh\w*|gmf|tooth[- ]pass\w*|か?み合い|噛合"),
    ("mains", r"mains|supply frequency|line frequency|power line|grid|電源周波数|商用"),
    ("outer", r"outer[- ](?:race|ring)|bpfo|外輪"),
    ("inner", r"inner[- ](?:race|ring)|bpfi|内輪"),
    ("ball", r"ball|roll(?:ing|er)[- ]element|bsf|転動体"),
    (
        "impulse",
        r"impacts?|impulses?|hits?|hitting|strik(?:es?|ing)|knock(?:s|ing)?|clicks?|bangs?|blows?|hammer\w*|"
        r"taps?|tapping|ticks?|pulses?|bursts?|shocks?|thuds?|thumps?|transients?|インパクト|衝撃音?|打撃|打音|叩",
    ),
    (
        "modulation",
        r"swell\w*|modulat\w*|beat(?:s|ing)?|fluctuat\w*|throb\w*|pulsat\w*|pulsing|waver\w*|warbl\w*|"
        r"wax\w*|ris(?:es|ing) and fall\w*|うね\w|変調|揺ら|脈動|強弱",
    ),
    ("hum", r"hum(?:s|ming)?|buzz\w*|うなり|ハム音?"),
    (
        "shaft",
        r"shaft|rotation\w*|turn(?:s|ing)|revol(?:ution|v)\w*|revs?|rps|spin\w*|rotat\w*|rotor|running speed|軸(?!受)|"
        r"回転(?!数|速度)",
    ),
    ("ratio", r"ratio"),
    ("speed", r"speed|回転数|回転速度"),
    ("vibration", r"vibrat\w*|振動"),
    ("temperature", r"temperature|temp|hot|warm|温度"),
    ("current", r"current|draws?|電流"),
    ("peak", r"peak level|peak amplitude|peaks?(?::| is| of| at| reach\w*) ?(?=-)|ピークレベル"),
    ("level", r"level|loud\w*|rms|音量|レベル"),
    (
        "tone",
        r"tones?|tonal|whistl\w*|whin(?:e|es|ing)|squeal\w*|siren|peaks?|lines?|pitch|fundamental|harmonics?|"
        r"sinusoid\w*|component|純音|音程|ピーク|笛音|鳴き|音(?!量)",
    ),
)
_TOPIC = re.compile(
    "|".join(f"(?P<t{i}>(?<![a-z])(?:{p})(?![a-z]))" for i, (_, p) in enumerate(_TOPICS)), re.IGNORECASE
)
_ENDS = re.compile(r"[!?。;\n<>]|\.(?!\d)")
_CLAUSE = re.compile(r"、|[,:](?!\d)|\b(?:but|while|whereas)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Topic:
    """A word that announces what a number is about, and where it stands."""

    name: str
    start: int
    end: int


def topics(text: str) -> list[Topic]:
    """All announcing words of ``text`` in order."""
    return [Topic(_TOPICS[int(str(m.lastgroup)[1:])][0], m.start(), m.end()) for m in _TOPIC.finditer(text)]


def sentence(text: str, at: int) -> tuple[int, int]:
    """Bounds of the sentence around ``at``; tags, semicolons and full stops end one."""
    start = max((m.end() for m in _ENDS.finditer(text, 0, at)), default=0)
    end = _ENDS.search(text, at)
    return start, end.start() if end else len(text)


def clause(text: str, at: int, left: int, right: int) -> tuple[int, int]:
    """Bounds of the clause around ``at`` within the sentence ``left:right``."""
    marks = list(_CLAUSE.finditer(text, left, right))
    start = max((m.end() for m in marks if m.end() <= at), default=left)
    return start, min((m.start() for m in marks if m.start() >= at), default=right)
