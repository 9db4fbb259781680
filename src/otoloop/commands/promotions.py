"""`otoloop approver`, `promotions`, `rollback` and `audit`: who may decide, what waits, what is live, and the proof."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, channels, emit, one_of

if TYPE_CHECKING:
    from otoloop.promote.keys import Signer

approver = typer.Typer(no_args_is_help=True, help="Who may approve, and their keys.")
promotions = typer.Typer(no_args_is_help=True, help="What asks to go live: look, approve, reject.")
audit = typer.Typer(no_args_is_help=True, help="Check that nothing was changed behind your back.")

As = typer.Option("", "--as", metavar="NAME", help="Who you are; by default OTOLOOP_ACTOR, else your user name.")
Request = typer.Argument(..., metavar="REQUEST", help="As `promotions list` shows it, for example v3-12.")
SECRET = "OTOLOOP_PASSPHRASE"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(approver, name="approver")
    app.add_typer(promotions, name="promotions")
    app.command()(rollback)
    app.add_typer(audit, name="audit")


def _workspace() -> Path:
    from otoloop.settings import Settings

    return Settings().workspace


def _actor(given: str) -> str:
    from otoloop.settings import Settings

    return given or Settings().actor


def _signer(name: str) -> Signer:
    """The approver's unlocked key; asks for the passphrase on a terminal where the key needs one."""
    from otoloop.promote import keys

    word = os.environ.get(SECRET)
    if word is None and keys.is_sealed(name) and sys.stdin.isatty():
        word = typer.prompt(f"Passphrase of {name}'s key", hide_input=True, err=True)
    return keys.unlock(name, word)


# ---- who may decide ------------------------------------------------------------------------------------------------


@approver.command()
def add(
    name: str = typer.Argument(..., metavar="NAME", help="Lower-case, as decisions will carry it."),
    protect: bool = typer.Option(False, help=f"Seal the new key with a passphrase (asked for, or {SECRET})."),
    public_key: str = typer.Option("", metavar="BASE64", help="Of a key that the person made on another machine."),
    as_json: bool = Json,
) -> None:
    """Let somebody approve: makes their Ed25519 key on this machine and commits its public half to approvers.yaml.

    Example: otoloop approver add kim --protect
    """
    from otoloop.promote import enrol, keys

    word = os.environ.get(SECRET)
    if protect and word is None:
        word = typer.prompt(f"Passphrase for {name}'s key", hide_input=True, confirmation_prompt=True, err=True)
    made = enrol.add(_workspace(), name, passphrase=word, public_key=public_key)
    path = "" if public_key else str(keys.path_of(name))
    human = f"{name} may approve until {made.expires:%Y-%m-%d}." + (
        f" The private key is {path}: keep it." if path else ""
    )
    data = {
        "name": name,
        "public_key": made.public_key,
        "expires": made.expires.isoformat(),
        "private_key": path or None,
    }
    emit(data, human, as_json)


@approver.command()
def revoke(
    name: str = typer.Argument(..., metavar="NAME", help="Whose key shall count no more."), as_json: bool = Json
) -> None:
    """Take the right to approve from somebody; what they decided before stays, what is not live yet is stopped.

    Example: otoloop approver revoke kim
    """
    from otoloop.promote import enrol

    enrol.revoke(_workspace(), name)
    emit({"name": name, "revoked": True}, f"{name} may approve no more.", as_json)


@approver.command("list")
def list_approvers(as_json: bool = Json) -> None:
    """List the keys that count or counted.

    Example: otoloop approver list --json
    """
    from datetime import UTC, datetime

    from otoloop.promote import approvers

    now = datetime.now(UTC)
    rows = [
        {
            "name": e.name, "may_approve": e.valid(now), "added": e.added.isoformat(), "expires": e.expires.isoformat(),
            "revoked": e.revoked.isoformat() if e.revoked else None, "public_key": e.public_key,
        }
        for e in approvers.load(_workspace()).entries
    ]  # fmt: skip
    lines = [f"{r['name']:<16} {'yes' if r['may_approve'] else 'no ':<4} until {str(r['expires'])[:10]}" for r in rows]
    emit(rows, "\n".join(lines) or "Nobody may approve yet. Run `otoloop approver add NAME`.", as_json)


