"""The demo from beginning to end, in the order in which it is walked."""

from __future__ import annotations

from collections.abc import Sequence

from otoloop.demo import asking, live, loop, site
from otoloop.demo.tour import Step

ONCE: Sequence[Step] = (("Make a workspace, start S3, begin to start Prefect", site.make),)
_DELIVER: Step = ("Deliver: eight machines send recordings, notes, sensors and broken files to S3", site.deliver)
_DELIVER_MORE: Step = ("Deliver: the same machines, most often the drives", site.deliver_more)
_PREFECT: Step = ("Prefect: server, worker and calendar", site.await_prefect)
_INTAKE: Step = ("Intake: pull from S3, decode, measure, check, admit or refuse", loop.intake)
_DRAFT: Step = ("Draft: questions and chains of thought, checked against the sound", loop.draft)
_REVIEW: Step = ("Review: approve or reject", loop.review)
_LEARN: Sequence[Step] = (
    ("Release: freeze what was approved, push, verify, commit, tag", loop.release),
    ("Retrain: validate, encode, train, answer, score, gate", loop.retrain),
)
_APPROVE: Step = ("Approve: a second person signs, the flow promote puts the version live", live.approve)

FIRST: Sequence[Step] = (
    _DELIVER,
    _PREFECT,
    _INTAKE,
    _DRAFT,
    _REVIEW,
    *_LEARN,
    _APPROVE,
    ("Serve: a technician asks the live version and says whether it was right", live.serve),
    ("Ask about sounds that the base was never taught", asking.ask_each_new_kind),
)
"""The first cycle: it ends with a live version."""
SPOILED: Sequence[Step] = (
    _DELIVER_MORE,
    _INTAKE,
    ("Spoil: a careless reviewer names a third of the new recordings wrongly, always the same way", loop.spoil),
    _DRAFT,
    ("Review: the careless reviewer approves whatever passes the checks", loop.review_carelessly),
    *_LEARN,
    ("Live: the version before stays", live.stays),
)
"""A second cycle in which every claim about the signal is true, so no check before the gate can see that names are wrong."""
HONEST: Sequence[Step] = (
    _DELIVER_MORE,
    _INTAKE,
    _DRAFT,
    _REVIEW,
    *_LEARN,
    _APPROVE,
)
"""The control: the same second cycle, named with care."""
