"""What an answer was about, and the fault that somebody named in its place."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("answers", sa.Column("details", JSON, nullable=False, server_default="{}"))
    op.add_column("feedback", sa.Column("label", sa.String(length=60), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("feedback", "label")
    op.drop_column("answers", "details")
