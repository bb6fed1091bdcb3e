"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them. Written out, so that later changes of the models do not change the past."""
    _incidents()
    _outbox()
    op.create_table(
        "standing",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "views",
        sa.Column("cluster", sa.Text, primary_key=True),
        sa.Column("as_of", sa.Text, nullable=False),
        sa.Column("poll_seconds", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "drift_runs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("finished", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("since", sa.Text, nullable=False),
        sa.Column("resolved", sa.Text),
        sa.Column("acknowledged", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    unresolved = sa.text("resolved IS NULL")
    op.create_index("one_open_incident", "incidents", ["key"], unique=True, sqlite_where=unresolved, postgresql_where=unresolved)
    op.create_index("incidents_of_cluster", "incidents", ["cluster", "resolved"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("notice_id", sa.Text, nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt", sa.Text, nullable=False),
        sa.Column("delivered_at", sa.Text),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.UniqueConstraint("notice_id", "receiver", name="one_row_for_each_receiver"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_of_receiver", "outbox", ["receiver", "state", "seq"])
    op.create_index("outbox_of_incident", "outbox", ["incident_id", "receiver"])
    op.create_table(
        "threads",
        sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("receiver", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
