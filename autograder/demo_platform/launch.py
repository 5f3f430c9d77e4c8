"""Messages to tools: a link that is opened, or a request for links to put into the course.

IMS: Security Framework 1.0, section 5.1 (the OpenID Connect launch flow); LTI Core 1.3; Deep
Linking 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from autograder.demo_platform.dialect import RefusalError
from autograder.demo_platform.names import (
    AGS_CLAIM,
    AGS_SCOPES,
    CLAIM,
    COURSE,
    DEEP_LINKING,
    DEEP_LINKING_REQUEST,
    LTI_VERSION,
    NRPS_CLAIM,
    RESOURCE_LINK,
    ROLES,
)
from autograder.demo_platform.pages import Pages
from autograder.demo_platform.state import (
    COURSE_ID,
    COURSE_LABEL,
    COURSE_TITLE,
    DEPLOYMENT,
    Message,
    Platform,
    Tool,
)

_ASKED: Final = {"response_type": "id_token", "response_mode": "form_post", "prompt": "none"}
"""What an authentication request must ask for (Security Framework 1.0, section 5.1.1.2)."""


def routes(platform: Platform, pages: Pages) -> list[Route]:
    """Where messages begin, and where tools send the browser to get them."""

    def open_link(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        link = platform.link(request.path_params["link"])
        document = request.query_params.get("in", "window")
        if document not in ("iframe", "window"):
            raise RefusalError(400, "a link opens in an iframe or in a window")
        tool = platform.tool(link.client_id)
        return _to_tool(platform, tool, platform.begin(person, tool, link, document))

    def choose(request: Request) -> Response:
        person = platform.person(request.path_params["person"])
        if person.role != "teacher":
            raise RefusalError(403, "only a teacher adds assignments")
        tool = platform.tool(request.path_params["client_id"])
        return _to_tool(platform, tool, platform.begin(person, tool, None, "window"))

    async def authenticate(request: Request) -> Response:
        async with request.form() as form:
            sent = {**request.query_params, **{k: v for k, v in form.items() if isinstance(v, str)}}
        tool = platform.tools.get(sent.get("client_id", ""))
        if tool is None:
            raise RefusalError(400, "client_id is missing, or of no tool of this platform")
        if sent.get("redirect_uri") not in tool.redirect_uris:
            raise RefusalError(400, "redirect_uri is none that this tool was registered with")
        answer = _answer(platform, tool, sent)
        if "state" in sent:
            answer["state"] = sent["state"]
        return pages.posting(sent["redirect_uri"], answer)

    return [
        Route("/people/{person}/links/{link}/open", open_link, methods=["GET"]),
        Route("/people/{person}/add/{client_id}", choose, methods=["GET"]),
        Route("/auth", authenticate, methods=["GET", "POST"]),
    ]


def _to_tool(platform: Platform, tool: Tool, message_id: str) -> Response:
    """Send the browser to the tool to log in (Security Framework 1.0, section 5.1.1.1)."""
    message = platform.messages[message_id]
    query = {
        "iss": platform.url,
        "login_hint": message.person.id,
        "target_link_uri": message.target,
        "lti_message_hint": message_id,
        "client_id": tool.client_id,
        "lti_deployment_id": DEPLOYMENT,
    }
    return RedirectResponse(f"{tool.login_url}?{urlencode(query)}", 303)


def _answer(platform: Platform, tool: Tool, sent: Mapping[str, str]) -> dict[str, str]:
    """What a tool gets for its authentication request: an id_token or OpenID Connect's error."""
    wrong = [name for name, value in _ASKED.items() if sent.get(name) != value]
    if "openid" not in sent.get("scope", "").split():
        wrong.append("scope")
    wrong += [name for name in ("nonce", "login_hint", "lti_message_hint") if not sent.get(name)]
    if wrong:
        told = f"missing, or not as LTI asks for: {', '.join(wrong)}"
        return {"error": "invalid_request", "error_description": told}
    message = platform.messages.get(sent["lti_message_hint"])
    if (
        message is None
        or message.expires <= platform.clock()
        or message.client_id != tool.client_id
        or message.person.id != sent["login_hint"]
    ):
        told = "the hints are not those of a message of this platform to this tool"
        return {"error": "login_required", "error_description": told}
    return {"id_token": platform.key.sign(_claims(platform, tool, message, sent["nonce"]))}


def _claims(platform: Platform, tool: Tool, message: Message, nonce: str) -> dict[str, Any]:
    now = int(platform.clock())
    person = message.person
    claims = {
        "iss": platform.url,
        "aud": tool.client_id,
        "sub": person.id,
        "iat": now,
        "exp": now + platform.dialect.id_token_seconds,
        "nonce": nonce,
        **person.about,
        CLAIM + "version": LTI_VERSION,
        CLAIM + "deployment_id": DEPLOYMENT,
        CLAIM + "target_link_uri": message.target,
        CLAIM + "roles": [ROLES[person.role]],
        CLAIM + "context": {
            "id": COURSE_ID, "label": COURSE_LABEL, "title": COURSE_TITLE, "type": [COURSE],
        },
        CLAIM + "tool_platform": {
            "guid": "autograder-demonstration",
            "name": "Demonstration",
            "product_family_code": "autograder-demonstration",
            "url": platform.url,
        },
        CLAIM + "launch_presentation": {
            "document_target": message.document,
            "return_url": f"{platform.url}/people/{person.id}",
        },
        CLAIM + "custom": _custom(tool, message),
        NRPS_CLAIM: {
            "context_memberships_url": platform.members_url, "service_versions": ["2.0"],
        },
    }  # fmt: skip
    return claims | (
        _of_deep_linking(platform, tool, person.id)
        if message.link is None
        else _of_link(platform, tool, message)
    )


def _custom(tool: Tool, message: Message) -> dict[str, str]:
    """The custom parameters of a message, with what variables stand for where it is known."""
    person, link = message.person, message.link
    known = {"$User.id": person.id, "$Context.id": COURSE_ID}
    if not person.private:
        known["$User.username"] = person.login
    if link is not None:
        known["$ResourceLink.id"] = link.id
    custom = {**tool.custom, **(link.custom if link is not None else {})}
    return {name: known.get(value, value) for name, value in custom.items()}


def _of_link(platform: Platform, tool: Tool, message: Message) -> dict[str, Any]:
    link = message.link
    assert link is not None
    endpoint: dict[str, Any] = _endpoint(platform, tool)
    items = platform.gradebook.of_link(link.id)
    if len(items) == 1:
        endpoint["lineitem"] = platform.item_url(items[0])
    return {
        CLAIM + "message_type": RESOURCE_LINK,
        CLAIM + "resource_link": {"id": link.id, "title": link.title},
        AGS_CLAIM: endpoint,
    }


def _of_deep_linking(platform: Platform, tool: Tool, person_id: str) -> dict[str, Any]:
    data = token_urlsafe(16)
    platform.deep_linking[data] = tool.client_id
    return {
        CLAIM + "message_type": DEEP_LINKING_REQUEST,
        AGS_CLAIM: _endpoint(platform, tool),
        DEEP_LINKING + "deep_linking_settings": {
            "deep_link_return_url": f"{platform.url}/people/{person_id}/links",
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "accept_lineitem": True,
            "auto_create": True,
            "data": data,
        },
    }


def _endpoint(platform: Platform, tool: Tool) -> dict[str, Any]:
    query = platform.dialect.item_query
    return {
        "scope": [scope for scope in AGS_SCOPES if scope in tool.scopes],
        "lineitems": platform.items_url + (f"?{query}" if query else ""),
    }
