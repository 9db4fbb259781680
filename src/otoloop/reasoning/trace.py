"""The trace format of Audio-Reasoner (arXiv 2503.02318): exactly one of each tag, in order, closed.

A direct answer has an empty ``<THINK></THINK>``.
"""

from __future__ import annotations

import re

from otoloop.codes import TraceCode
from otoloop.records import Trace

PARTS = ("PLANNING", "CAPTION", "REASONING", "SUMMARY")
_TAGS = ("THINK", *PARTS, "RESPONSE")
_FULL = re.compile(
    r"\s*<THINK>\s*"
    + r"\s*".join(rf"<{p}>(?P<{p}>.*?)</{p}>" for p in PARTS)
    + r"\s*</THINK>\s*<RESPONSE>(?P<RESPONSE>.*?)</RESPONSE>\s*",
    re.DOTALL,
)
_DIRECT = re.compile(r"\s*<THINK>\s*</THINK>\s*<RESPONSE>(?P<RESPONSE>.*?)</RESPONSE>\s*", re.DOTALL)


class TraceFormatError(ValueError):
    """The text is not one well-formed trace; ``code`` is ``format`` or ``empty_part``."""

    def __init__(self, code: TraceCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(text: str) -> Trace:
    """Read a trace.

    Raises:
        TraceFormatError: a tag is missing, doubled, out of order or unclosed (``format``), or a part is empty (``empty_part``).
    """
    for tag in _TAGS:
        for form in (f"<{tag}>", f"</{tag}>"):
            if text.count(form) > 1:
                raise TraceFormatError("format", f"{form} occurs {text.count(form)} times; exactly one is allowed.")
    match = _FULL.fullmatch(text) or _DIRECT.fullmatch(text)
    if match is None:
        raise TraceFormatError("format", _first_fault(text))
    trace = Trace(**{k.lower(): v.strip() for k, v in match.groupdict().items()})
    for name, value in match.groupdict().items():
        if not value.strip():
            raise TraceFormatError("empty_part", f"<{name}> is empty.")
    return trace


def format_trace(trace: Trace) -> str:
    """The one text form of a trace; ``parse`` is its inverse."""
    if trace.direct:
        return f"<THINK></THINK><RESPONSE>{trace.response}</RESPONSE>"
    inner = "".join(f"<{p}>{getattr(trace, p.lower())}</{p}>" for p in PARTS)
    return f"<THINK>{inner}</THINK><RESPONSE>{trace.response}</RESPONSE>"


def _first_fault(text: str) -> str:
    """What a person should mend first."""
    for tag in ("THINK", "RESPONSE"):
        for form in (f"<{tag}>", f"</{tag}>"):
            if form not in text:
                return f"{form} is missing."
    present = [p for p in PARTS if f"<{p}>" in text]
    missing = [p for p in PARTS if p not in present]
    if present and missing:
        return f"<{missing[0]}> is missing; all of {', '.join(PARTS)} are needed, in this order."
    return "Tags are out of order, unclosed, or text stands outside them."
