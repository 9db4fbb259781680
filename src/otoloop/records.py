"""The words of the loop as small frozen types. Facts and labels are separate records linked by id.

Standard library only: these types also travel to bare GPU machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from otoloop.codes import ItemKind, Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person on site wrote about a clip: short free text plus a few closed fields."""

    text: str
    lang: str = "en"
    author: str = ""
    time: str = ""
    machine: str | None = None
    state: str | None = None
    symptom: str | None = None
    fault: str | None = None
    severity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One piece of audio; ``id`` is the sha256 of its decoded PCM, rate and channels."""

    id: str
    site: str
    machine: str
    time: str
    seconds: float
    rate: int
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measured fact. ``value`` is None when it could not be measured."""

    value: Any
    uncertainty: float | None = None
    reliable: bool = False


Evidence = Mapping[str, Measured]
"""Facts by key; each key carries its unit (``speed_rpm``, ``tones`` in Hz and dB, ``rms_dbfs``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A question about a clip and its gold answer; ``evidence`` is the text block its prompt carries, if any."""

    id: str
    clip: str
    question: str
    answer: str
    choices: tuple[str, ...] | None = None
    answer_letter: str | None = None
    kind: ItemKind = "audio_only"
    style: Style = "cot"
    lang: str = "en"
    evidence: str | None = None
    slice: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict with the keys that users' files carry."""
        row = asdict(self)
        row["choices"] = list(self.choices) if self.choices else None
        row["slice"] = dict(self.slice)
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Item:
        """Read one row of an items file; unknown keys are ignored so that files may carry more."""
        known = {k: row[k] for k in cls.__dataclass_fields__ if k in row and row[k] is not None}
        if "choices" in known:
            known["choices"] = tuple(known["choices"])
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The structured chain of thought of an item (format of Audio-Reasoner, arXiv 2503.02318)."""

    planning: str = ""
    caption: str = ""
    reasoning: str = ""
    summary: str = ""
    response: str = ""

    @property
    def direct(self) -> bool:
        """True for an answer without thinking: an empty ``<THINK></THINK>``."""
        return not (self.planning or self.caption or self.reasoning or self.summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One checkable statement inside a trace; ``span`` is its character range in the trace text."""

    kind: str
    value: float | str | bool
    unit: str
    text: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a trace was refused, or how one claim fared against the sound."""

    code: str | None
    message: str
    claim: str | None = None
    span: tuple[int, int] | None = None
    stated: float | str | bool | None = None
    measured: float | str | bool | None = None
    tolerance: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A file or clip judged: admitted, or refused with a code, a sentence and a remedy."""

    admitted: bool
    reason_code: str | None = None
    message: str = ""
    remedy: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)
