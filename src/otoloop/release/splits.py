"""Who may learn from a recording and who is examined on it: train, valid and test, once and for ever.

- A recording session is never divided, and neither is a group of near-duplicates.
- Within a machine and label, later sessions test what was learnt from earlier ones.
- Of five machines of one kind at a site, one is held out whole: the model never hears it before the test.
- A session keeps its split when data are appended: what was assigned before comes in as ``known``, unchanged.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
MACHINES_PER_HELD_OUT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What the split of a clip depends on. ``machine`` is ``site/machine``; ``time`` sorts as text (ISO 8601, UTC)."""

    clip: str
    machine: str
    kind: str
    session: str
    group: str
    time: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The split of every session and near-duplicate group met so far, and for each machine whether it is held out."""

    sessions: Mapping[str, Split] = field(default_factory=dict)
    groups: Mapping[str, Split] = field(default_factory=dict)
    held_out: Mapping[str, bool] = field(default_factory=dict)

    def of(self, recording: Recording) -> Split | None:
        """The split of a recording; None (withheld) when its session and its near-duplicates lie in different ones."""
        session = self.sessions[recording.session]
        return session if self.groups[recording.group] == session else None


@dataclass(frozen=True, slots=True)
class _Block:
    """Sessions and groups that hang together and were not assigned before."""

    sessions: frozenset[str]
    groups: frozenset[str]
    recordings: tuple[Recording, ...]

    @property
    def order(self) -> tuple[str, str]:
        return max(r.time for r in self.recordings), min(r.clip for r in self.recordings)

    @property
    def stratum(self) -> tuple[str, str]:
        """Label and machine of the majority, by name on a tie."""
        count = Counter((r.label, r.machine) for r in self.recordings)
        return min(count, key=lambda k: (-count[k], k))


def assign(recordings: Iterable[Recording], known: Splits, *, test_share: float, valid_share: float) -> Splits:
    """Extend ``known`` by the sessions and groups of ``recordings``, whatever order they come in."""
    rows = sorted(recordings, key=lambda r: (r.time, r.clip))
    held_out = _hold_out(rows, known)
    sessions, groups = dict(known.sessions), dict(known.groups)
    free: dict[tuple[str, str], list[_Block]] = defaultdict(list)
    carry: dict[str, float] = defaultdict(float)
    for block in _blocks(rows, known):
        split = _bound(block, known, held_out)
        if split is None:
            free[block.stratum].append(block)
            continue
        if any(held_out[r.machine] for r in block.recordings):
            carry[block.stratum[0]] -= 1 - test_share  # the held-out machine counts towards the test share
        _put(block, split, sessions, groups)
    for block, split in _by_time(free, carry, test_share, valid_share):
        _put(block, split, sessions, groups)
    return Splits(sessions=sessions, groups=groups, held_out=held_out)


def _put(block: _Block, split: Split, sessions: dict[str, Split], groups: dict[str, Split]) -> None:
    sessions.update(dict.fromkeys(sorted(block.sessions), split))
    groups.update(dict.fromkeys(sorted(block.groups), split))


def _hold_out(rows: Sequence[Recording], known: Splits) -> dict[str, bool]:
    """Decide for machines met for the first time; one in five of a kind at a site, the lowest hash first."""
    peers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for r in rows:
        if r.kind:  # machines that nobody described may be of any kind
            peers[r.machine.split("/")[0], r.kind].add(r.machine)
    decided = dict(known.held_out)
    for machines in (peers[k] for k in sorted(peers)):
        new = sorted((m for m in machines if m not in decided), key=lambda m: hashlib.sha256(m.encode()).hexdigest())
        places = max(0, len(machines) // MACHINES_PER_HELD_OUT - sum(decided.get(m, False) for m in machines))
        decided.update({m: i < places for i, m in enumerate(new)})
    return {**{r.machine: False for r in rows}, **decided}


def _blocks(rows: Sequence[Recording], known: Splits) -> list[_Block]:
    """Connected parts of the graph of sessions and groups that are not assigned yet (union-find)."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    nodes = [_free_nodes(r, known) for r in rows]
    for pair in nodes:
        for node in pair:
            parent[root(node)] = root(pair[0])
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, pair in enumerate(nodes):
        if pair:
            members[root(pair[0])].append(i)
    blocks = (_block([rows[i] for i in m], [nodes[i] for i in m]) for m in members.values())
    return sorted(blocks, key=lambda b: b.order)


def _free_nodes(r: Recording, known: Splits) -> list[tuple[str, str]]:
    session = [("session", r.session)] if r.session not in known.sessions else []
    return session + ([("group", r.group)] if r.group not in known.groups else [])


def _block(rows: Sequence[Recording], nodes: Sequence[Sequence[tuple[str, str]]]) -> _Block:
    names = {kind: frozenset(n for pair in nodes for k, n in pair if k == kind) for kind in ("session", "group")}
    return _Block(names["session"], names["group"], tuple(rows))


def _bound(block: _Block, known: Splits, held_out: Mapping[str, bool]) -> Split | None:
    """The split that a block must join: test for a held-out machine, else that of most of its assigned relatives."""
    if any(held_out[r.machine] and r.session in block.sessions for r in block.recordings):
        return "test"
    votes: Counter[Split] = Counter()
    for r in block.recordings:
        votes.update(s for s in (known.sessions.get(r.session), known.groups.get(r.group)) if s is not None)
    favourite: Split = max(SPLITS, key=lambda s: votes[s])
    return favourite if votes else None


def _by_time(
    free: Mapping[tuple[str, str], Sequence[_Block]], carry: dict[str, float], test_share: float, valid_share: float
) -> Iterable[tuple[_Block, Split]]:
    """Earliest blocks train, then valid, the latest test; what rounding takes from one machine goes to the next."""
    carry_valid: dict[str, float] = defaultdict(float)
    for stratum in sorted(free):
        blocks, label = sorted(free[stratum], key=lambda b: b.order), stratum[0]
        n = len(blocks)
        test = _quota(n * test_share + carry[label], low=1 if n > 1 else 0, high=max(1, n - 1))
        carry[label] += n * test_share - test
        valid = _quota(n * valid_share + carry_valid[label], low=0, high=max(0, n - test - 1))
        carry_valid[label] += n * valid_share - valid
        for i, block in enumerate(blocks):
            yield block, "test" if i >= n - test else "valid" if i >= n - test - valid else "train"


def _quota(wanted: float, *, low: int, high: int) -> int:
    return max(low, min(high, int(wanted + 0.5)))
