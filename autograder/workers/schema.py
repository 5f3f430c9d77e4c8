"""The tables of the queue. Times are UTC seconds since 1970; bytes are zip archives.

Procrastinate's jobs only say that a student has something to grade. What that is, and in which
order, is here: so a job that comes twice, late or never changes nothing.
"""

from typing import Any, Final, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

State = Literal["waiting", "grading", "graded", "set aside"]
"""``set aside``: it was tried often enough; ``error`` says what came of it."""
HASH_LENGTH: Final = 64
"""Of a SHA-256, in hexadecimal digits."""
NAME_LENGTH: Final = 255


class Base(DeclarativeBase):
    """All tables of this room."""


class Bundle(Base):
    """A version of a course, with all that grading needs of it."""

    __tablename__ = "queue_bundle"

    hash: Mapped[str] = mapped_column(String(HASH_LENGTH), primary_key=True)
    """The SHA-256 of its content."""
    course: Mapped[str] = mapped_column(String(NAME_LENGTH))
    needs: Mapped[dict[str, str]] = mapped_column(JSON)
    """What a worker must have, by name: the engine, Python and packages, each with its version."""
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created: Mapped[float] = mapped_column(Float)
    """When it was sent last."""


class Submission(Base):
    """A submission that is to be graded by a version of a course, once."""

    __tablename__ = "queue_submission"
    __table_args__ = (
        UniqueConstraint("course", "assignment", "student", "inputs", "time"),
        Index("ix_queue_submission_student", "course", "student", "state", "id"),
        Index("ix_queue_submission_waiting", "state", "urgency", "turn"),
        Index("ix_queue_submission_bundle", "bundle", "state"),
        Index("ix_queue_submission_collected", "course", "collected", "state"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    course: Mapped[str] = mapped_column(String(NAME_LENGTH))
    bundle: Mapped[str] = mapped_column(ForeignKey("queue_bundle.hash"))
    assignment: Mapped[str] = mapped_column(String(NAME_LENGTH))
    student: Mapped[str] = mapped_column(String(NAME_LENGTH))
    inputs: Mapped[str] = mapped_column(String(HASH_LENGTH))
    """A digest of all that its grading depends on: what was handed in, graders, settings."""
    stamp: Mapped[str] = mapped_column(String(HASH_LENGTH))
    """A digest of what was handed in."""
    time: Mapped[int]
    """The how-manieth time the same is graded, from 1 on: more than 1 where somebody asked."""
    urgency: Mapped[int]
    turn: Mapped[int]
    """Among those of the same urgency: submissions of all courses take turns."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """What goes with an attempt from an LMS, such as its extension; empty for a folder."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """What was handed in; None once the result is collected."""
    queued: Mapped[float] = mapped_column(Float)
    state: Mapped[State] = mapped_column(String(16), default="waiting")
    job: Mapped[int | None] = mapped_column(BigInteger)
    """Procrastinate's job under which it was last begun."""
    lease: Mapped[int] = mapped_column(default=0)
    """Counts how often it was begun: who began it earlier may store nothing any more."""
    interruptions: Mapped[int] = mapped_column(default=0)
    """How often it was begun and did not end."""
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    worker: Mapped[str] = mapped_column(String(NAME_LENGTH), default="")
    """Who began it last."""
    began: Mapped[float | None] = mapped_column(Float)
    collected: Mapped[bool] = mapped_column(default=False)
    """Whether the course's own folders have what came of it."""


class Result(Base):
    """What came of a submission: one row at most for each."""

    __tablename__ = "queue_result"

    submission_id: Mapped[int] = mapped_column(
        ForeignKey("queue_submission.id", ondelete="CASCADE"), primary_key=True
    )
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """The autograded folder and the record; None once they are collected."""
    graded: Mapped[float] = mapped_column(Float)
    seconds: Mapped[float] = mapped_column(Float)
    """How long the grading took."""
    worker: Mapped[str] = mapped_column(String(NAME_LENGTH))


class Worker(Base):
    """A worker as it says what it is; whether it lives is in procrastinate's own table."""

    __tablename__ = "queue_worker"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Procrastinate's."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    at_once: Mapped[int]
    """How many submissions it grades at once."""
    refuses: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    """By a bundle's hash, why it does not grade that one."""


class QueueSchema(Base):
    """Which of procrastinate's migrations its tables have, one row."""

    __tablename__ = "queue_procrastinate"

    newest: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    """The name of the newest one."""
