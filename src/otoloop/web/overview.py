"""The home page's picture of the loop: what came in, what waits for whom, what is live, what was refused and why.

Every number is one that the list behind its link counts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from otoloop.catalog import deliveries, items, numbers, releases
from otoloop.catalog.tables import now
from otoloop.cycles import Cycle
from otoloop.params import load_params
from otoloop.web.desk import Desk
from otoloop.web.live import Live

Tone = Literal["", "waits", "refused", "good"]
WIDE, HIGH, STEP, TOP, LOW = 196, 140, 246, 12, 244
"""The picture's boxes, in units of its view box: size, distance of columns, upper and lower row."""
WORST = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A number with what it counts; ``text`` has ``{n}`` and other names in braces."""

    text: str
    href: str
    n: int | str
    tone: Tone = ""
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Box:
    """A station of the loop at column and row of the picture; the first line's number is drawn large."""

    title: str
    column: int
    low: bool
    lines: Sequence[Line]

    @property
    def x(self) -> int:
        """Left edge."""
        return self.column * STEP + 2

    @property
    def y(self) -> int:
        """Upper edge."""
        return LOW if self.low else TOP


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the home page."""

    boxes: Sequence[Box]
    waits: Sequence[tuple[str, Line]]
    live: Live
    reasons: Sequence[tuple[str, int]]
    rejected: Sequence[tuple[str, int]]
    refused: Sequence[Cycle]

    @property
    def ordered(self) -> list[Box]:
        """The stations in the order of the loop, for screens too small for the picture."""
        return sorted(self.boxes, key=lambda b: (b.low and b.column > 0, -b.column if b.low else b.column, not b.low))


def overview(desk: Desk) -> Overview:
    """Count everything once."""
    since = now() - timedelta(days=1)
    with desk.book.reading() as session:
        states, sides = items.count_by_state(session), deliveries.count_by_state(session)
        refused, rejected = deliveries.refused(session), numbers.rejections(session)
        made = releases.intents(session)
        newest = desk.history.newest()
        count = {
            "machines": numbers.machines(session), "arrived": numbers.arrived(session),
            "today": numbers.arrived(session, since), "clips": numbers.admitted(session),
            "unnamed": numbers.unnamed(session), "answers": numbers.answers(session),
            "answers_today": numbers.answers(session, since), "quarantine": sum(refused.values()),
            "sidecars": sum(n for (_, state), n in sides.items() if state == "waiting"),
            "fresh": numbers.not_yet_learnt(session, newest.release if newest else None), **states,
        }  # fmt: skip
        said = numbers.feedback(session)
    cycles, live = desk.history.cycles(), desk.live.look()
    least = load_params(desk.workspace / "params.yaml").retrain.min_new_items
    boxes = [
        *_coming_in(count), _review(count), _release([r.id for r in made], count["fresh"], least),
        _cycle(cycles, desk.history.under_way()), _approval(live), _live(live), *_answers(count, said),
    ]  # fmt: skip
    return Overview(
        boxes, _waits(count, live), live, _most(refused), _most(rejected),
        [c for c in cycles if c.verdict != "pass"][:WORST],
    )  # fmt: skip


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:WORST]


def _some(*lines: Line) -> list[Line]:
    """The first line, and those of the others that have something to say."""
    return [line for place, line in enumerate(lines) if place == 0 or line.n]


def _coming_in(count: Mapping[str, int]) -> list[Box]:
    return [
        Box("Machines", 0, True, [Line("send their sounds", "/clips", count["machines"])]),
        Box("Deliveries", 0, False, _some(
            Line("objects arrived", "/deliveries", count["arrived"]),
            Line("{n} in the last 24 hours", "/deliveries?days=1", count["today"]),
            Line("{n} wait for their sound", "/deliveries?state=waiting", count["sidecars"], "waits"),
        )),
        Box("Clips", 1, False, _some(
            Line("clips admitted", "/clips", count["clips"]),
            Line("{n} refused", "/deliveries?state=quarantined", count["quarantine"], "refused"),
            Line("{n} that nobody named", "/clips?fault=none", count["unnamed"], "waits"),
        )),
    ]  # fmt: skip


def _review(count: Mapping[str, int]) -> Box:
    queued = count.get("queued", 0)
    return Box("Review", 2, False, _some(
        Line("items to review", "/items?state=queued", queued, "waits" if queued else ""),
        Line("{n} approved", "/items?state=approved", count.get("approved", 0), "good"),
        Line("{n} rejected", "/items?state=rejected", count.get("rejected", 0), "refused"),
    ))  # fmt: skip


def _release(ids: Sequence[str], fresh: int, least: int) -> Box:
    return Box("Releases", 3, False, _some(
        Line("frozen releases", "/releases", len(ids)),
        Line("the last is {n}", f"/items?state=&release={ids[-1]}" if ids else "", ids[-1] if ids else ""),
        Line("{n} of {least} items for the next", "/items?state=approved", fresh or "0", more={"least": least}),
    ))  # fmt: skip


def _cycle(cycles: Sequence[Cycle], under_way: int | None) -> Box:
    stopped = sum(c.verdict != "pass" for c in cycles)
    last = f"/cycles/{cycles[0].number}" if cycles else ""
    return Box("Cycles", 4, False, _some(
        Line("cycles finished", "/cycles", len(cycles)),
        Line("cycle {n} is under way", "/cycles", under_way or 0, "waits"),
        Line("cycle {n} passed the gate", last, cycles[0].number if cycles and cycles[0].verdict == "pass" else 0, "good"),
        Line("{n} stopped by the gate", "/cycles?verdict=stopped", stopped, "refused"),
    )[:4])  # fmt: skip


def _approval(live: Live) -> Box:
    waiting = len(live.of("open"))
    return Box("Promotions", 4, True, _some(
        Line("wait for an approver", "/promotions?state=open", waiting, "waits" if waiting else ""),
        Line("{n} on their way", "/promotions?state=approved", len(live.of("approved")), "waits"),
        Line("{n} went live", "/promotions?state=promoted", len(live.of("promoted")), "good"),
        Line("{n} rejected", "/promotions?state=rejected", len(live.of("rejected")), "refused"),
    )[:4])  # fmt: skip


def _live(live: Live) -> Box:
    serving = [Line("{n} on {channel}", f"/promotions/{p.request}", p.version, "good",
                    {"channel": p.channel}) for p in live.places]  # fmt: skip
    return Box("Live", 3, True, [Line("channels serve answers", "/promotions", len(live.places)), *serving][:4])


def _answers(count: Mapping[str, int], said: Mapping[str, int]) -> list[Box]:
    return [
        Box("Answers", 2, True, _some(
            Line("answers given", "/answers", count["answers"]),
            Line("{n} in the last 24 hours", "/answers?days=1", count["answers_today"]),
        )),
        Box("Feedback", 1, True, _some(
            Line("times people spoke", "/feedback", sum(said.values())),
            Line("{n} said right", "/feedback?verdict=right", said.get("right", 0), "good"),
            Line("{n} said wrong", "/feedback?verdict=wrong", said.get("wrong", 0), "refused"),
        )),
    ]  # fmt: skip


def _waits(count: Mapping[str, int], live: Live) -> list[tuple[str, Line]]:
    """Role and what it is wanted for; nothing that is done."""
    wanted = [
        ("approver", Line("{n} candidates to approve or reject", "/promotions?state=open", len(live.of("open")))),
        ("reviewer", Line("{n} items to review", "/items?state=queued", count.get("queued", 0))),
        ("technician", Line("{n} clips that nobody named a fault for", "/clips?fault=none", count["unnamed"])),
        ("admin", Line("{n} deliveries in quarantine", "/deliveries?state=quarantined", count["quarantine"])),
    ]
    return [(role, line) for role, line in wanted if line.n]
