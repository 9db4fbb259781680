"""The catalogue's tables. Facts (clips, notes) and labels are separate records linked by id; new versions are added.

Times are UTC. Identifiers are strings made elsewhere (content hashes, item ids); counters are the database's own.
Rows carry no relationships: who needs two tables joins them in a query, so that a row stays usable after its session.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
Json = JSON().with_variant(JSONB(), "postgresql")


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class Utc(TypeDecorator[datetime]):
    """A moment in UTC: refuses naive times on the way in, and gives aware ones back on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite stores the wall time of it."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive time {value!r}: give it a time zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the time zone back that SQLite dropped."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Parent of all tables; constraint names are fixed so that migrations can refer to them."""

    metadata = MetaData(naming_convention=NAMES)


class MachineRow(Base):
    """Where a microphone stands and what it listens to; geometry as in machines.yaml."""

    __tablename__ = "machines"
    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    machine: Mapped[str] = mapped_column(String(120), primary_key=True)
    kind: Mapped[str | None] = mapped_column(String(60))
    geometry: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    speech_policy: Mapped[str | None] = mapped_column(String(20))
    active: Mapped[bool] = mapped_column(default=True)
    last_delivery: Mapped[datetime | None] = mapped_column(Utc)


class DeliveryRow(Base):
    """One object that arrived. Many deliveries may carry one clip; a delivery is handled exactly once."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("bucket", "key", "version"), Index("ix_deliveries_state", "state", "kind"))
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    bucket: Mapped[str] = mapped_column(String(120))
    key: Mapped[str] = mapped_column(String(1024))
    version: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(10))
    stem: Mapped[str] = mapped_column(String(1024), index=True)
    site: Mapped[str] = mapped_column(String(120))
    machine: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(20), default="claimed")
    reason_code: Mapped[str | None] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(Text, default="")
    remedy: Mapped[str] = mapped_column(Text, default="")
    measures: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    clip: Mapped[str | None] = mapped_column(String(80), ForeignKey("clips.id"), index=True)
    seen_at: Mapped[datetime] = mapped_column(Utc, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(Utc)
    acknowledged_at: Mapped[datetime | None] = mapped_column(Utc)


class ClipRow(Base):
    """One piece of audio and the facts measured from it; ``id`` is its content hash.

    ``parent`` is the content hash of the raw recording when its speech was scrambled or cut; the raw audio is not kept.
    """

    __tablename__ = "clips"
    __table_args__ = (Index("ix_clips_place", "site", "machine", "time"),)
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    parent: Mapped[str | None] = mapped_column(String(80), index=True)
    site: Mapped[str] = mapped_column(String(120))
    machine: Mapped[str] = mapped_column(String(120))
    session: Mapped[str] = mapped_column(String(300), index=True)
    time: Mapped[datetime] = mapped_column(Utc)
    seconds: Mapped[float] = mapped_column(Float)
    rate: Mapped[int] = mapped_column(Integer)
    channels: Mapped[int] = mapped_column(Integer)
    measures: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    evidence: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    sensors: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    fingerprint: Mapped[str | None] = mapped_column(Text)
    speech_s: Mapped[float] = mapped_column(Float, default=0.0)
    group: Mapped[str] = mapped_column("dup_group", String(80), index=True)
    state: Mapped[str] = mapped_column(String(20), default="admitted", index=True)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class NoteRow(Base):
    """One version of what a person on site wrote: facts as written, in their words."""

    __tablename__ = "notes"
    __table_args__ = (UniqueConstraint("clip", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    clip: Mapped[str] = mapped_column(String(80), ForeignKey("clips.id"))
    version: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    lang: Mapped[str] = mapped_column(String(20), default="en")
    author: Mapped[str] = mapped_column(String(200), default="")
    time: Mapped[str] = mapped_column(String(60), default="")
    fields: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    delivery: Mapped[int | None] = mapped_column(Integer, ForeignKey("deliveries.id"))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class LabelRow(Base):
    """One version of the fault label of a clip, and where it came from (note field, note text, reviewer, import)."""

    __tablename__ = "labels"
    __table_args__ = (UniqueConstraint("clip", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    clip: Mapped[str] = mapped_column(String(80), ForeignKey("clips.id"))
    version: Mapped[int] = mapped_column(Integer)
    fault: Mapped[str | None] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(30))
    actor: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class ItemRow(Base):
    """A question about a clip with its gold answer, and where it stands in review."""

    __tablename__ = "items"
    __table_args__ = (Index("ix_items_queue", "state", "priority"),)
    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    clip: Mapped[str] = mapped_column(String(80), ForeignKey("clips.id"), index=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    choices: Mapped[list[str] | None] = mapped_column(Json)
    answer_letter: Mapped[str | None] = mapped_column(String(2))
    kind: Mapped[str] = mapped_column(String(20))
    style: Mapped[str] = mapped_column(String(10))
    lang: Mapped[str] = mapped_column(String(10))
    evidence: Mapped[str | None] = mapped_column(Text)
    slice: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(String(20), default="drafted")
    priority: Mapped[float] = mapped_column(Float, default=0.0)
    picked_by: Mapped[str] = mapped_column(String(40), default="")
    double: Mapped[bool] = mapped_column(default=False)
    replaced_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    decided_at: Mapped[datetime | None] = mapped_column(Utc)


class TraceRow(Base):
    """One version of an item's chain of thought, who drafted it, and how every claim fared against the sound."""

    __tablename__ = "traces"
    __table_args__ = (UniqueConstraint("item", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    item: Mapped[str] = mapped_column(String(120), ForeignKey("items.id"))
    version: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    drafter: Mapped[str] = mapped_column(String(60))
    model: Mapped[str] = mapped_column(String(200), default="")
    prompt_sha: Mapped[str] = mapped_column(String(80), default="")
    checks: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    ok: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class ReviewRow(Base):
    """One decision of one person: what, when, how long, and on which version of the trace."""

    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    item: Mapped[str] = mapped_column(String(120), ForeignKey("items.id"), index=True)
    trace: Mapped[int | None] = mapped_column(Integer, ForeignKey("traces.id"))
    actor: Mapped[str] = mapped_column(String(200), index=True)
    decision: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    seconds_spent: Mapped[float] = mapped_column(Float)
    edits: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    final: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class ReleaseRow(Base):
    """An intent to freeze a set of items: ``open`` until its files are pushed and committed, then ``closed``."""

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    state: Mapped[str] = mapped_column(String(10), default="open", index=True)
    cutoff: Mapped[datetime] = mapped_column(Utc)
    meta: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    commit: Mapped[str | None] = mapped_column("git_commit", String(80))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    closed_at: Mapped[datetime | None] = mapped_column(Utc)


class ReleaseItemRow(Base):
    """One item of a release with the very version of its trace and its split."""

    __tablename__ = "release_items"
    release: Mapped[str] = mapped_column(String(80), ForeignKey("releases.id"), primary_key=True)
    item: Mapped[str] = mapped_column(String(120), ForeignKey("items.id"), primary_key=True)
    trace: Mapped[int] = mapped_column(Integer, ForeignKey("traces.id"))
    split: Mapped[str | None] = mapped_column(String(20))


class AnswerRow(Base):
    """What the model said to somebody, and which version said it.

    ``clip`` is the content id of the sound as it was sent: that of a clip, or of a clip's parent if speech was hidden in
    it, once the intake has it. ``details``: kind, lang, style, seconds, valid (a trace), declined, claim_counts by status.
    """

    __tablename__ = "answers"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    clip: Mapped[str | None] = mapped_column(String(80), index=True)
    site: Mapped[str] = mapped_column(String(120), default="")
    machine: Mapped[str] = mapped_column(String(120), default="")
    channel: Mapped[str] = mapped_column(String(20), default="")
    version: Mapped[str] = mapped_column(String(120), index=True)
    sha: Mapped[str] = mapped_column(String(80), default="")
    question: Mapped[str] = mapped_column(Text)
    output: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float | None] = mapped_column(Float)
    latency_ms: Mapped[float | None] = mapped_column(Float)
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(Utc, default=now, index=True)


class FeedbackRow(Base):
    """What somebody said of an answer; ``label`` is the fault that they say it is."""

    __tablename__ = "feedback"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    answer: Mapped[str] = mapped_column(String(80), ForeignKey("answers.id"), index=True)
    actor: Mapped[str] = mapped_column(String(200), default="")
    verdict: Mapped[str] = mapped_column(String(20))
    label: Mapped[str | None] = mapped_column(String(60))
    comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class WatchedRow(Base):
    """One answer that was looked at for the review queue, once.

    ``random`` was drawn when it was first seen and never changes, so that the drawn answers stay a fair sample.
    ``complaint``: somebody called it wrong. ``handled``: its sound is a clip and ``fault`` was proposed for it (None:
    nothing names one).
    """

    __tablename__ = "watched"
    __table_args__ = (Index("ix_watched_random_complaint", "random", "complaint"),)
    answer: Mapped[str] = mapped_column(String(80), ForeignKey("answers.id"), primary_key=True)
    random: Mapped[bool] = mapped_column(default=False)
    complaint: Mapped[bool] = mapped_column(default=False)
    handled: Mapped[bool] = mapped_column(default=False)
    fault: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)


class MarkRow(Base):
    """When a recurring duty was last done (for example the daily reconcile)."""

    __tablename__ = "marks"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    time: Mapped[datetime] = mapped_column(Utc)


class AccountRow(Base):
    """A person who may log in to the pages. ``password`` is an argon2 hash, or None until they chose one."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    roles: Mapped[list[str]] = mapped_column(Json, default=list)
    password: Mapped[str | None] = mapped_column(Text)
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    last_login: Mapped[datetime | None] = mapped_column(Utc)


class LogInRow(Base):
    """One browser that is logged in; ``token`` is the sha256 of what its cookie holds."""

    __tablename__ = "logins"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(60), ForeignKey("accounts.name"), index=True)
    created_at: Mapped[datetime] = mapped_column(Utc, default=now)
    seen_at: Mapped[datetime] = mapped_column(Utc, default=now)


class LinkRow(Base):
    """A link that works once: to choose a password, or (without an account) to make the first admin."""

    __tablename__ = "links"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str | None] = mapped_column(String(60), ForeignKey("accounts.name"), index=True)
    expires_at: Mapped[datetime] = mapped_column(Utc)
    used_at: Mapped[datetime | None] = mapped_column(Utc)


class LogInFailureRow(Base):
    """One wrong password; a few of them make the next tries wait."""

    __tablename__ = "login_failures"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(60), index=True)
    address: Mapped[str] = mapped_column(String(80), index=True)
    time: Mapped[datetime] = mapped_column(Utc, default=now, index=True)
