"""Kill otoloop with SIGKILL in every gap of intake and release, run it again, and count what was lost or done twice.

    python tools/crash_table.py                 40 kills; prints a table and writes benchmarks/results/crashes.json
    python tools/crash_table.py --kills 110     ten in each of the eleven gaps

Everything is real: a store, git, DVC, processes that die. After each kill the same work is run again, and every fact of
its outcome (rows, objects, files by digest, commits, tags) is compared with an undisturbed run. A fact that is missing
counts as lost, one that is there too often, or was not there before, as doubled; a changed one counts as both.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the helpers of the tests
from tests.intake import test_crash as intake
from tests.intake.conftest import Site
from tests.release.plant import Plant, Releases

from otoloop.outs import write_json
from otoloop.release.create import STEPS
from otoloop.store.connection import Connection, resolve
from otoloop.store.s3 import ObjectStore
from otoloop.store.weed import start_weed, stop_weed
from otoloop.workspace.init import init

RESULT = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "crashes.json"
INTAKE: Sequence[str] = ("bytes", "row", "acknowledge")
AT_LEAST = 3
SHOWN = 5
Difference = tuple[Counter[Any], Counter[Any]]
"""What is lost, and what is doubled or new."""


class Victim(Protocol):
    """Work that can be killed in a gap and run again."""

    def killed(self, turn: int, gap: str, mark: str) -> Difference:
        """Begin anew, kill in the gap, run again; how the outcome differs from an undisturbed one."""
        ...


@dataclass
class Intake:
    """Taking a bucket of good, bad, doubled and astray files in."""

    site: Site
    clean: Counter[Any]

    @classmethod
    def of(cls, site: Site) -> Intake:
        """Fill the bucket and take it in undisturbed."""
        intake.fill(site, 6)
        site.take_in()
        return cls(site, facts(site.picture()))

    def killed(self, turn: int, gap: str, mark: str) -> Difference:
        """See `Victim.killed`."""
        intake.forget(self.site)
        code = intake.run(self.site, mark, gap).wait()
        assert code == -signal.SIGKILL, f"not killed in {gap!r} but ended with {code}"
        self.site.take_in()
        found = facts(self.site.picture())
        return self.clean - found, found - self.clean


def facts(picture: Mapping[str, Any]) -> Counter[Any]:
    """A picture of the catalogue as facts that can be counted."""
    found: Counter[Any] = Counter()
    for name, value in picture.items():
        if isinstance(value, Counter):
            found.update({(name, repr(one)): count for one, count in value.items()})
        else:
            found.update((name, repr(one)) for one in (value.items() if isinstance(value, dict) else value))
    return found


class Release:
    """Making a site's first release and its second, in turn."""

    def __init__(self, releases: Releases) -> None:
        self.releases = releases

    def killed(self, turn: int, gap: str, mark: str) -> Difference:
        """See `Victim.killed`."""
        return self.releases.killed(turn % 2, gap, mark)


@dataclass
class Row:
    """One gap of the table."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, difference: Difference) -> None:
        """Add one kill."""
        lost, doubled = difference
        self.kills, self.lost, self.doubled = self.kills + 1, self.lost + lost.total(), self.doubled + doubled.total()
        self.examples += [f"lost {one}" for one in lost] + [f"doubled {one}" for one in doubled]


def main() -> int:
    """Run the kills; exit code 1 if anything was lost, doubled or left running."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40, help="how many; at least three in every gap (default: 40)")
    mark = uuid.uuid4().hex
    rows = kill(parser.parse_args().kills, mark)
    left = len(intake.left_behind(mark))
    print(table(rows, left))
    bad = [row for row in rows.values() if row.lost or row.doubled]
    for row in bad:
        print("\n".join(row.examples[:SHOWN]), file=sys.stderr)
    counts = {gap: {"kills": row.kills, "lost": row.lost, "doubled": row.doubled} for gap, row in rows.items()}
    write_json(RESULT, {"kills": sum(row.kills for row in rows.values()), "gaps": counts, "processes_left": left})
    return 1 if bad or left else 0


def kill(kills: int, mark: str) -> dict[str, Row]:
    """So many kills, gap after gap in turns."""
    with place() as (connection, scratch):
        taking = Intake.of(Site(*workspace(connection, scratch, "crash-intake")))
        freezing = Release(Releases.of(Plant(*workspace(connection, scratch, "crash-release")), scratch))
        gaps: list[tuple[str, str, Victim]] = [(f"intake: {one}", f"intake: {one}", taking) for one in INTAKE]
        gaps += [(f"release: {one}", one, freezing) for one in STEPS]
        rows = {name: Row() for name, _, _ in gaps}
        for number in range(max(kills, AT_LEAST * len(gaps))):
            turn, at = divmod(number, len(gaps))
            name, gap, victim = gaps[at]
            rows[name].count(victim.killed(turn, gap, mark))
            print(f"{number + 1:>4} {name}", file=sys.stderr, flush=True)
        return rows


@contextmanager
def place() -> Iterator[tuple[Connection, Path]]:
    """A store and an empty folder, gone afterwards; no servers and credentials but these."""
    for name in [name for name in os.environ if name.startswith(("OTOLOOP_", "AWS_", "PREFECT_"))]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="otoloop-crashes-") as folder:
        home = Path(folder) / "store"
        home.mkdir()
        (home / "params.yaml").write_text("prefix: crash\n", encoding="utf-8")
        start_weed(home)
        try:
            connection = resolve(home)
            os.environ["OTOLOOP_S3_ENDPOINT"] = connection.endpoint
            os.environ["AWS_ACCESS_KEY_ID"] = connection.access_key or ""
            os.environ["AWS_SECRET_ACCESS_KEY"] = connection.secret_key or ""
            yield connection, Path(folder)
        finally:
            stop_weed(home)


def workspace(connection: Connection, scratch: Path, prefix: str) -> tuple[Path, ObjectStore]:
    """A new workspace with its buckets."""
    store = ObjectStore(connection, prefix)
    store.ensure_buckets()
    return init(scratch / prefix, prefix=prefix), store


def table(rows: Mapping[str, Row], left: int) -> str:
    """The outcome as Markdown."""
    lines = ["| gap | kills | lost | doubled |", "|---|---:|---:|---:|"]
    lines += [f"| {gap} | {row.kills} | {row.lost} | {row.doubled} |" for gap, row in rows.items()]
    total = [sum(getattr(row, name) for row in rows.values()) for name in ("kills", "lost", "doubled")]
    return "\n".join([*lines, "| all | {} | {} | {} |".format(*total), "", f"Processes left behind: {left}."])


if __name__ == "__main__":
    sys.exit(main())
