"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "queue_bundle",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("course", sa.String(length=255), nullable=False),
        sa.Column("needs", sa.JSON(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "queue_submission",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("course", sa.String(length=255), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("assignment", sa.String(length=255), nullable=False),
        sa.Column("student", sa.String(length=255), nullable=False),
        sa.Column("inputs", sa.String(length=64), nullable=False),
        sa.Column("stamp", sa.String(length=64), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("queued", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("job", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.Column("began", sa.Float(), nullable=True),
        sa.Column("collected", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["bundle"], ["queue_bundle.hash"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("course", "assignment", "student", "inputs", "time"),
    )
    op.create_index(
        "ix_queue_submission_student", "queue_submission", ["course", "student", "state", "id"]
    )
    op.create_index("ix_queue_submission_waiting", "queue_submission", ["state", "urgency", "turn"])
    op.create_index("ix_queue_submission_bundle", "queue_submission", ["bundle", "state"])
    op.create_index(
        "ix_queue_submission_collected", "queue_submission", ["course", "collected", "state"]
    )
    op.create_table(
        "queue_result",
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("graded", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("worker", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["queue_submission.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("submission_id"),
    )
    op.create_table(
        "queue_worker",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("refuses", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "queue_procrastinate",
        sa.Column("newest", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("newest"),
    )
