"""The first catalogue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

UTC = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "answers",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("clip", sa.String(length=80), nullable=True),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("machine", sa.String(length=120), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=120), nullable=False),
        sa.Column("sha", sa.String(length=80), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
    )
    op.create_index("ix_answers_clip", "answers", ["clip"])
    op.create_index("ix_answers_created_at", "answers", ["created_at"])
    op.create_index("ix_answers_version", "answers", ["version"])

    op.create_table(
        "clips",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("parent", sa.String(length=80), nullable=True),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("machine", sa.String(length=120), nullable=False),
        sa.Column("session", sa.String(length=300), nullable=False),
        sa.Column("time", UTC, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("measures", JSON, nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("sensors", JSON, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("speech_s", sa.Float(), nullable=False),
        sa.Column("dup_group", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clips"),
    )
    op.create_index("ix_clips_dup_group", "clips", ["dup_group"])
    op.create_index("ix_clips_parent", "clips", ["parent"])
    op.create_index("ix_clips_place", "clips", ["site", "machine", "time"])
    op.create_index("ix_clips_session", "clips", ["session"])
    op.create_index("ix_clips_state", "clips", ["state"])

    op.create_table(
        "machines",
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("machine", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=True),
        sa.Column("geometry", JSON, nullable=False),
        sa.Column("speech_policy", sa.String(length=20), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_delivery", UTC, nullable=True),
        sa.PrimaryKeyConstraint("site", "machine", name="pk_machines"),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("time", UTC, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("cutoff", UTC, nullable=False),
        sa.Column("meta", JSON, nullable=False),
        sa.Column("git_commit", sa.String(length=80), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("closed_at", UTC, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
    )
    op.create_index("ix_releases_state", "releases", ["state"])

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("bucket", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("stem", sa.String(length=1024), nullable=False),
        sa.Column("site", sa.String(length=120), nullable=False),
        sa.Column("machine", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason_code", sa.String(length=40), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("measures", JSON, nullable=False),
        sa.Column("clip", sa.String(length=80), nullable=True),
        sa.Column("seen_at", UTC, nullable=False),
        sa.Column("decided_at", UTC, nullable=True),
        sa.Column("acknowledged_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["clip"], ["clips.id"], name="fk_deliveries_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("bucket", "key", "version", name="uq_deliveries_bucket_key_version"),
    )
    op.create_index("ix_deliveries_clip", "deliveries", ["clip"])
    op.create_index("ix_deliveries_state", "deliveries", ["state", "kind"])
    op.create_index("ix_deliveries_stem", "deliveries", ["stem"])

    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("answer", sa.String(length=80), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["answer"], ["answers.id"], name="fk_feedback_answer"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_answer", "feedback", ["answer"])

    op.create_table(
        "items",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("clip", sa.String(length=80), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("choices", JSON, nullable=True),
        sa.Column("answer_letter", sa.String(length=2), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("style", sa.String(length=10), nullable=False),
        sa.Column("lang", sa.String(length=10), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("slice", JSON, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("picked_by", sa.String(length=40), nullable=False),
        sa.Column("double", sa.Boolean(), nullable=False),
        sa.Column("replaced_by", sa.String(length=120), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("decided_at", UTC, nullable=True),
        sa.ForeignKeyConstraint(["clip"], ["clips.id"], name="fk_items_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_items"),
    )
    op.create_index("ix_items_clip", "items", ["clip"])
    op.create_index("ix_items_queue", "items", ["state", "priority"])

    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("clip", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=60), nullable=True),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["clip"], ["clips.id"], name="fk_labels_clip"),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint("clip", "version", name="uq_labels_clip_version"),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("clip", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("lang", sa.String(length=20), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("time", sa.String(length=60), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("delivery", sa.Integer(), nullable=True),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["clip"], ["clips.id"], name="fk_notes_clip"),
        sa.ForeignKeyConstraint(["delivery"], ["deliveries.id"], name="fk_notes_delivery"),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.UniqueConstraint("clip", "version", name="uq_notes_clip_version"),
    )
    op.create_table(
        "traces",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("item", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("drafter", sa.String(length=60), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("prompt_sha", sa.String(length=80), nullable=False),
        sa.Column("checks", JSON, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["item"], ["items.id"], name="fk_traces_item"),
        sa.PrimaryKeyConstraint("id", name="pk_traces"),
        sa.UniqueConstraint("item", "version", name="uq_traces_item_version"),
    )
    op.create_table(
        "release_items",
        sa.Column("release", sa.String(length=80), nullable=False),
        sa.Column("item", sa.String(length=120), nullable=False),
        sa.Column("trace", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["item"], ["items.id"], name="fk_release_items_item"),
        sa.ForeignKeyConstraint(["release"], ["releases.id"], name="fk_release_items_release"),
        sa.ForeignKeyConstraint(["trace"], ["traces.id"], name="fk_release_items_trace"),
        sa.PrimaryKeyConstraint("release", "item", name="pk_release_items"),
    )
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("item", sa.String(length=120), nullable=False),
        sa.Column("trace", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seconds_spent", sa.Float(), nullable=False),
        sa.Column("edits", JSON, nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(["item"], ["items.id"], name="fk_reviews_item"),
        sa.ForeignKeyConstraint(["trace"], ["traces.id"], name="fk_reviews_trace"),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_actor", "reviews", ["actor"])
    op.create_index("ix_reviews_item", "reviews", ["item"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("reviews")
    op.drop_table("release_items")
    op.drop_table("traces")
    op.drop_table("notes")
    op.drop_table("labels")

    op.drop_table("items")

    op.drop_table("feedback")

    op.drop_table("deliveries")

    op.drop_table("releases")
    op.drop_table("marks")
    op.drop_table("machines")

    op.drop_table("clips")

    op.drop_table("answers")
