"""Everything that is too long for every change, in parts of at most 45 minutes; run again, it goes on where it stopped.

    python tools/nightly.py                 run what has not passed yet for this commit
    python tools/nightly.py --list          show the parts and how they stand
    python tools/nightly.py --part slow     run one part, passed or not
    python tools/nightly.py --fresh         forget what passed

What passed is kept per commit in .otoloop/nightly/; uncommitted edits count as a commit of their own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 45 * 60
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
BIN = Path(sys.executable).parent

PARTS: dict[str, list[str]] = {
    "fast": PYTEST,
    "check": ["make", "check"],
    "slow": [*PYTEST, "-m", "slow and not long"],
    "flow": [*PYTEST, "-m", "flow and not (slow or long)"],
    "long": [*PYTEST, "-m", "long"],
    "browser": [*PYTEST, "-m", "browser"],
    "postgres": [*PYTEST, "-m", "postgres"],
    "properties": [*PYTEST, "-m", "not (slow or flow or browser or postgres or gpu or long)", "--hypothesis-profile", "nightly"],
    "crashes": [sys.executable, "tools/crash_table.py"],
    "demo": [str(BIN / "otoloop"), "demo", "--yes"],
}  # fmt: skip


def main() -> int:
    """Run the parts; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=sorted(PARTS), action="append")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    record = ROOT / ".otoloop" / "nightly" / f"{_code()}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    done = {} if options.fresh or not record.is_file() else json.loads(record.read_text(encoding="utf-8"))
    if not options.list:
        for name in options.part or [name for name in PARTS if done.get(name, {}).get("result") != "passed"]:
            done[name] = _run(name, record.with_suffix(f".{name}.log"))
            record.write_text(json.dumps(done, indent=2), encoding="utf-8")
    for name in PARTS:
        print(f"{name:<12} {done.get(name, {}).get('result', 'not run'):<10} {done.get(name, {}).get('seconds', '')}")
    return (
        0 if options.list or all(done.get(name, {}).get("result") == "passed" for name in options.part or PARTS) else 1
    )


def _code() -> str:
    """The commit and a digest of what is not committed."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    edits = subprocess.run(["git", "diff", "HEAD"], cwd=ROOT, capture_output=True).stdout
    return f"{head}-{hashlib.sha256(edits).hexdigest()[:8]}" if edits else head


def _run(name: str, log: Path) -> dict[str, object]:
    """One part with its output in a log; at the limit its whole process group is ended."""
    print(f"{name}: {log}", flush=True)
    begin = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(PARTS[name], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(timeout=LIMIT_S)
            result = "passed" if code == 0 else "failed"
        except subprocess.TimeoutExpired:
            result = "too long"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return {"result": result, "seconds": round(time.monotonic() - begin)}


if __name__ == "__main__":
    sys.exit(main())
