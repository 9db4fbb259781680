"""Write docs/reference from the code and check every relative link of the documentation.

python tools/docs.py            write, then check
python tools/docs.py --check    write nothing; exit 1 if a page is out of date or a link leads nowhere
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import typer
from pydantic import BaseModel

from otoloop import cli
from otoloop.params import Params

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def commands() -> str:
    """Every command with its help, as `otoloop --help` tells it."""
    cli._register()
    root = typer.main.get_command(cli.app)
    return "# Commands\n\nWritten by `make docs` from the commands themselves.\n\n" + "\n".join(
        _sections(root, ["otoloop"])
    )


def _sections(command: click.Command, path: list[str]) -> Iterator[str]:
    """A section for each command below this one."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        context = click.Context(command, info_name=" ".join(path), terminal_width=100, max_content_width=100)
        yield f"## {' '.join(path)}\n\n```text\n{command.get_help(context).strip()}\n```\n"
    for name in sorted(subcommands or {}):
        yield from _sections(subcommands[name], [*path, name])


def params() -> str:
    """Every key of params.yaml with its type, default and bounds."""
    head = "# params.yaml\n\nWritten by `make docs`. A key that is left out has its default.\n\n"
    rows = "\n".join(_rows(Params, ""))
    return f"{head}| key | type | default | allowed |\n|---|---|---|---|\n{rows}\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """A table row for each leaf."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{prefix}{name}.")
            continue
        bounds = " ".join(re.sub(r"^(\w+)\((.*)\)$", r"\2", str(rule)) for rule in field.metadata)
        shown = getattr(kind, "__name__", str(kind)) if isinstance(kind, type) else str(kind).replace("typing.", "")
        yield f"| `{prefix}{name}` | {shown} | `{field.default}` | {bounds} |".replace("||", "|")


def broken_links() -> list[str]:
    """Relative links of all pages that lead to no file."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = []
    for page in sorted(pages):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                found.append(f"{page.relative_to(ROOT)}: {target}")
    return found


def main() -> int:
    """Write or check."""
    problems = []
    for name, text in {"commands.md": commands(), "params.md": params()}.items():
        path = REFERENCE / name
        if "--check" not in sys.argv:
            REFERENCE.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            problems.append(f"{path.relative_to(ROOT)} is out of date: run `make docs`")
    problems += broken_links()
    print("\n".join(problems) or "all pages are current, all links lead somewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