# ---- what waits ----------------------------------------------------------------------------------------------------


@promotions.command("list")
def list_requests(as_json: bool = Json) -> None:
    """List requests, newest first, and what each channel serves.

    Example: otoloop promotions list --json
    """
    from datetime import UTC, datetime

    from otoloop.promote.ledger import CHANNELS, row
    from otoloop.promote.registry import open_registry

    ledger, now = open_registry(_workspace()).ledger(), datetime.now(UTC)
    rows = [row(r, now) for r in reversed(list(ledger.requests.values()))]
    live = {c: event.version for c in CHANNELS if (event := ledger.live(c))}
    lines = [
        f"{r['request']:<8} {r['channel']:<7} {r['state']:<9} {r['verdict']:<6} by {r['requested_by']}" for r in rows
    ]
    served = ", ".join(f"{channel} {version}" for channel, version in live.items()) or "nothing yet"
    emit(rows, "\n".join([*(lines or ["No request yet."]), f"live: {served}"]), as_json)


@promotions.command()
def show(request: str = Request, as_json: bool = Json) -> None:
    """Show a request with its evidence: what the gate found, and who may not approve it.

    Example: otoloop promotions show v3-12
    """
    from datetime import UTC, datetime

    from otoloop.promote import requests
    from otoloop.promote.ledger import row
    from otoloop.promote.pack import unlike_git
    from otoloop.promote.registry import open_registry
    from otoloop.vcs import Repo

    registry = open_registry(_workspace())
    found = requests.find(registry.ledger(), request)
    pack = requests.evidence(registry, found)
    data = {
        **row(found, datetime.now(UTC)), "barred": found.barred, "pack": pack,
        "unlike_git": unlike_git(Repo(_workspace()), pack),
    }  # fmt: skip
    emit(data, _words(data), as_json)


def _words(data: dict[str, Any]) -> str:
    """The first screen."""
    pack, head = data["pack"], data["pack"]["gate"].get("headline") or {}
    verdict = str(pack["verdict"]).replace("_", " ")
    lines = [
        f"{data['request']}: {data['version']} for {data['channel']}, {data['state']} (until {data['expires'][:16]})",
        f"verdict  {verdict}: {pack['reason']}",
        f"from     {pack['tag']} ({pack['commit'][:10]}), release {pack['inputs']['release']['id']}, "
        f"compared with {data['against'] or 'the base'}",
        f"evidence {data['pack_sha256']}",
        f"may not approve: {', '.join(data['barred'])}",
        f"git      {_git(data['unlike_git'])}",
    ]
    if head.get("n"):
        points = [100 * head[k] for k in ("difference", "low", "high")]
        lines.insert(2, "gain     {:+.1f} points ({:+.1f} to {:+.1f})".format(*points))
    if data["decided_by"]:
        lines.append(
            f"decided by {data['decided_by']} at {data['decided_at'][:16]}: {data['reason'] or 'no reason given'}"
        )
    return "\n".join(lines)


def _git(unlike: list[str] | None) -> str:
    if unlike is None:
        return "not compared: this clone lacks the commit"
    return f"DIFFERS from the evidence: {', '.join(unlike)}" if unlike else "says the same at that commit"


@promotions.command("request")
def request_(
    channel: str = typer.Option(
        "", callback=one_of(channels), help="prod, pilot or shadow; by default the highest that the verdict allows."
    ),
    cycle: str = typer.Option("", metavar="TAG", help="As cycle/0007; by default the last one."),
    as_json: bool = Json,
) -> None:
    """Ask that a finished cycle's adapter go live; its flow does this by itself, this is for another channel or again.

    Example: otoloop promotions request --channel pilot
    """
    import warnings
    from datetime import UTC, datetime

    from otoloop.promote import requests
    from otoloop.promote.ledger import row

    warnings.simplefilter("ignore", FutureWarning)  # libraries to their developers, not to our users
    made = requests.request(_workspace(), channel=channel, tag=cycle)
    human = f"{made.id} waits for an approver until {made.expires:%Y-%m-%d %H:%M} UTC."
    emit(row(made, datetime.now(UTC)), human, as_json)


