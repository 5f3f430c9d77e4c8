"""The tables that are ours; the gradebook stays nbgrader's. Times are UTC seconds since 1970."""

from typing import Final, Literal

from sqlalchemy import BigInteger, Float, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DeliveryState = Literal["due", "delivered", "stopped"]
"""``due``: to be sent or sent again; ``stopped``: a teacher must look."""
LONGEST_ERROR: Final = 500


class Base(DeclarativeBase):
    """All tables of this room."""


class Delivery(Base):
    """The latest released score of one user on one line item, and whether the platform has it.

    There is one row, so an older score can never be sent after a newer one.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("registration", "deployment", "line_item", "user"),
        Index("delivery_due", "state", "next_try"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    registration: Mapped[int]
    deployment: Mapped[str] = mapped_column(String(255))
    line_item: Mapped[str] = mapped_column(String(2048))
    """The line item's URL."""
    user: Mapped[str] = mapped_column(String(255))
    """The platform's id (``sub``) of the student."""
    given: Mapped[float] = mapped_column(Float)
    maximum: Mapped[float] = mapped_column(Float)
    comment: Mapped[str] = mapped_column(Text, default="")
    """Plain text: platforms show HTML raw."""
    release: Mapped[int] = mapped_column(default=1)
    """How often a score was released; one that was released meanwhile is not yet delivered."""
    state: Mapped[DeliveryState] = mapped_column(String(16), default="due")
    sent_at: Mapped[int] = mapped_column(BigInteger, default=0)
    """The last timestamp that was sent, in milliseconds: no two are within one second."""
    uncertain: Mapped[bool] = mapped_column(default=False)
    """Whether the platform may have stored a score whose answer did not come."""
    tries: Mapped[int] = mapped_column(default=0)
    """Tries that failed since the release."""
    next_try: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str] = mapped_column(String(LONGEST_ERROR), default="")
    """What the platform said last, for the teacher."""
