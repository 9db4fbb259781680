"""Makes a finished cycle: results of two models on the catalogue's items, judged by the gate, committed and tagged."""

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import yaml

from otoloop.catalog import items
from otoloop.evaluate.results import Result, write_results
from otoloop.gate.stage import judge
from otoloop.outs import read_json, write_json
from otoloop.params import load_params
from otoloop.promote import pack, versions
from otoloop.promote.events import sha256
from otoloop.promote.registry import open_registry
from otoloop.promote.versions import Manifest
from otoloop.train.base import describe
from otoloop.vcs import Repo


def finish(site, book, number=1, release="r0001", verdict=""):
    """Tag cycle ``number``: the base is wrong on every third item, the candidate on one that the base has right.

    Six recordings prove nothing: where a test needs another ``verdict``, it is written over the gate's.
    """
    with book.reading() as session:
        views = items.items(session)
    (site / "inputs").mkdir(exist_ok=True)
    inputs = {
        "cycle": number, "release": {"id": release, "sha256": "0" * 64}, "base": asdict(describe("otoloop-mini")),
        "champion": {"version": None, "sha256": None, "base": None}, "suites": [], "replay": [], "grant": None,
        "reason": "12 new items", "owner": "mika",
    }  # fmt: skip
    (site / "inputs/cycle.yaml").write_text(yaml.safe_dump(inputs, sort_keys=False))
    outputs = {}
    for name, wrong in (("base", lambda n: n % 3 == 0), ("candidate", lambda n: n == 1)):
        rows = [_result(view, wrong(n)) for n, view in enumerate(views)]
        write_results(rows, site / "results" / f"{name}.jsonl")
        outputs[name] = [{"id": view.item.id, "output": view.trace.text} for view in views]
    judge(load_params(site / "params.yaml").gate, site / "results", site / "gate", site)
    if verdict:
        report = read_json(site / "gate/report.json") | {"verdict": verdict, "reason": "Every check passed."}
        write_json(site / "gate/report.json", report)
    (site / "dvc.lock").write_text(
        yaml.safe_dump({"schema": "2.0", "stages": {"answer": {"outs": [_kept(site, outputs)]}}})
    )
    repo = Repo(site)
    repo.commit(["inputs/cycle.yaml", "gate", "dvc.lock"], f"Cycle {number}")
    repo.tag(f"cycle/{number:04d}", "done")
    return number


def _result(view, wrong):
    fault = view.item.slice["fault"]
    said = "rub" if wrong else fault
    return Result(
        id=view.item.id, item_sha256="0" * 16, clip=view.item.clip, suite="site", cluster=view.clip.session,
        kind=view.item.kind, style=view.item.style, slice=view.item.slice, gold=fault, said=said, correct=not wrong,
        official=not wrong, format_valid=True, reading="read",
    )  # fmt: skip


def _kept(site, outputs):
    """The answers in DVC's cache, and how dvc.lock names them."""
    rows = [
        {"md5": _lay(site, "\n".join(json.dumps(row) for row in lines).encode()), "relpath": f"{name}.jsonl"}
        for name, lines in outputs.items()
    ]
    return {"path": "answers", "hash": "md5", "md5": _lay(site, json.dumps(rows).encode(), ".dir"), "nfiles": len(rows)}


def _lay(site, data, ending=""):
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + ending
    path = site / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return md5


def request(site, reviewers=None, expires_in=timedelta(days=1)):
    """Register the last cycle's adapter and ask for it, as `requests.request` does, but without probing the adapter."""
    registry, fin = open_registry(site), pack.last_cycle(Repo(site))
    folder = site / ".otoloop" / "adapter"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(fin.commit.encode() * 9)
    files = versions.digests(folder)
    manifest = Manifest(
        version="", base=fin.base, adapter_sha256=versions.adapter_digest(files), adapter_files=files, release="r0001",
        cycle=int(fin.inputs["cycle"]), commit=fin.commit, parent=None, probe={},
    )  # fmt: skip
    taken = len(registry.ledger().versions)
    manifest = versions.publish(registry, manifest, folder, taken)
    registry.append("register", "mika", manifest.version, manifest_sha256=sha256(manifest.to_bytes()),
                    adapter_sha256=manifest.adapter_sha256, commit=fin.commit, cycle=manifest.cycle)  # fmt: skip
    raw = pack.build(fin, manifest, channel="prod", owner="mika", approved_by=reviewers or {"rei": 9, "mori": 3})
    digest = versions.keep_pack(registry, manifest.version, raw)
    barred = pack.main_reviewers(registry.pack(manifest.version, digest), 0.5)
    expires = (datetime.now(UTC) + expires_in).isoformat()
    event = registry.append("request", "mika", manifest.version, channel="prod", pack_sha256=digest, barred=barred,
                            against=registry.ledger().champion(), verdict="pass", expires=expires)  # fmt: skip
    return registry.ledger().requests[f"{manifest.version}-{event.seq}"]
