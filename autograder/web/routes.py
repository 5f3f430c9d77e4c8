"""What routes have in common: how they are described, and how forms are read."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from autograder.web.access import AnyVisitor
from autograder.web.security import require_own_form
from autograder.web.state import state_of

_HTML: Final[dict[str, Any]] = {"text/html": {"schema": {"type": "string"}}}
_ANY_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_MOST_FIELDS: Final = 1200
_MOST_FILES: Final = 50
_LARGEST_ID: Final = 2**31 - 1

AssignmentName = Annotated[str, Path(description="nbgrader's name of the assignment")]
RowId = Annotated[int, Path(ge=1, le=_LARGEST_ID)]

Answers = dict[int | str, dict[str, Any]]
_ERROR: Final[dict[str, Any]] = {
    "description": "A page that says what is wrong and what to do.",
    "content": _HTML,
}
_PAGE: Final[dict[str, Any]] = {"description": "A page.", "content": _HTML}
_REDIRECT: Final[dict[str, Any]] = {"description": "It was done; here is the page.", "content": {}}


def pages(*others: int) -> Answers:
    """The answers of an address with pages, for OpenAPI."""
    return {status: _ERROR for status in (401, 403, 404, *others)} | {"default": _ERROR}


def forms(*others: int, asks: bool = False) -> Answers:
    """The answers of an address that takes a form and leads to a page, for OpenAPI.

    Args:
        others: other statuses of errors.
        asks: whether it may ask for a confirmation first.
    """
    asked: Answers = {200: _PAGE} if asks else {}
    return asked | {303: _REDIRECT} | pages(422, *others)


def file_of(*types: str) -> Answers:
    """The answers of an address that gives a file, for OpenAPI."""
    file = {"description": "The file.", "content": {one: _ANY_FILE for one in types}}
    return pages() | {200: file}


def fields(*, files: str = "", with_token: bool = True, **kinds: Any) -> dict[str, Any]:
    """The description of a form's fields, for OpenAPI.

    Args:
        files: the field with files; empty if there is none.
        with_token: whether it is a form of ours, which has a token.
        kinds: the JSON schema of each other field, or None for a text.
    """
    properties = {name: kind or {"type": "string"} for name, kind in kinds.items()}
    if with_token:
        properties = {"csrf": {"type": "string"}} | properties
    media = "application/x-www-form-urlencoded"
    if files:
        media = "multipart/form-data"
        items = {"type": "string", "format": "binary"}
        properties[files] = {"type": "array", "items": items}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if with_token:
        schema["required"] = ["csrf"]
    return {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}


MANY: Final = {"type": "array", "items": {"type": "string"}}


async def posted(request: Request, visitor: AnyVisitor) -> AsyncIterator[FormData]:
    """The form that a user's own browser sends from one of our pages.

    Raises:
        WebError: it is none.
    """
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
        require_own_form(state_of(request), request, form.get("csrf"))
        yield form


Posted = Annotated[FormData, Depends(posted)]


def value(form: FormData, name: str) -> str:
    """A text field; empty if it is not there."""
    found = form.get(name)
    return found.strip() if isinstance(found, str) else ""


def values(form: FormData, name: str) -> list[str]:
    """All values of a text field."""
    return [one for one in form.getlist(name) if isinstance(one, str)]


def see(path: str) -> RedirectResponse:
    """Lead to a page after a form was taken."""
    return RedirectResponse(path, 303)
