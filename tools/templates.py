"""Keep the copies that `otoloop init` hands out equal to this repository's own pipeline and flows.

The originals are the files at the root, which tests and linters see. The copies end in .tmpl, so that neither DVC nor
Python takes them for the real thing.

    python tools/templates.py            copy what differs
    python tools/templates.py --check    exit 1 and name what differs
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "src" / "otoloop" / "workspace" / "templates"
ORIGINALS = ("dvc.yaml", "prefect.yaml", "otoloop.lock", "flows/*.py")


def pairs(root: Path = ROOT, templates: Path = TEMPLATES) -> dict[Path, Path]:
    """Each original with its copy."""
    found = sorted(path for pattern in ORIGINALS for path in root.glob(pattern))
    return {path: templates / f"{path.relative_to(root)}.tmpl" for path in found}


def stale(root: Path = ROOT, templates: Path = TEMPLATES) -> list[Path]:
    """Copies that differ from their original, are missing, or whose original is gone."""
    known = pairs(root, templates)
    different = [copy for path, copy in known.items() if not copy.is_file() or copy.read_bytes() != path.read_bytes()]
    patterns = [f"{pattern}.tmpl" for pattern in ORIGINALS]
    return different + sorted({copy for pattern in patterns for copy in templates.glob(pattern)} - set(known.values()))


def copy_all(root: Path = ROOT, templates: Path = TEMPLATES) -> None:
    """Make the copies equal to the originals."""
    originals = {copy: path for path, copy in pairs(root, templates).items()}
    for copy in stale(root, templates):
        if copy in originals:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(originals[copy].read_bytes())
        else:
            copy.unlink()


def main() -> int:
    """Copy, or with --check tell."""
    if "--check" not in sys.argv:
        copy_all()
        return 0
    for path in stale():
        print(f"{path.relative_to(ROOT)} differs from its original: run `make templates`")
    return 1 if stale() else 0


if __name__ == "__main__":
    sys.exit(main())
