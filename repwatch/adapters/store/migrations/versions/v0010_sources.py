"""The source that a cluster has settled on, for a change of it that happens while nobody looks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "sources",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
