"""Makes a finished cycle: results of two models on the catalogue's items, judged by the gate, committed and tagged."""

import hashlib
import json
from dataclasses import asdict

import yaml

from otoloop.catalog import items
from otoloop.evaluate.results import Result, write_results
from otoloop.gate.stage import judge
from otoloop.params import load_params
from otoloop.train.base import describe
from otoloop.vcs import Repo


def finish(site, book, number=1, release="r0001"):
    """Tag cycle ``number``: the base is wrong on every third item, the candidate on one that the base has right."""
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
