"""The general suite: sounds of machines unlike the site's, so that a candidate does not forget what the base knew."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.release import layout
from otoloop.release.cycle import SUITES

if TYPE_CHECKING:
    from otoloop.simulate.general import GeneralClip
    from otoloop.vcs import Repo

FILE = f"{SUITES}/general.parquet"
SEED = 2026
_SHARES = {"evidence": 0.4, "choices": 0.6, "direct": 0.3}


def ensure(repo: Repo, items: int) -> list[str]:
    """Make the suite of ``items`` clips unless there are suites, and put inputs/suites under DVC.

    Returns:
        What to push and commit: inputs/suites, or nothing when no suites lie here.
    """
    known = (repo.workspace / f"{SUITES}.dvc").is_file()
    if not known and items and not (repo.workspace / FILE).is_file():
        write(repo.workspace / FILE, items)
    if not (repo.workspace / SUITES).is_dir():
        return []
    repo.dvc_add(SUITES)
    return [SUITES]


def write(path: Path, items: int, seed: int = SEED) -> None:
    """Write a suite of ``items`` simulated clips with one item each; the same arguments give the same bytes."""
    from otoloop.simulate.general import general_suite

    rows = (row(clip, random.Random(f"{seed} {i}")) for i, clip in enumerate(general_suite(items, seed)))
    layout.write_table(path, layout.SUITE, rows, row_group=64)


def row(clip: GeneralClip, rng: random.Random) -> dict[str, Any]:
    """One clip with an item about it, answer and measured facts included, as a row of `layout.SUITE`."""
    from otoloop.audio.derive import derive
    from otoloop.audio.evidence import measure
    from otoloop.catalog.clips import evidence_json
    from otoloop.reasoning import composer
    from otoloop.reasoning.evidence_text import block
    from otoloop.reasoning.items import make_item
    from otoloop.reasoning.trace import format_trace
    from otoloop.reasoning.vocab import faults, taught_faults

    facts, gold = derive(measure(clip.wave, 16000), clip.sensors, clip.machine), faults()[clip.fault]
    machine = str(clip.machine["machine"])
    item = make_item(
        clip.id, gold, kind="with_evidence" if rng.random() < _SHARES["evidence"] else "audio_only",
        style="direct" if rng.random() < _SHARES["direct"] else "cot", lang="en", pool=taught_faults(),
        evidence=block(facts), has_choices=rng.random() < _SHARES["choices"], rng=rng,
        slice={"suite": "general", "site": "general", "machine": machine, "session": clip.session},
    )  # fmt: skip
    trace = composer.compose(
        facts, gold, kind=item.kind, style=item.style, lang="en", letter=item.answer_letter, rng=rng
    )  # fmt: skip
    return {
        **item.to_json(), "slice": layout.compact(dict(item.slice)), "trace": format_trace(trace), "fault": clip.fault,
        "site": "general", "machine": machine, "session": clip.session, "group": clip.id, "time": "",
        "audio": {"bytes": flac(clip.wave), "path": f"{clip.id}.flac"}, "seconds": len(clip.wave) / 16000,
        "rate": 16000, "channels": 1, "measured": layout.compact(evidence_json(facts)),
    }  # fmt: skip


def flac(wave: Any) -> bytes:
    """A 16 kHz wave as FLAC of 16 bit."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC", subtype="PCM_16")
    return out.getvalue()

