"""The living site: recordings of today, fresh ones each turn, taken in by an ordinary intake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from otoloop import catalog
from otoloop.catalog import clips
from otoloop.demo.living import deliver
from otoloop.intake import pull


def test_each_turn_brings_other_recordings_of_today(workspace: Path) -> None:
    now = datetime.now(UTC)
    for turn in (100, 101):
        assert deliver(workspace, turn, now + timedelta(minutes=turn - 100), clips=8) >= 8
        report = pull.run(workspace)
        assert len(report.admitted) == 8, report.human()
    with catalog.open_workspace(workspace).reading() as session:
        rows = clips.clips(session)
    assert len({row.id for row in rows}) == 16
    assert all(abs(row.time.replace(tzinfo=UTC) - now) < timedelta(minutes=10) for row in rows)