@promotions.command()
def approve(
    request: str = Request,
    name: str = As,
    reason: str = typer.Option("", help="In your words."),
    pack: str = typer.Option("", metavar="SHA256", help="The evidence you looked at; refused if another came since."),
    as_json: bool = Json,
) -> None:
    """Approve a request with your own key; it goes live within a minute.

    Example: otoloop promotions approve v3-12 --as kim
    """
    from otoloop.promote import decisions

    event = decisions.approve(_workspace(), request, _signer(_actor(name)), reason=reason, pack_sha256=pack)
    emit(event.to_json(), f"{event.actor} approved {event.request}: {event.version} for {event.channel}.", as_json)


@promotions.command()
def reject(
    request: str = Request,
    name: str = As,
    reason: str = typer.Option(..., help="What must become better."),
    as_json: bool = Json,
) -> None:
    """Reject a request with your own key.

    Example: otoloop promotions reject v3-12 --as kim --reason "misses bearings on pump-2"
    """
    from otoloop.promote import decisions

    event = decisions.reject(_workspace(), request, _signer(_actor(name)), reason=reason)
    emit(event.to_json(), f"{event.actor} rejected {event.request}.", as_json)


@promotions.command()
def code(request: str = Request, name: str = As, as_json: bool = Json) -> None:
    """Make a single-use code with which your decision can be typed into the form of Prefect's deployment `promote`.

    Example: otoloop promotions code v3-12 --as kim
    """
    from otoloop.promote import decisions

    made = decisions.new_code(_workspace(), request, _signer(_actor(name)))
    emit({"request": request, "code": made}, f"{made}   counts once, for {request} as it is now.", as_json)


@promotions.command()
def run(as_json: bool = Json) -> None:
    """Carry out what is approved, as the flow does every minute; pointers and tags are put right.

    Example: otoloop promotions run
    """
    from otoloop.promote.promotion import promote_all

    done = promote_all(_workspace())
    lines = [f"{o.version} is live on {o.channel}." if o.live else f"{o.request}: {o.problem}" for o in done]
    emit([o.to_json() for o in done], "\n".join(lines) or "Nothing is approved and waiting.", as_json)
    if not all(o.live for o in done):
        raise typer.Exit(1)


def rollback(
    reason: str = typer.Option(..., help="What is wrong."),
    channel: str = typer.Option("prod", callback=one_of(channels), help="prod, pilot or shadow."),
    to: str = typer.Option(
        "", metavar="VERSION", help="By default the one before; `nothing` leaves the channel empty."
    ),
    name: str = As,
    as_json: bool = Json,
) -> None:
    """Take a channel back to the version it served before, at once and without anybody's approval.

    Example: otoloop rollback --reason "calls healthy fans faulty since noon"
    """
    from dataclasses import asdict

    from otoloop.promote.promotion import rollback as take_back

    found = take_back(_workspace(), channel, reason, _actor(name), to=to)
    human = f"{channel} serves {found.version} now." if found else f"{channel} serves nothing now."
    emit(asdict(found) if found else {"channel": channel, "version": None}, human, as_json)


@audit.command()
def verify(as_json: bool = Json) -> None:
    """Check chain, signatures, evidence, bundles and everything that remembers the chain; exit 1 on any problem.

    Example: otoloop audit verify
    """
    from otoloop.promote import audit as auditing

    found = auditing.verify(_workspace())
    data = {"ok": not found, "problems": [p.to_json() for p in found]}
    emit(data, auditing.in_words(found), as_json)
    if found:
        raise typer.Exit(1)
