"""What the gate would do to candidates of known quality, under the present thresholds and numbers of recordings.

Answers are drawn, judged by the very code that judges real ones (`verdicts.decide_tables`), and counted. Items of one
recording agree more than others: with probability ``sqrt(icc)`` an item takes over its recording's common draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from otoloop.errors import OtoloopError
from otoloop.evaluate.suites import SITE, Suite
from otoloop.gate.checks import superiority
from otoloop.gate.integrity import BASE, CANDIDATE, CHAMPION
from otoloop.gate.parts import Part, Rules
from otoloop.gate.tables import Bools, Table, Tables
from otoloop.gate.verdicts import decide_tables, old_slices, target_slice
from otoloop.params import GateParams

TARGET, KNOWN = "new", "known"
RULES = (Suite(name=SITE, target={"novelty": (TARGET,)}, watch=()),)


@dataclass(frozen=True, slots=True)
class Plan:
    """A slice to simulate.

    Attributes:
        recordings: independent recording sessions.
        items: items per recording.
        accuracy: of the champion.
        discordance: share of items on which an equal candidate and the champion differ.
        icc: intra-class correlation of what differs within a recording.
    """

    recordings: int = 150
    items: int = 2
    accuracy: float = 0.8
    discordance: float = 0.15
    icc: float = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often candidates of one quality met each verdict; ``promoted`` is the share that passed."""

    gain: float
    drop: float
    runs: int
    verdicts: Mapping[str, float]

    @property
    def promoted(self) -> float:
        """Share of candidates that passed."""
        return self.verdicts.get("pass", 0.0)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return {
            "gain": self.gain,
            "drop": self.drop,
            "runs": self.runs,
            "promoted": self.promoted,
            "verdicts": dict(self.verdicts),
        }


def simulate(
    plans: Mapping[str, Plan], params: GateParams, *, gain: float = 0.0, drop: float = 0.0, runs: int = 200,
    seed: int = 7, alpha: float | None = None,
) -> Outcome:  # fmt: skip
    """Judge ``runs`` candidates that truly gain so much on the new slice and lose so much on the known one."""
    rng = np.random.default_rng(seed)
    counts = Counter(
        decide_tables(draw(plans, rng, gain, drop), params, RULES, alpha=alpha).verdict for _ in range(runs)
    )
    return Outcome(gain, drop, runs, {v: counts[v] / runs for v in ("pass", "fail", "not_enough_data")})


def ever_promoted(
    plans: Mapping[str, Plan], params: GateParams, *, cycles: int, runs: int, seed: int = 7, alpha: float | None = None
) -> float:
    """Share of ``runs`` histories in which at least one of ``cycles`` equal candidates passes.

    A pass needs superiority on the target, so the costlier rest is judged only for candidates that show it.
    """
    rng = np.random.default_rng(seed)
    rules = Rules(params, params.alpha if alpha is None else alpha)
    return sum(any(_passes(draw(plans, rng), rules) for _ in range(cycles)) for _ in range(runs)) / runs


def _passes(results: Tables, rules: Rules) -> bool:
    site = results[SITE]
    target = target_slice(RULES[0], Part(SITE, "all", CHAMPION, site[CANDIDATE], site[CHAMPION]))
    if not len(target.candidate) or superiority(target, rules).verdict != "pass":
        return False
    return decide_tables(results, rules.params, RULES, alpha=rules.alpha).verdict == "pass"


def draw(plans: Mapping[str, Plan], rng: np.random.Generator, gain: float = 0.0, drop: float = 0.0) -> Tables:
    """Draw the answers of base, champion and candidate to one set of items."""
    shift = {TARGET: gain, KNOWN: -drop}
    parts = [(name, plan, *_answers(plan, shift.get(name, 0.0), rng)) for name, plan in plans.items()]
    champion = np.concatenate([p[2] for p in parts])
    candidate = np.concatenate([p[3] for p in parts])
    items = _items(plans)
    base = champion & (rng.random(len(items)) > 0.5)
    return {
        SITE: {
            n: _answered(items, right, rng) for n, right in ((BASE, base), (CHAMPION, champion), (CANDIDATE, candidate))
        }
    }


def _answers(plan: Plan, shift: float, rng: np.random.Generator) -> tuple[Bools, Bools]:
    """(champion right, candidate right); the candidate's accuracy is the champion's plus ``shift``."""
    discordance = max(plan.discordance, abs(shift))
    gained, lost = (discordance + shift) / 2, (discordance - shift) / 2
    toss = _clustered(plan, rng)
    delta = np.where(toss < gained, 1, np.where(toss > 1 - lost, -1, 0))
    both = np.clip((plan.accuracy - lost) / max(1e-9, 1 - discordance), 0, 1)
    champion = np.where(delta == 0, rng.random(len(toss)) < both, delta < 0)
    return champion, np.where(delta == 0, champion, delta > 0)


def _clustered(plan: Plan, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Uniform draws, alike within a recording."""
    shape = (plan.recordings, plan.items)
    common = np.broadcast_to(rng.random((plan.recordings, 1)), shape)
    return np.where(rng.random(shape) < np.sqrt(plan.icc), common, rng.random(shape)).ravel()


def _items(plans: Mapping[str, Plan]) -> Table:
    """The items alone; half of them show a fault."""
    names = [f"{n}-{r:05d}" for n, p in plans.items() for r in range(p.recordings) for _ in range(p.items)]
    novelty = [n for n, p in plans.items() for _ in range(p.recordings * p.items)]
    ids = np.array([f"{i:07d}" for i in range(len(names))])
    yes = np.ones(len(ids), bool)
    return Table(ids, ids, np.array(names), yes, yes, np.arange(len(ids)) % 2 == 0, yes, {"novelty": np.array(novelty)})


def _answered(items: Table, right: Bools, rng: np.random.Generator) -> Table:
    """A third of the wrong answers about faulty machines say "normal"."""
    missed = items.faulty & ~right & (rng.random(len(items)) < 1 / 3)
    return items.answered(right, ~missed)


def plans_of(results: Tables, suites: Sequence[Suite]) -> dict[str, Plan]:
    """Take sizes, accuracy, discordance and clustering from real results, pooled into the target and the old slices.

    Raises:
        OtoloopError: no suite is a target.
    """
    site = next((s for s in suites if s.role == "target" and s.name in results), None)
    if site is None:
        raise OtoloopError("No suite of these results is a target.", "Give one suite the role `target`.")
    tables = results[site.name]
    reference = CHAMPION if CHAMPION in tables else BASE
    whole = Part(site.name, "all", reference, tables[CANDIDATE], tables[reference])
    target, known = target_slice(site, whole), old_slices(replace(site, slice_by=()), whole)
    parts = {TARGET: [target] if len(target.candidate) else [], KNOWN: known}
    return {name: _plan(found[0]) for name, found in parts.items() if found}


def _plan(part: Part) -> Plan:
    pair = part.pair
    items = pair.n / pair.clusters
    icc = min(1.0, (pair.effect - 1) / (items - 1)) if items > 1 else 0.0
    accuracy = float(part.reference.correct.mean())
    discordance = min(max(pair.discordance, 2 / pair.n), 2 * accuracy, 2 * (1 - accuracy))
    return Plan(pair.clusters, max(1, round(items)), accuracy, max(discordance, 0.01), icc)
