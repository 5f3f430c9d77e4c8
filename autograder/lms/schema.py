"""The tables that are ours; the gradebook stays nbgrader's. Times are UTC seconds since 1970.

An LMS is a *platform* with *registrations* (a client of an issuer) and *deployments* below them
(IMS: LTI Core 1.3). Students are named by nbgrader's id wherever their work is meant.
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
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column

Role = Literal["teacher", "student"]
SubmissionState = Literal["received", "grading", "graded", "failed"]
"""``failed``: grading itself failed, which a teacher must look at; nothing of it was stored."""
DeliveryState = Literal["due", "delivered", "stopped"]
"""``due``: to be sent or sent again; ``stopped``: a teacher must look."""
LONGEST_ERROR: Final = 500
ID_LENGTH: Final = 255
"""The longest id of LTI's: ``sub``, deployments, contexts and resource links."""
URL_LENGTH: Final = 2048


class Base(DeclarativeBase):
    """All tables of this room."""


class Registration(Base):
    """What this tool is at a platform: one client of one issuer."""

    __tablename__ = "registration"
    __table_args__ = (UniqueConstraint("issuer", "client_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(String(ID_LENGTH))
    client_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    name: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    """How a teacher calls it."""
    product: Mapped[str] = mapped_column(String(64), default="")
    """The platform's ``product_family_code``, such as ``moodle`` or ``canvas``."""
    auth_login_url: Mapped[str] = mapped_column(String(URL_LENGTH))
    auth_token_url: Mapped[str] = mapped_column(String(URL_LENGTH))
    key_set_url: Mapped[str] = mapped_column(String(URL_LENGTH))
    auth_audience: Mapped[str] = mapped_column(String(URL_LENGTH), default="")
    """What a request of a token names as its audience, where that is not the token URL."""
    origins: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Origins of the platform's pages, which may show ours in a frame."""
    created: Mapped[float] = mapped_column(Float)


class Invitation(Base):
    """A platform that is registered by itself (dynamic registration) brings the token of one."""

    __tablename__ = "invitation"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token, in hexadecimal."""
    name: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    expires: Mapped[float] = mapped_column(Float)
    used: Mapped[float | None] = mapped_column(Float, default=None)


class Deployment(Base):
    """An installation of a registration's tool in the platform."""

    __tablename__ = "deployment"
    __table_args__ = (UniqueConstraint("registration_id", "deployment"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id", ondelete="CASCADE"))
    deployment: Mapped[str] = mapped_column(String(ID_LENGTH))


class Login(Base):
    """A login that a platform began; its state and nonce are good for one launch."""

    __tablename__ = "login"

    state: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64), unique=True)
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What the platform began it with, to begin again in a new window."""
    expires: Mapped[float] = mapped_column(Float, index=True)
    used: Mapped[float | None] = mapped_column(Float, default=None)


class Context(Base):
    """A course of the platform's."""

    __tablename__ = "context"
    __table_args__ = (UniqueConstraint("registration_id", "deployment", "context"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    registration_id: Mapped[int] = mapped_column(ForeignKey("registration.id", ondelete="CASCADE"))
    deployment: Mapped[str] = mapped_column(String(ID_LENGTH))
    context: Mapped[str] = mapped_column(String(ID_LENGTH))
    title: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    memberships_url: Mapped[str] = mapped_column(String(URL_LENGTH), default="")
    """Where the roster is read (NRPS); empty where the platform offers none."""
    line_items_url: Mapped[str] = mapped_column(String(URL_LENGTH), default="")
    scopes: Mapped[list[str]] = mapped_column(JSON, default=list)
    """What the platform lets us do with line items and scores (AGS)."""
    synced: Mapped[float | None] = mapped_column(Float, default=None)
    """When the roster was read last."""


class Link(Base):
    """A resource link: a place in a platform's course that opens an assignment."""

    __tablename__ = "link"
    __table_args__ = (UniqueConstraint("context_id", "resource_link"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    context_id: Mapped[int] = mapped_column(ForeignKey("context.id", ondelete="CASCADE"))
    resource_link: Mapped[str] = mapped_column(String(ID_LENGTH))
    title: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    assignment: Mapped[str] = mapped_column(String(ID_LENGTH), default="", index=True)
    """nbgrader's name; empty until a teacher chooses one."""
    line_item: Mapped[str] = mapped_column(String(URL_LENGTH), default="")
    """The URL of its line item; empty where it has none (yet)."""
    line_items_url: Mapped[str] = mapped_column(String(URL_LENGTH), default="")
    """Where its line item is made: in Open edX each link has a container of its own."""
    maximum: Mapped[float | None] = mapped_column(Float, default=None)
    """The points of a line item that we have made."""


class Identity(Base):
    """Who a user of a platform is for nbgrader."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("issuer", "deployment", "sub"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(String(ID_LENGTH))
    deployment: Mapped[str] = mapped_column(String(ID_LENGTH))
    sub: Mapped[str] = mapped_column(String(ID_LENGTH))
    student: Mapped[str] = mapped_column(String(ID_LENGTH), unique=True)
    """nbgrader's student_id; teachers have one as well, which no submission needs to use."""
    name: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    given_name: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    family_name: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    email: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    person: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    """``lis_person_sourcedid``: the id of the university's own system, where it is sent."""
    login: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    """The user name in the platform, where it is sent."""
    seen: Mapped[float | None] = mapped_column(Float, default=None)
    """The last launch."""


class Enrolment(Base):
    """A user in a platform's course."""

    __tablename__ = "enrolment"
    __table_args__ = (UniqueConstraint("context_id", "identity_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    context_id: Mapped[int] = mapped_column(ForeignKey("context.id", ondelete="CASCADE"))
    identity_id: Mapped[int] = mapped_column(
        ForeignKey("identity.id", ondelete="CASCADE"), index=True
    )
    role: Mapped[Role] = mapped_column(String(16))
    active: Mapped[bool] = mapped_column(default=True)
    """Whether the roster still has the user."""


class WebSession(Base):
    """A user whom a launch has let in; the browser holds the token whose hash is here."""

    __tablename__ = "web_session"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identity.id", ondelete="CASCADE"))
    context_id: Mapped[int] = mapped_column(ForeignKey("context.id", ondelete="CASCADE"))
    link_id: Mapped[int | None] = mapped_column(ForeignKey("link.id", ondelete="CASCADE"))
    role: Mapped[Role] = mapped_column(String(16))
    csrf: Mapped[str] = mapped_column(String(64))
    expires: Mapped[float] = mapped_column(Float, index=True)
    deep_link: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    """The settings of a deep linking request that is to be answered."""


class Submission(Base):
    """One attempt of a student; stored before its receipt is given."""

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("assignment", "student", "number"),
        Index("submission_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(String(ID_LENGTH))
    student: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    number: Mapped[int]
    """From 1, in the order of their coming."""
    received: Mapped[float] = mapped_column(Float)
    state: Mapped[SubmissionState] = mapped_column(String(16), default="received")
    tries: Mapped[int] = mapped_column(default=0)
    """How often grading began since it was last asked for."""
    counts: Mapped[bool] = mapped_column(default=False)
    """Whether it is the attempt that counts."""
    in_gradebook: Mapped[bool] = mapped_column(default=False)
    """Whether nbgrader's folders and gradebook hold this attempt."""
    feedback_due: Mapped[bool] = mapped_column(default=False)
    """Whether its feedback is to be written again, as when a person has graded."""
    by_hand: Mapped[str] = mapped_column(String(64), default="")
    """A digest of what persons gave, which its feedback shows; empty where they gave nothing."""
    score: Mapped[float | None] = mapped_column(Float, default=None)
    """Automatic and manual points less nbgrader's penalty for being late, when last graded."""
    maximum: Mapped[float | None] = mapped_column(Float, default=None)
    penalty: Mapped[float] = mapped_column(Float, default=0.0)
    """Points that nbgrader took for being late."""
    late_seconds: Mapped[float | None] = mapped_column(Float, default=None)
    """How late it was, by the deadline with which it was graded last."""
    needs_person: Mapped[bool] = mapped_column(default=False)
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why it could not be graded, for the student."""
    faults: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Graders that failed, for the teacher."""
    error: Mapped[str] = mapped_column(Text, default="")
    """Why grading failed although the submission may be fine, for the teacher."""
    graded: Mapped[float | None] = mapped_column(Float, default=None)


class SubmittedFile(Base):
    """A notebook of a submission, byte for byte as it came."""

    __tablename__ = "submitted_file"
    __table_args__ = (UniqueConstraint("submission_id", "notebook"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id", ondelete="CASCADE"))
    notebook: Mapped[str] = mapped_column(String(ID_LENGTH))
    """The assignment's notebook that it is, without suffix."""
    name: Mapped[str] = mapped_column(String(ID_LENGTH))
    """What the student called it."""
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    content: Mapped[bytes] = deferred(mapped_column(LargeBinary))
    """Compressed by zlib."""


class FeedbackPage(Base):
    """The feedback on a notebook of a submission."""

    __tablename__ = "feedback_page"
    __table_args__ = (UniqueConstraint("submission_id", "notebook"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id", ondelete="CASCADE"))
    notebook: Mapped[str] = mapped_column(String(ID_LENGTH))
    html: Mapped[bytes] = deferred(mapped_column(LargeBinary))
    """Compressed by zlib."""


class Extension(Base):
    """More time for one student."""

    __tablename__ = "extension"
    __table_args__ = (UniqueConstraint("assignment", "student"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(String(ID_LENGTH))
    student: Mapped[str] = mapped_column(String(ID_LENGTH))
    seconds: Mapped[float] = mapped_column(Float)
    """After the assignment's deadline."""


class Released(Base):
    """The grade of a student that is shown to the student and sent to the LMS."""

    __tablename__ = "released"
    __table_args__ = (UniqueConstraint("assignment", "student"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment: Mapped[str] = mapped_column(String(ID_LENGTH))
    student: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    score: Mapped[float] = mapped_column(Float)
    maximum: Mapped[float] = mapped_column(Float)
    submission_id: Mapped[int | None] = mapped_column(
        ForeignKey("submission.id", ondelete="SET NULL")
    )
    """The attempt that it is for; None for work that came to nbgrader by another way."""
    released: Mapped[float] = mapped_column(Float)


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
    deployment: Mapped[str] = mapped_column(String(ID_LENGTH))
    line_item: Mapped[str] = mapped_column(String(URL_LENGTH))
    """The line item's URL."""
    user: Mapped[str] = mapped_column(String(ID_LENGTH))
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


class Audit(Base):
    """Who did what to whose grade; rows are added and never changed."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(Float)
    actor: Mapped[str] = mapped_column(String(ID_LENGTH))
    """The student_id of the identity, or ``grader`` or ``command``."""
    action: Mapped[str] = mapped_column(String(32))
    assignment: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    student: Mapped[str] = mapped_column(String(ID_LENGTH), default="", index=True)
    before: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
    after: Mapped[str] = mapped_column(String(ID_LENGTH), default="")
