"""Releases and cycles: what was frozen, what was learnt from it, and what the gate found."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from otoloop.catalog import releases
from otoloop.codes import VERDICTS
from otoloop.cycles import Cycle
from otoloop.errors import OtoloopError
from otoloop.web.desk import Desk, render
from otoloop.web.examples import examples

STOPPED = "stopped"
"""In place of a verdict: every cycle that did not pass."""
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter()

    @pages.get("/cycles", response_class=HTMLResponse)
    def cycles(request: Request, verdict: str = "") -> Response:
        rows = desk.history.cycles()
        counts = Counter(row.verdict for row in rows)
        shown = [r for r in rows if verdict in ("", r.verdict) or (verdict == STOPPED and r.verdict != "pass")]
        values = {
            "rows": shown, "verdict": verdict, "verdicts": VERDICTS, "counts": counts, "total": len(rows),
            "under_way": desk.history.under_way(),
        }  # fmt: skip
        return render(request, "cycles.html", values)

    @pages.get("/cycles/{number}", response_class=HTMLResponse)
    def cycle(request: Request, number: int) -> Response:
        found = desk.history.cycle(number)
        asked = [row for row in desk.live.look().requests if row["version"] in _versions(desk, found)]
        values = {
            "cycle": found, "report": found.report, "requests": asked, "examples": examples(desk, found),
            **checks_of(found.report),
        }  # fmt: skip
        return render(request, "cycle.html", values)

    @pages.get("/cycles/{number}/report", response_class=HTMLResponse)
    def report(number: int) -> Response:
        page = desk.history.page(number)
        return HTMLResponse(page, headers={"Content-Security-Policy": _policy(page)})

    @pages.get("/releases", response_class=HTMLResponse)
    def frozen(request: Request) -> Response:
        with desk.book.reading() as session:
            rows = list(releases.intents(session))[::-1]
        learnt = {row.release: row.number for row in desk.history.cycles()[::-1]}
        return render(request, "releases.html", {"rows": rows, "learnt": learnt})

    return pages


def _versions(desk: Desk, cycle: Cycle) -> set[str]:
    """Versions that the registry has of a cycle; none while it does not answer."""
    try:
        registered = desk.live.ledger().versions.values()
    except OtoloopError:
        return set()
    return {str(event.version) for event in registered if event.fields.get("commit") == cycle.commit}


def checks_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What had to be decided, and what failed beside, with the slice in words; for ``checks.html``."""
    from otoloop.gate.page import label
    from otoloop.gate.parts import TEST_WORDS

    rows = [c for c in report.get("checks", ()) if c["gating"] or c["verdict"] == "fail"]
    return {"checks": [{**c, "where": label(c["slice"]).split(", ")} for c in rows], "tests": TEST_WORDS}


def _policy(page: str) -> str:
    """The report may use the style that it carries, named by its digest, and nothing else."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _STYLE.findall(page)]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return f"default-src 'none'; style-src {allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
