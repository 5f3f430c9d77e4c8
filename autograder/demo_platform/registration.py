"""How a tool comes to know the platform and is registered with it.

IMS: LTI Dynamic Registration 1.0; the key set is RFC 7517's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from autograder.demo_platform.dialect import RefusalError
from autograder.demo_platform.names import (
    DEEP_LINKING_REQUEST,
    PLATFORM_CONFIGURATION,
    PRIVATE_KEY_JWT,
    RESOURCE_LINK,
    SCOPES,
    TOOL_CONFIGURATION,
    VARIABLES,
)
from autograder.demo_platform.state import DEPLOYMENT, Platform, Tool, check_url, strings, texts

_BEGUN_SECONDS = 3600.0


def routes(platform: Platform) -> list[Route]:
    """The platform's configuration and keys, and where tools are registered."""

    def keys(_request: Request) -> JSONResponse:
        return JSONResponse(platform.key.public())

    def configuration(_request: Request) -> JSONResponse:
        return JSONResponse(_configuration(platform))

    def begin(request: Request) -> Response:
        """Open a tool's registration URL, with what it needs to go on."""
        url = request.query_params.get("url", "")
        check_url(url, "the registration URL")
        token = secrets.token_urlsafe(16)
        platform.registration_tokens[token] = platform.clock() + _BEGUN_SECONDS
        query = {
            "openid_configuration": f"{platform.url}/.well-known/openid-configuration",
            "registration_token": token,
        }
        return RedirectResponse(f"{url}{'&' if '?' in url else '?'}{urlencode(query)}", 303)

    async def register(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        known = platform.registration_tokens.get(token) if scheme.lower() == "bearer" else None
        if known is None or known <= platform.clock():
            raise RefusalError(401, "there is no registration token, or it was used or has expired")
        try:
            sent = json.loads(await request.body())
        except ValueError as error:
            raise RefusalError(400, f"this is no JSON: {error}") from error
        if not isinstance(sent, dict):
            raise RefusalError(400, "this is no JSON object")
        tool = _tool(sent)
        del platform.registration_tokens[token]
        platform.tools[tool.client_id] = tool
        return JSONResponse(_registered(sent, tool), 201)

    return [
        Route("/keys", keys, methods=["GET"]),
        Route("/.well-known/openid-configuration", configuration, methods=["GET"]),
        Route("/tools/register", begin, methods=["GET"]),
        Route("/register", register, methods=["POST"]),
    ]


def _configuration(platform: Platform) -> dict[str, Any]:
    url = platform.url
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/auth",
        "token_endpoint": f"{url}/token",
        "token_endpoint_auth_methods_supported": [PRIVATE_KEY_JWT],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "jwks_uri": f"{url}/keys",
        "registration_endpoint": f"{url}/register",
        "scopes_supported": ["openid", *SCOPES],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "name", "given_name", "family_name", "email"],
        PLATFORM_CONFIGURATION: {
            "product_family_code": "autograder-demonstration",
            "version": "1",
            "messages_supported": [{"type": RESOURCE_LINK}, {"type": DEEP_LINKING_REQUEST}],
            "variables": list(VARIABLES),
        },
    }


def _tool(sent: Mapping[str, Any]) -> Tool:
    """A tool as it describes itself (Dynamic Registration 1.0, section 3.5)."""
    about = sent.get(TOOL_CONFIGURATION)
    redirect_uris = strings(sent.get("redirect_uris"))
    if not isinstance(about, dict) or not redirect_uris:
        raise RefusalError(400, f"{TOOL_CONFIGURATION} or redirect_uris is missing")
    if (
        sent.get("token_endpoint_auth_method") != PRIVATE_KEY_JWT
        or "id_token" not in strings(sent.get("response_types"))
        or not {"implicit", "client_credentials"} <= set(strings(sent.get("grant_types")))
    ):
        raise RefusalError(
            400,
            "a tool needs token_endpoint_auth_method private_key_jwt, response_types id_token, "
            "grant_types implicit and client_credentials",
        )
    target = about.get("target_link_uri")
    messages = about.get("messages")
    deep_linking = [
        message.get("target_link_uri")
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict) and message.get("type") == DEEP_LINKING_REQUEST
    ]
    urls = [sent.get("initiate_login_uri"), sent.get("jwks_uri"), target, *redirect_uris]
    for url in urls:
        check_url(str(url), "each URL of a tool")
    return Tool(
        client_id=secrets.token_hex(8),
        name=str(sent.get("client_name") or "Unnamed tool"),
        login_url=str(sent["initiate_login_uri"]),
        redirect_uris=tuple(redirect_uris),
        key_set_url=str(sent["jwks_uri"]),
        target=str(target),
        deep_linking_target=str((deep_linking or [None])[0] or target),
        scopes=frozenset(SCOPES) & set(str(sent.get("scope", "")).split()),
        custom=texts(about.get("custom_parameters")),
    )


def _registered(sent: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """What is told to a tool that was registered: what it sent, with what it is here."""
    return {
        **sent,
        "client_id": tool.client_id,
        "scope": " ".join(sorted(tool.scopes)),
        TOOL_CONFIGURATION: {**sent[TOOL_CONFIGURATION], "deployment_id": DEPLOYMENT},
    }
