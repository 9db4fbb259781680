"""Stage `validate`: nobody trains on a release that is not what it says.

    release/, inputs/   ->   work/validate/report.(json|html), metrics/validate.json

Unlike the judging stages it fails when something is wrong, so that no later stage runs on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256, read_json, replacing, write_json
from otoloop.params import ReleaseParams
from otoloop.quality.release import ReleaseReport, check_release
from otoloop.quality.report import render
from otoloop.release import layout
from otoloop.release.cycle import read_cycle
from otoloop.release.splits import SPLITS
from otoloop.release.verify import require_sound

OUT = "work/validate"


def main(params: ReleaseParams, workspace: Path) -> None:
    """Check files, splits, sealing, suites and the data themselves.

    Raises:
        OtoloopError: something is wrong; names it. Or a check crashed.
    """
    root = workspace / "release"
    require_sound(root)
    _require_suites(workspace)
    report = check_release(rows(root), params)
    with replacing(workspace / OUT) as out:
        out.mkdir()
        write_json(out / "report.json", report.to_json())
        (out / "report.html").write_text(page(root, report), encoding="utf-8")
    write_json(workspace / "metrics" / "validate.json", metrics(root, report))
    if not report.ok:
        raise OtoloopError(f"The release fails its checks: {_failed(report)}", "Correct the items, then make it again.")


def page(root: Path, report: ReleaseReport) -> str:
    """The self-contained page with every rule and what broke it."""
    manifest = read_json(root / layout.MANIFEST)
    summary = {f"items for {split}": counts["items"] for split, counts in manifest["counts"].items()}
    return render(f"Release {manifest['release']}", report.outcomes, summary=summary, ok=report.ok)


def rows(root: Path) -> list[dict[str, Any]]:
    """All items with their split; those of test without answers."""
    found = []
    for split in SPLITS:
        path = root / layout.ITEMS_FILE.format(split=split)
        found += [{**row, "split": split} for row in layout.read_rows(path)]
    return found


def _require_suites(workspace: Path) -> None:
    """Suites and replay must be those that the cycle names."""
    cycle = read_cycle(workspace)
    for named in (*cycle.suites, *cycle.replay):
        path = workspace / str(named.get("items", ""))
        if not named.get("items"):
            continue
        if not path.is_file():
            raise OtoloopError(f"{named['items']} is missing.", "Run `dvc pull`.")
        if named.get("sha256") and file_sha256(path) != named["sha256"]:
            message = f"{named['items']} is not the file that inputs/cycle.yaml names."
            raise OtoloopError(message, "Restore it with `dvc checkout`, or start a new cycle.")


def _failed(report: ReleaseReport) -> str:
    bad = [o for o in report.outcomes if not o.success and o.rule.severity == "block"]
    first = [o.sentence(o.failures[0] if o.failures else None) for o in bad[:3]]
    return " ".join(first) + (f" And {len(bad) - 3} more rules." if len(bad) > 3 else "")


def metrics(root: Path, report: ReleaseReport) -> dict[str, Any]:
    """Counts of the release, and how many rules hold."""
    manifest = read_json(root / layout.MANIFEST)
    return {
        "release": manifest["release"],
        "counts": manifest["counts"],
        "withheld": manifest["withheld"],
        "rules": len(report.outcomes),
        "rules_broken": sum(not o.success for o in report.outcomes),
    }
