"""The demo from beginning to end, in the order in which it is walked."""

from __future__ import annotations

from otoloop.demo import asking, loop, site
from otoloop.demo.tour import Step

ONCE: tuple[Step, ...] = (("Make a workspace, start S3, begin to start Prefect", site.make),)
EACH_CYCLE: tuple[Step, ...] = (
    ("Deliver: eight machines send recordings, notes, sensors and broken files to S3", site.deliver),
    ("Prefect: server, worker and calendar", site.await_prefect),
    ("Intake: pull from S3, decode, measure, check, admit or refuse", loop.intake),
    ("Draft: questions and chains of thought, checked against the sound", loop.draft),
    ("Review: approve or reject", loop.review),
    ("Release: freeze what was approved, push, verify, commit, tag", loop.release),
    ("Retrain: validate, encode, train, answer, score, gate", loop.retrain),
)
LAST: tuple[Step, ...] = (("Ask about sounds that the base was never taught", asking.ask_each_new_kind),)
