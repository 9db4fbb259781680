"""General sounds on machines unlike the site's: a suite that examines, and lessons that are replayed in training.

Both keep a candidate from forgetting what the base knew. They share no machine, room or noise.
"""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.outs import replacing, write_json
from otoloop.params import ReleaseParams
from otoloop.release import layout
from otoloop.release.cycle import REPLAY, SUITES

if TYPE_CHECKING:
    from otoloop.simulate.general import GeneralClip
    from otoloop.vcs import Repo

FILE = "general.parquet"
ABOUT = "about.json"
SEED = 2026
_PLANTS = {SUITES: "general", REPLAY: "replay"}
_SHARES = {"evidence": 0.4, "choices": 0.6, "direct": 0.3}


def ensure(repo: Repo, params: ReleaseParams) -> list[str]:
    """Make inputs/suites and inputs/replay, whole or not at all, unless they are there.

    Files of one's own may lie beside ours, or in their place. The folders always exist, so that stages can name them.

    Returns:
        What to keep in DVC.
    """
    for folder, items in ((SUITES, params.general_items), (REPLAY, params.replay_items)):
        root = repo.workspace / folder
        if (repo.workspace / f"{folder}.dvc").is_file() or root.is_dir():
            continue
        with replacing(root) as draft:
            if items:
                write(draft / FILE, items, plant=_PLANTS[folder])
            write_json(draft / ABOUT, {"items": items, "seed": SEED})
    return [folder for folder in _PLANTS if (repo.workspace / folder).is_dir()]


def write(path: Path, items: int, *, seed: int = SEED, plant: str = "general") -> None:
    """Write ``items`` simulated clips of a plant with one item each; the same arguments give the same bytes."""
    from otoloop.simulate.general import general_suite

    clips = general_suite(items, seed, site=plant)
    rows = (row(clip, plant, random.Random(f"{seed} {i}")) for i, clip in enumerate(clips))
    layout.write_table(path, layout.SUITE, rows, row_group=64)


def row(clip: GeneralClip, plant: str, rng: random.Random) -> dict[str, Any]:
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
        slice={"suite": plant, "site": plant, "machine": machine, "session": clip.session},
    )  # fmt: skip
    trace = composer.compose(
        facts, gold, kind=item.kind, style=item.style, lang="en", letter=item.answer_letter, rng=rng
    )  # fmt: skip
    return {
        **item.to_json(), "slice": layout.compact(dict(item.slice)), "trace": format_trace(trace), "fault": clip.fault,
        "site": plant, "machine": machine, "session": clip.session, "group": clip.id, "time": "",
        "audio": {"bytes": flac(clip.wave), "path": f"{clip.id}.flac"}, "seconds": len(clip.wave) / 16000,
        "rate": 16000, "channels": 1, "measured": layout.compact(evidence_json(facts)),
    }  # fmt: skip


def flac(wave: Any) -> bytes:
    """A 16 kHz wave as FLAC of 16 bit."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC", subtype="PCM_16")
    return out.getvalue()
