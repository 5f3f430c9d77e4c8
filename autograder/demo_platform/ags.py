"""Assignment and Grade Services 2.0: line items, scores and results."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autograder.demo_platform.dialect import RefusalError
from autograder.demo_platform.gradebook import LineItem, Score
from autograder.demo_platform.names import (
    LINE_ITEM_READING_SCOPE,
    LINE_ITEM_SCOPE,
    LINE_ITEM_TYPE,
    LINE_ITEMS_TYPE,
    RESULT_SCOPE,
    RESULTS_TYPE,
    SCORE_SCOPE,
    SCORE_TYPE,
)
from autograder.demo_platform.state import Platform
from autograder.demo_platform.tokens import allowed

_ACTIVITIES: Final = ("Initialized", "Started", "InProgress", "Submitted", "Completed")
_GRADINGS: Final = ("FullyGraded", "Pending", "PendingManual", "Failed", "NotReady")
_One = TypeVar("_One")


def routes(platform: Platform) -> list[Route]:
    """All of the services' endpoints."""
    ends: list[tuple[str, str, Callable[[Platform, Request], Awaitable[Response]]]] = [
        ("GET", "", _list_items),
        ("POST", "", _add_item),
        ("GET", "/{item}", _read_item),
        ("PUT", "/{item}", _replace_item),
        ("DELETE", "/{item}", _remove_item),
        ("POST", "/{item}/scores", _take_score),
        ("GET", "/{item}/results", _list_results),
    ]
    return [
        Route(f"/course/line-items{path}", _bound(end, platform), methods=[method])
        for method, path, end in ends
    ]


