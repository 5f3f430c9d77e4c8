"""The answer to a deep linking request: the tool's links are put into the course.

IMS: Deep Linking 2.0, section 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from autograder.demo_platform.dialect import RefusalError
from autograder.demo_platform.names import CLAIM, DEEP_LINKING, DEEP_LINKING_RESPONSE, LTI_VERSION
from autograder.demo_platform.pages import Pages
from autograder.demo_platform.state import (
    DEPLOYMENT,
    NewLink,
    Platform,
    Tool,
    check_url,
    texts,
)


def routes(platform: Platform, pages: Pages) -> list[Route]:
    """Where a tool sends the browser with the links that a teacher has chosen."""

    async def take(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        async with request.form() as form:
            token = form.get("JWT")
        links, told = await _links(platform, token if isinstance(token, str) else "")
        if told:
            return pages.told(person, told)
        if not links:
            return pages.told(person, "Nothing was chosen.")
        return RedirectResponse(f"{platform.url}/people/{person.id}", 303)

    return [Route("/people/{person}/links", take, methods=["POST"])]


async def _links(platform: Platform, token: str) -> tuple[int, str]:
    """Put the links of an answer into the course; how many they are, and what the tool says.

    Raises:
        RefusalError: the answer is not one of a tool's to a request of this platform's.
    """
    client_id = platform.tool_keys.issuer(token)
    tool = platform.tool(client_id)
    claims = await platform.tool_keys.claims(
        token, tool.key_set_url, issuer=client_id, audience=[platform.url]
    )
    wanted = {
        CLAIM + "message_type": DEEP_LINKING_RESPONSE,
        CLAIM + "version": LTI_VERSION,
        CLAIM + "deployment_id": DEPLOYMENT,
    }
    for name, value in wanted.items():
        if claims.get(name) != value:
            raise RefusalError(400, f"the tool's answer has no {name} {value!r}")
    items = claims.get(DEEP_LINKING + "content_items", [])
    if not isinstance(items, list):
        raise RefusalError(400, "content_items must be a list")
    new = [_new(item, tool) for item in items if _is_link(item)]
    data = str(claims.get(DEEP_LINKING + "data", ""))
    if platform.deep_linking.get(data) != client_id:
        raise RefusalError(400, "the tool's answer is to no request, or was given before")
    del platform.deep_linking[data]
    for one in new:
        platform.add_link(tool, one)
    return len(new), str(claims.get(DEEP_LINKING + "errormsg", ""))


def _is_link(item: object) -> bool:
    return isinstance(item, dict) and item.get("type") == "ltiResourceLink"


def _new(item: Mapping[str, Any], tool: Tool) -> NewLink:
    """A link as the tool describes it."""
    url = str(item.get("url") or tool.target)
    check_url(url, "a link's url")
    column = item.get("lineItem")
    title, custom = str(item.get("title") or "Untitled"), texts(item.get("custom"))
    if not isinstance(column, dict):
        return NewLink(title, url=url, custom=custom)
    points = column.get("scoreMaximum")
    if isinstance(points, bool) or not isinstance(points, int | float) or points <= 0:
        raise RefusalError(400, "lineItem needs a scoreMaximum above 0")
    return NewLink(
        title, float(points), url, custom, str(column.get("label") or ""),
        str(column.get("resourceId") or ""), str(column.get("tag") or ""),
    )  # fmt: skip
