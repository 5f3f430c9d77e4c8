"""What a reader is told when something does not work: what happened, and what to do next."""

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from autograder.messages import translate as _

_OURS: Final = f"{os.sep}autograder{os.sep}"


@dataclass
class WebError(Exception):
    """A page that says what is wrong, in the reader's language, and what to do."""

    status: int
    title: str
    told: str
    todo: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry: Mapping[str, str] | None = None
    """The parameters of a login that begins again in a new window."""
    detail: str = ""
    """What the one who runs the platform or this server has to know, in English."""


def no_session() -> WebError:
    """Nobody is logged in."""
    return WebError(
        HTTPStatus.UNAUTHORIZED,
        _("Open this page from your course"),
        _("You are not logged in here, or you logged in more than eight hours ago."),
        _(
            "Go to your course in the learning platform and open the assignment there. "
            "What you have handed in is kept."
        ),
    )


def not_found() -> WebError:
    """There is no such page, or it is not this reader's."""
    return WebError(
        HTTPStatus.NOT_FOUND,
        _("There is no such page"),
        _("This address leads nowhere, or to something that is not yours."),
        _("Go back, or open the assignment from your course in the learning platform."),
    )


def not_allowed() -> WebError:
    """A page for teachers."""
    return WebError(
        HTTPStatus.FORBIDDEN,
        _("This page is for teachers"),
        _("Your course in the learning platform does not list you as a teacher."),
        _("Go back to your assignment."),
    )


def not_ready() -> WebError:
    """An assignment that is not released."""
    return WebError(
        HTTPStatus.NOT_FOUND,
        _("This assignment is not ready yet"),
        _("Your teacher has not released it."),
        _("Come back later. If it should be there by now, write to your teacher."),
    )


def not_set_up() -> WebError:
    """A link that leads to no assignment yet."""
    return WebError(
        HTTPStatus.NOT_FOUND,
        _("This assignment is not set up yet"),
        _("Your teacher has not yet chosen what this link opens."),
        _("Write to your teacher, and open the link again later."),
    )


def busy() -> WebError:
    """Something that is needed cannot be used for a moment."""
    return WebError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        _("This cannot be opened right now"),
        _("The server is busy. Nothing is lost."),
        _("Try again in a minute."),
        headers={"Retry-After": "60"},
    )


def form_too_old() -> WebError:
    """A form that was not ours, or is of an earlier login."""
    return WebError(
        HTTPStatus.FORBIDDEN,
        _("This form is too old"),
        _("It was opened in an earlier login, so nothing was done."),
        _("Open the assignment from your course again and repeat what you did."),
    )


def bad_form(status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> WebError:
    """What came is not what the form sends."""
    return WebError(
        status,
        _("The form could not be read"),
        _("Something is missing in what your browser sent, or it is not what was asked for."),
        _("Go back, load the page again and repeat it."),
    )


def window_of_others() -> WebError:
    """A link to a new window was not opened from our own page."""
    return WebError(
        HTTPStatus.FORBIDDEN,
        _("This link works on its own page only"),
        _("It was opened from somewhere else, where it could let you in as another person."),
        _("Open the assignment from your course."),
    )


def too_large(most_mib: int) -> WebError:
    """More was uploaded than is taken."""
    return WebError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        _("That is too large"),
        _("At most {size} MiB can be handed in at once. Nothing was handed in.", size=most_mib),
        _(
            "Clear the outputs of your notebook (in Jupyter: “Restart Kernel and Clear Outputs”), "
            "save it and hand it in again."
        ),
    )


def too_large_export(most_mib: int) -> WebError:
    """A teacher's export of an LMS is larger than is taken."""
    return WebError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "That file is too large",
        f"An export of at most {most_mib} MiB can be filled in here.",
        "Export fewer columns, or use `autograder export --as` in the course's folder, which takes "
        "larger ones.",
    )


def too_many(seconds: float) -> WebError:
    """Too many requests in a short time."""
    wait = max(1, round(seconds))
    return WebError(
        HTTPStatus.TOO_MANY_REQUESTS,
        _("Too many requests"),
        _("There were too many requests in a short time, so this one was not taken."),
        _("Wait {seconds} seconds and try again.", seconds=wait),
        headers={"Retry-After": str(wait)},
    )


def too_slow() -> WebError:
    """The rest of an upload did not come."""
    return WebError(
        HTTPStatus.REQUEST_TIMEOUT,
        _("The upload stopped"),
        _("The connection was lost before everything had arrived. Nothing was handed in."),
        _("Check your connection and hand in again."),
    )


def fault(number: str) -> WebError:
    """A fault of this server."""
    return WebError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        _("Something went wrong here"),
        _("It is a fault of this server, not one of yours."),
        _(
            "Try again in a minute. If it happens again, tell your teacher this number: {number}",
            number=number,
        ),
    )


def of_status(status: int, headers: Mapping[str, str] | None = None) -> WebError:
    """What to say of an error that the framework found."""
    if status == HTTPStatus.NOT_FOUND:
        return not_found()
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return WebError(
            status,
            _("That cannot be done here"),
            _("This address does not take what your browser sent."),
            _("Go back and use the buttons of the page."),
            headers=headers or {},
        )
    return bad_form(status)


def trace(error: BaseException) -> str:
    """Where an error happened, without its message, which may have somebody's name in it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS in frame.filename]
    shown = [*ours[-4:], *([frames[-1]] if frames and frames[-1] not in ours else [])]
    places = [f"{frame.filename}:{frame.lineno} ({frame.name})" for frame in reversed(shown)]
    return f"{type(error).__name__} at {', called from '.join(places)}"
