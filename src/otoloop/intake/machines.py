"""machines.yaml: what stands where. Geometry is what lets a trace reason from a sound to a part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from otoloop.errors import OtoloopError
from otoloop.intake.keys import NAME_CHARACTERS
from otoloop.yamlfile import read_yaml

REMEDY = "Correct machines.yaml; its head shows an example."


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Bearing(_Entry):
    """Geometry of a rolling bearing (millimetres, degrees)."""

    n_balls: int = Field(ge=3, le=200)
    d_ball_mm: float = Field(gt=0)
    d_pitch_mm: float = Field(gt=0)
    contact_deg: float = Field(0, ge=0, lt=90)


class Gear(_Entry):
    """A gear wheel on the shaft."""

    n_teeth: int | None = Field(None, ge=3)
    teeth: int | None = Field(None, ge=3)


class Machine(_Entry):
    """One entry of machines.yaml."""

    site: str = Field(min_length=1, max_length=NAME_CHARACTERS)
    machine: str = Field(min_length=1, max_length=NAME_CHARACTERS)
    kind: Literal["motor", "pump", "fan", "compressor", "gearbox", "conveyor", "drive"]
    nominal_speed_rpm: float | None = Field(None, gt=0)
    mains_hz: float | None = Field(None, gt=0)
    n_blades: int | None = Field(None, ge=1)
    bearing: Bearing | None = None
    gears: list[Gear] | None = None
    speech_policy: Literal["drop", "scramble", "keep"] | None = None


def load_machines(path: Path) -> list[dict[str, Any]]:
    """The entries of a machines.yaml as plain dicts without empty fields; no file means no machines.

    Raises:
        OtoloopError: the file is no list, an entry is wrong, or a machine stands twice.
    """
    try:
        rows = read_yaml(path) or []
    except FileNotFoundError:
        return []
    if not isinstance(rows, list):
        raise OtoloopError(f"{path} is no list of machines.", REMEDY)
    machines = [_checked(row, number, path) for number, row in enumerate(rows, 1)]
    places = [(m["site"], m["machine"]) for m in machines]
    for place in places:
        if places.count(place) > 1:
            raise OtoloopError(f"{path}: machine {'/'.join(place)} stands twice.", REMEDY)
    return machines


def find_machine(path: Path, name: str, seen: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The entry of a machine by its name, or by site/machine where several sites have one of that name.

    Args:
        path: of a machines.yaml.
        name: of the machine.
        seen: machines known otherwise, as the catalogue's; they count where the file has none of that name.

    Raises:
        OtoloopError: there is none, or there are several.
    """
    known = load_machines(path)
    found = _named(known, name) or _named(seen, name)
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{row['site']}/{row['machine']}" for row in found)
        raise OtoloopError(f"There are several machines {name!r}.", f"Use one of: {places}.")
    names = ", ".join(list(dict.fromkeys(str(row["machine"]) for row in [*known, *seen]))[:20]) or "none"
    raise OtoloopError(f"{path.name} has no machine {name[:80]!r}.", f"Use one of: {names}.")


def _named(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in rows if name in (row["machine"], f"{row['site']}/{row['machine']}")]


def _checked(row: Any, number: int, path: Path) -> dict[str, Any]:
    try:
        return Machine.model_validate(row).model_dump(exclude_none=True)
    except ValidationError as err:
        problem = err.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "entry"
        message = f"{path}: entry {number}, {where} = {problem['input']!r}: {problem['msg']}."
        raise OtoloopError(message, REMEDY) from None
