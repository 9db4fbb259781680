"""Which answers were looked at for the queue, why they were picked, and what fault they propose."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "watched",
        sa.Column("answer", sa.String(length=80), nullable=False),
        sa.Column("random", sa.Boolean(), nullable=False),
        sa.Column("complaint", sa.Boolean(), nullable=False),
        sa.Column("handled", sa.Boolean(), nullable=False),
        sa.Column("fault", sa.String(length=60), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer"], ["answers.id"], name="fk_watched_answer"),
        sa.PrimaryKeyConstraint("answer", name="pk_watched"),
    )
    op.create_index("ix_watched_random_complaint", "watched", ["random", "complaint"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_watched_random_complaint", "watched")
    op.drop_table("watched")
