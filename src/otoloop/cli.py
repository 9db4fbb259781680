"""The `otoloop` command. Areas register themselves; heavy imports happen inside the commands."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from functools import cache
from typing import NoReturn

import typer

from otoloop import commands
from otoloop.errors import FULL, OtoloopError, of_system
from otoloop.settings import calm_threads

app = typer.Typer(
    name="otoloop", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None,
    help="From the sounds of a working site to an audio language model that explains its answers.",
)  # fmt: skip


@cache
def _register() -> None:
    """Let every module in `otoloop.commands` that has a `register` add its commands."""
    for info in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"otoloop.commands.{info.name}")
        if hasattr(module, "register"):
            module.register(app)


def main() -> None:
    """Run the command line: exit code 0 done, 1 refused or failed, 2 wrong usage."""
    calm_threads()
    _register()
    try:
        app()
    except OtoloopError as err:
        _fail(err)
    except OSError as err:
        if err.filename is None and err.errno not in FULL:
            raise
        _fail(of_system(err))
    except KeyboardInterrupt:
        print("otoloop: stopped; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)


def _fail(err: OtoloopError) -> NoReturn:
    """Say it, as JSON too when that was asked for."""
    if "--json" in sys.argv:
        print(json.dumps({"error": err.message, "remedy": err.remedy}, ensure_ascii=False))
    print(f"otoloop: {err.message}\n  {err.remedy}".rstrip(), file=sys.stderr)
    sys.exit(1)
