"""What the pages work with, and how a page is made of a template and what all pages carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from otoloop.catalog import Catalog
from otoloop.cycles import History
from otoloop.reasoning.trace import TraceFormatError, parse
from otoloop.reasoning.vocab import faults
from otoloop.web import labels
from otoloop.web.accounts import Accounts
from otoloop.web.asking import Asking
from otoloop.web.door import person_of
from otoloop.web.live import Watched
from otoloop.web.security import Keys, form_token
from otoloop.web.sound import Sounds
from otoloop.web.words import COOKIE, LANGS, Words, language, words

YEAR_S = 365 * 86400
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with."""

    workspace: Path
    book: Catalog
    base: str
    keys: Keys
    sounds: Sounds
    accounts: Accounts
    history: History
    live: Watched
    asking: Asking

    def name(self, request: Request) -> str:
        """Who sits before the screen: what they do is signed with the name of their account."""
        return person_of(request).name


def render(request: Request, page: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page with what all pages carry."""
    said = words(language(request))
    common = {
        "_": said, "lang": said.lang, "langs": LANGS, "csrf": form_token(request), "person": request.state.person,
        "nonce": request.state.nonce, "here": request.url.path, "link": _linker(request),
        "fault": lambda fault: fault_name(fault, said.lang), "value": lambda value, unit: shown_value(value, unit, said),
        "words_of": lambda codes: [(code, said(labels.plain(code))) for code in codes],
        "named": lambda faults: [(fault.id, fault.name(said.lang)) for fault in faults],
    }  # fmt: skip
    answer = templates.TemplateResponse(request, page, {**common, **values}, status_code=status)
    if request.query_params.get("lang") == said.lang:
        answer.set_cookie(COOKIE, said.lang, httponly=True, samesite="lax", max_age=YEAR_S)
    return answer


def _linker(request: Request) -> Any:
    """``link(page=2)``: this page with other parameters; None takes one away."""

    def link(path: str = "", /, **changed: Any) -> str:
        kept = {} if path else {k: v for k, v in request.query_params.items() if k not in ("lang", "done")}
        chosen = {k: v for k, v in {**kept, **changed}.items() if v not in (None, "")}
        return (path or request.url.path) + (f"?{urlencode(chosen)}" if chosen else "")

    return link


def fault_name(fault: str | None, lang: str) -> str:
    """A fault as people say it in ``lang``; what is no fault of the vocabulary comes back as it is."""
    known = faults().get(fault or "")
    return known.name(lang) if known else fault or ""


def shown_value(value: Any, unit: str | None, said: Words) -> str:
    """A stated or measured value as people write it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return said("yes" if value else "no")
    return said.known(value) if isinstance(value, str) else f"{value:.4g} {unit or ''}".strip()


def utc(time: datetime | str | None) -> str:
    """A moment as machines write it; scripts show it in the reader's own time."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) and time else time
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(moment, datetime) else ""


def percent(share: float | None) -> str:
    """A share as people write it, a dash for none."""
    return "–" if share is None else f"{100 * share:.0f} %"


def points(share: float | None) -> str:
    """A difference of shares in points, with a sign."""
    return "–" if share is None else f"{100 * share:+.1f}".replace("-", "−")


def size(count: int) -> str:
    """Bytes as people write them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def response(output: str) -> str:
    """The response of a trace; of an output that is none, its beginning."""
    try:
        return parse(output).response
    except TraceFormatError:
        return output[:80]


MENU = (
    ("/", "Home", "", ("//",)),
    ("/ask", "Ask", "ask", ("/ask",)),
    ("/items", "Review", "", ("/items", "/review")),
    ("/deliveries", "Deliveries", "", ("/deliveries",)),
    ("/clips", "Clips", "", ("/clips",)),
    ("/cycles", "Cycles", "", ("/cycles", "/releases")),
    ("/promotions", "Promotions", "", ("/promotions",)),
    ("/answers", "Answers", "", ("/answers", "/feedback", "/numbers")),
    ("/accounts", "Accounts", "accounts", ("/accounts",)),
)
"""Path, words, the right that somebody needs to see it there, and what lies below it."""
MARKS = {"": "", "waits": "▸ ", "refused": "✕ ", "good": "✓ "}
templates.env.globals |= {
    "utc": utc, "percent": percent, "points": points, "size": size, "response": response,
    "plain": labels.plain, "role_words": labels.ROLES, "languages": labels.LANGUAGES, "menu": MENU, "marks": MARKS,
}  # fmt: skip
templates.env.filters["pair"] = lambda word: (word, word)
