"""In which message a notice is told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. What waits may have been sent already, and stays a message of its own."""
    op.add_column("outbox", sa.Column("message", sa.Text))
    op.execute("UPDATE outbox SET message = notice_id WHERE state = 'waiting'")
