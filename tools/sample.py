"""The sample that this repository carries: a small release and one cycle on it, so that a clone runs without a server.

    python tools/sample.py              make it anew: record, take in, draft, review, freeze, then as below
    python tools/sample.py --refresh    run what changed since (`dvc repro`), push, drop what nothing needs any more

A simulated site's recordings go the way of all recordings, in a workspace of their own with an S3 server of its own;
what was frozen there is copied here. Data lie in samples/dvc, the DVC remote of this repository. Commit what changed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from otoloop import codelock, retrain
from otoloop.errors import OtoloopError
from otoloop.outs import replacing
from otoloop.params import load_params
from otoloop.release import general
from otoloop.release.create import FOLDER
from otoloop.release.cycle import CHAMPION, PATH, REPLAY, SUITES
from otoloop.simulate.site import MACHINES, SitePlan, plan_site
from otoloop.vcs import Repo
from otoloop.vcs.run import dvc

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
FROZEN = (FOLDER, SUITES, REPLAY)
WRITTEN = ("dvc.lock", "release.dvc", "inputs", "metrics", "plots", "gate", "samples")
LIMIT_MB = 3.0
SITE, SEED, SECONDS = "sample", 7, 2.0
VISITS = {"gearbox-1": 4, "compressor-1": 4}
"""How many recordings of each state of a machine are taken; some have no note that names a fault, and so no question."""


def make() -> None:
    """Record and freeze, then put what was frozen in the place of the sample before, with short general sounds."""
    with tempfile.TemporaryDirectory(prefix="otoloop-sample-") as scratch, replacing(ROOT / FOLDER) as draft:
        shutil.copytree(freeze(Path(scratch) / "site") / FOLDER, draft)
    repo, params = Repo(ROOT), load_params(ROOT / "params.yaml").release
    shutil.rmtree(ROOT / "inputs", ignore_errors=True)
    repo.dvc_add(FOLDER, *general.ensure(repo, params, seconds=SECONDS))


def freeze(site: Path) -> Path:
    """A workspace whose first release is the sample."""
    from otoloop.catalog import open_workspace
    from otoloop.intake import pull
    from otoloop.reasoning import draft
    from otoloop.release.create import create
    from otoloop.review.simulated import review_all
    from otoloop.simulate.deliveries import upload
    from otoloop.simulate.writer import write_site
    from otoloop.store import connect
    from otoloop.store.weed import stop_weed
    from otoloop.workspace import ensure_store
    from otoloop.workspace.init import init

    params, sounds = load_params(ROOT / "params.yaml"), site / ".otoloop" / "sounds"
    init(site, prefix=params.prefix)
    shutil.copyfile(ROOT / "params.yaml", site / "params.yaml")
    ensure_store(site)
    try:
        write_site(chosen(plan_site(SITE, SEED, seconds=SECONDS), VISITS), sounds, bad=False)
        shutil.copyfile(sounds / "machines.yaml", site / "machines.yaml")
        upload(sounds, connect(site))
        say(str(pull.run(site)))
        book = open_workspace(site)
        draft.run(book, params, site / ".otoloop" / "memo")
        say(str(review_all(book, params.base)))
        book.close()
        create(site, say=say)
    finally:
        stop_weed(site)
    return site


def chosen(plan: SitePlan, visits: Mapping[str, int]) -> SitePlan:
    """The first recordings of each state of the named machines."""
    left = {(m, state): n for m, spec in enumerate(MACHINES) if (n := visits.get(spec.name)) for state in spec.states}
    rows = []
    for i, place in enumerate(zip(plan.spec, map(str, plan.scenes.fault), strict=True)):
        if left.get(place):
            left[place] -= 1
            rows.append(i)
    spec, time, name = ([column[i] for i in rows] for column in (plan.spec, plan.time, plan.name))
    return replace(plan, scenes=plan.scenes.take(rows), spec=spec, time=time, name=name)


def refresh() -> None:
    """Run what is out of date with the code here, push what came out, and drop everything else from the remote.

    Raises:
        OtoloopError: otoloop.lock is stale, a stage failed, or the sample has grown too large.
    """
    if stale := codelock.stale(ROOT):
        raise OtoloopError(f"otoloop.lock is stale for {', '.join(stale)}.", "Run `otoloop lock` first.")
    repo = Repo(ROOT)
    repo.dvc_pull(*FROZEN)
    (ROOT / PATH).unlink(missing_ok=True)  # the sample's cycle is always the first
    retrain.renew_inputs(ROOT, "the sample of this repository", "otoloop")
    repo.dvc_add(CHAMPION)
    repo.dvc_repro(single=False, on_line=say)
    repo.dvc_push()
    dvc(ROOT, "gc", "--workspace", "--cloud", "--force")
    for name in (*FROZEN, CHAMPION, "dvc.lock"):
        repo.verify_pushed(name)
    left = f"Now: git add {' '.join(WRITTEN)}" if repo.changed(WRITTEN) else "Nothing to commit."
    say(f"samples/ has {size_mb():.2f} MB. {left}")
    if size_mb() > LIMIT_MB:
        raise OtoloopError(f"samples/ has more than {LIMIT_MB} MB.", "Take fewer recordings, or a smaller rank.")


def size_mb() -> float:
    """What a clone carries of it, in 10^6 bytes."""
    return sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) / 1e6


def say(line: str) -> None:
    """Progress goes to the terminal."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Make the sample anew, or refresh it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh", action="store_true", help="keep release and suites; only run, push and prune")
    options = parser.parse_args()
    try:
        if not options.refresh:
            make()
        refresh()
    except OtoloopError as err:
        say(f"{err.message} {err.remedy}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
