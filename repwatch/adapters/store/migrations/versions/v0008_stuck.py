"""Since when a notice is offered again and again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. Of what waits nothing is known: it counts from the next attempt that fails."""
    op.add_column("outbox", sa.Column("retried_since", sa.Text))
