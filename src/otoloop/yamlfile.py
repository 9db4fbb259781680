"""Reading YAML that people write: what is wrong with it is one sentence with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError


class _Loader(yaml.SafeLoader):
    """YAML as DVC reads it: a key that stands twice is an error, where PyYAML would quietly take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in first:
                problem = f"the key `{key.value}` stands twice, first in line {first[key.value]}"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                first[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; None for an empty one.

    Raises:
        FileNotFoundError: there is none.
        OtoloopError: it cannot be read, is no UTF-8 or no YAML, or says something twice; names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a kind of safe loader
    except FileNotFoundError:
        raise
    except OSError as err:
        raise OtoloopError(f"{path} cannot be read: {err.strerror}.", "Check the file and its rights.") from None
    except UnicodeDecodeError as err:
        raise OtoloopError(f"{path} is no UTF-8 text (byte {err.start}).", "Save it as UTF-8.") from None
    except (yaml.YAMLError, RecursionError) as err:
        raise OtoloopError(f"{_place(path, err)} is not valid YAML: {_problem(err)}.", "Correct that line.") from None


def _place(path: Path, err: Exception) -> str:
    """The file, and the line if the parser knows it."""
    mark = getattr(err, "problem_mark", None)
    return f"{path}, line {mark.line + 1}, column {mark.column + 1}," if mark else str(path)


def _problem(err: Exception) -> str:
    """The parser's reason in one line."""
    said = getattr(err, "problem", None) or str(err)
    return " ".join(said.split()).rstrip(".")
