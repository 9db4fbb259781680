"""Why params.yaml is refused, in words: the key, its value, and what would be allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

MOST = 3
_BOUNDS = ((Gt, "gt", "above {}"), (Ge, "ge", "from {}"), (Lt, "lt", "below {}"), (Le, "le", "up to {}"))
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

Loc = tuple[int | str, ...]


def explain(err: ValidationError, model: type[BaseModel]) -> str:
    """The first problems, one sentence each."""
    found = err.errors(include_url=False)
    more = f" And {len(found) - MOST} more." if len(found) > MOST else ""
    return " ".join(_sentence(problem, model) for problem in found[:MOST]) + more


def _sentence(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    loc, value = problem["loc"], problem["input"]
    if not loc:
        return f"it holds {value!r:.80} instead of keys and values."
    if problem["type"] in ("extra_forbidden", "invalid_key"):
        return f"`{_key(loc)}` = {value!r:.80} is no known key; {_neighbours(loc, model)}."
    keys = tuple(part for part in loc if isinstance(part, str))  # positions in a list belong to the list
    field = _model(keys[:-1], model).model_fields[keys[-1]]
    state = "is empty" if value is None else f"= {value!r:.80} is wrong"
    return f"`{_key(keys)}` {state}; allowed: {allowed(field)}."


def _key(loc: Loc) -> str:
    return ".".join(map(str, loc))


def _neighbours(loc: Loc, model: type[BaseModel]) -> str:
    """Which key was meant, or which ones there are."""
    known = sorted(_model(loc[:-1], model).model_fields)
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    meant = f"perhaps `{close[0]}` is meant; " if close else ""
    return f"{meant}allowed: {', '.join(known)}"


def _model(loc: Loc, model: type[BaseModel]) -> type[BaseModel]:
    """The section that a path of keys leads to."""
    for part in loc:
        kind = model.model_fields[str(part)].annotation
        assert isinstance(kind, type) and issubclass(kind, BaseModel)
        model = kind
    return model


def allowed(field: FieldInfo) -> str:
    """What may stand in a field."""
    if field.description:
        return field.description
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        name, inner = next(iter(kind.model_fields.items()))
        return f"a section of keys, such as `{name}: {inner.default}`"
    if get_origin(kind) is tuple:
        return f"a list of {_one_of(get_args(kind)[0])}"
    return _one_of(kind) + ",".join(f" {bound}" for bound in _bounds(field))


def _one_of(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return _KINDS.get(kind, str(kind))


def _bounds(field: FieldInfo) -> Iterator[str]:
    """Limits in words, lower ones first."""
    for kind, name, words in _BOUNDS:
        for limit in field.metadata:
            if isinstance(limit, kind):
                yield words.format(f"{getattr(limit, name):g}")
