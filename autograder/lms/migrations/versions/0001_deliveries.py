"""Deliveries of scores."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("registration", sa.Integer(), nullable=False),
        sa.Column("deployment", sa.String(255), nullable=False),
        sa.Column("line_item", sa.String(2048), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("given", sa.Float(), nullable=False),
        sa.Column("maximum", sa.Float(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.Float(), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("registration", "deployment", "line_item", "user"),
    )
    op.create_index("delivery_due", "delivery", ["state", "next_try"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("delivery")