def _bound(
    end: Callable[[Platform, Request], Awaitable[Response]], platform: Platform
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await end(platform, request)

    return endpoint


async def _list_items(platform: Platform, request: Request) -> Response:
    tool = allowed(platform, request, LINE_ITEM_SCOPE, LINE_ITEM_READING_SCOPE)
    platform.dialect.check_accept(request.headers.get("accept", ""), LINE_ITEMS_TYPE)
    wanted = request.query_params
    items = [
        item
        for item in platform.gradebook.items.values()
        if item.client_id == tool.client_id
        and wanted.get("resource_link_id", item.link) == item.link
        and wanted.get("resource_id", item.resource) == item.resource
        and wanted.get("tag", item.tag) == item.tag
    ]
    shown, headers = page_of(platform, request, platform.items_url, items)
    told = [_told(platform, item) for item in shown]
    return JSONResponse(told, headers=headers, media_type=LINE_ITEMS_TYPE)


async def _add_item(platform: Platform, request: Request) -> Response:
    tool = allowed(platform, request, LINE_ITEM_SCOPE)
    item = _item(await _sent(platform, request, LINE_ITEM_TYPE), tool.client_id)
    if item.link and item.link not in platform.links:
        raise RefusalError(404, f"there is no resource link {item.link!r}")
    platform.dialect.check_line_item(item)
    platform.gradebook.items[item.id] = item
    headers = {"Location": platform.item_url(item)}
    return JSONResponse(_told(platform, item), 201, headers, LINE_ITEM_TYPE)


async def _read_item(platform: Platform, request: Request) -> Response:
    item = _asked(platform, request, LINE_ITEM_SCOPE, LINE_ITEM_READING_SCOPE)
    platform.dialect.check_accept(request.headers.get("accept", ""), LINE_ITEM_TYPE)
    return JSONResponse(_told(platform, item), media_type=LINE_ITEM_TYPE)


async def _replace_item(platform: Platform, request: Request) -> Response:
    before = _asked(platform, request, LINE_ITEM_SCOPE)
    item = _item(await _sent(platform, request, LINE_ITEM_TYPE), before.client_id)
    if item.link != before.link:
        raise RefusalError(400, "resourceLinkId cannot be changed")
    item.id = before.id
    platform.dialect.check_line_item(item)
    platform.gradebook.items[item.id] = item
    return JSONResponse(_told(platform, item), media_type=LINE_ITEM_TYPE)


async def _remove_item(platform: Platform, request: Request) -> Response:
    platform.gradebook.remove(_asked(platform, request, LINE_ITEM_SCOPE))
    return Response(status_code=204)


async def _take_score(platform: Platform, request: Request) -> Response:
    item = _asked(platform, request, SCORE_SCOPE)
    score = _score(await _sent(platform, request, SCORE_TYPE), platform.clock())
    person = platform.people.get(score.user)
    student = person is not None and person.role == "student"
    platform.dialect.check_score(platform.gradebook, item, score, student=student)
    platform.gradebook.store(item, score)
    return platform.dialect.score_answer(platform.item_url(item, f"/results/{score.user}"))


async def _list_results(platform: Platform, request: Request) -> Response:
    item = _asked(platform, request, RESULT_SCOPE)
    platform.dialect.check_accept(request.headers.get("accept", ""), RESULTS_TYPE)
    user = request.query_params.get("user_id")
    scores = [s for s in platform.gradebook.of_item(item) if user is None or s.user == user]
    url = platform.item_url(item, "/results").partition("?")[0]
    shown, headers = page_of(platform, request, url, scores)
    told = []
    for score in shown:
        result = platform.dialect.result(item, score)
        if result is not None:
            ids = {
                "id": platform.item_url(item, f"/results/{score.user}"),
                "scoreOf": platform.item_url(item),
                "userId": score.user,
            }
            told.append(ids | result)
    return JSONResponse(told, headers=headers, media_type=RESULTS_TYPE)


def _asked(platform: Platform, request: Request, *scopes: str) -> LineItem:
    """The line item that a request is about, if it is one of the tool's."""
    tool = allowed(platform, request, *scopes)
    item = platform.gradebook.items.get(request.path_params["item"])
    if item is None or item.client_id != tool.client_id:
        raise RefusalError(404, "this tool has no such line item")
    if platform.dialect.item_query and request.url.query.find(platform.dialect.item_query) < 0:
        raise RefusalError(404, f"the query {platform.dialect.item_query!r} of the URL was dropped")
    return item


async def _sent(platform: Platform, request: Request, media_type: str) -> Mapping[str, Any]:
    """The JSON object that was sent."""
    got = request.headers.get("content-type", "").split(";")[0].strip().lower()
    platform.dialect.check_content_type(got, media_type)
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise RefusalError(400, f"this is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise RefusalError(400, "this is no JSON object")
    return body


def _item(body: Mapping[str, Any], client_id: str) -> LineItem:
    """A line item as it was sent."""
    label, maximum = _text(body, "label"), _number(body, "scoreMaximum")
    if not label or maximum is None or maximum <= 0:
        raise RefusalError(400, "a line item needs a label, and a scoreMaximum above 0")
    return LineItem(
        secrets.token_hex(4), client_id, label, maximum, _text(body, "resourceId"),
        _text(body, "tag"), _text(body, "resourceLinkId"),
    )  # fmt: skip


def _told(platform: Platform, item: LineItem) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": platform.item_url(item), "label": item.label, "scoreMaximum": item.maximum,
    }  # fmt: skip
    names = {"resourceId": item.resource, "tag": item.tag, "resourceLinkId": item.link}
    return told | {name: value for name, value in names.items() if value}


def _score(body: Mapping[str, Any], now: float) -> Score:
    """A score as it was sent (AGS 2.0, section 3.4)."""
    user, given, maximum = _text(body, "userId"), _number(body, "scoreGiven"), None
    if not user:
        raise RefusalError(400, "userId is missing")
    if given is not None:
        maximum = _number(body, "scoreMaximum")
        if given < 0 or maximum is None or maximum <= 0:
            raise RefusalError(400, "scoreGiven must be 0 or more, and scoreMaximum above 0")
    activity, grading = _text(body, "activityProgress"), _text(body, "gradingProgress")
    if activity not in _ACTIVITIES or grading not in _GRADINGS:
        raise RefusalError(
            400, "activityProgress or gradingProgress is missing or none of the specification's"
        )
    try:
        timestamp = datetime.fromisoformat(_text(body, "timestamp"))
    except ValueError as error:
        raise RefusalError(400, f"timestamp: {error}") from error
    if timestamp.tzinfo is None:
        raise RefusalError(400, "timestamp has no time zone")
    comment = _text(body, "comment")
    return Score(user, given, maximum, activity, grading, timestamp, comment, body, now)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise RefusalError(400, f"{name} must be a text")
    return value


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusalError(400, f"{name} must be a number")
    return float(value)


def page_of(
    platform: Platform, request: Request, url: str, found: Sequence[_One]
) -> tuple[Sequence[_One], dict[str, str]]:
    """What is on the page of a container that is asked for, and the header that names the next.

    Raises:
        RefusalError: ``limit`` or ``page`` is no number of these.
    """
    try:
        limit = min(int(request.query_params.get("limit", platform.page_size)), platform.page_size)
        page = int(request.query_params.get("page", 1))
    except ValueError as error:
        raise RefusalError(400, "limit and page must be whole numbers") from error
    if limit < 1 or page < 1:
        raise RefusalError(400, "limit and page must be above 0")
    if page * limit >= len(found):
        return found[(page - 1) * limit :], {}
    query = urlencode({**request.query_params, "limit": limit, "page": page + 1})
    next_page = platform.dialect.page_link(f"{url}?{query}")
    return found[(page - 1) * limit : page * limit], {"Link": next_page}
