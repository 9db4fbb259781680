"""The command line as a user meets it, within the test's own process: real `main`, exit code, both outputs."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from otoloop import cli


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


def otoloop(*words: str | Path, cwd: Path) -> Said:
    """Run a command in a folder."""
    out, err, argv = io.StringIO(), io.StringIO(), ["otoloop", *map(str, words)]
    with (
        contextlib.chdir(cwd), patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def refused(*words: str | Path, cwd: Path, said: Sequence[str]) -> str:
    """Run a command that must fail: exit code 1, one sentence, one remedy, no traceback, and the same as JSON.

    Args:
        words: the command.
        cwd: where.
        said: what sentence and remedy must contain.

    Returns:
        sentence and remedy.
    """
    answer = otoloop(*words, "--json", cwd=cwd)
    assert answer.code == 1, answer
    assert set(answer.json) == {"error", "remedy"} and all(answer.json.values()), answer.out
    lines = answer.err.splitlines()
    assert lines[-2:] == [f"otoloop: {answer.json['error']}", f"  {answer.json['remedy']}"], answer.err
    assert answer.err.count("otoloop: ") == 1 and "Traceback" not in answer.err
    text = " ".join(answer.json.values())
    for word in said:
        assert word in text, text
    return text
