"""Sounds that were asked about go on to the intake, where they are screened for speech and judged as any delivery.

So an answer that somebody calls wrong can be reviewed with its sound. Only sounds of known machines are kept, and never
one that came out of our own buckets.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from otoloop.intake.discover import BUCKET
from otoloop.intake.upload import RECORDED_AT

if TYPE_CHECKING:
    from otoloop.serve.ears import Heard
    from otoloop.store.s3 import ObjectStore


def keep(store: ObjectStore, heard: Heard, site: str, machine: str, answer_id: str, at: datetime) -> str:
    """Deliver a sound; returns its key, which names the answer.

    Raises:
        StoreError: the store failed.
    """
    key = f"{site}/{machine}/{at:%Y-%m-%d}/asked-{at:%H%M%S}-{answer_id}{heard.ending}"
    store.create(BUCKET, key, heard.file, metadata={RECORDED_AT: at.isoformat()}, same_ok=True)
    return key
