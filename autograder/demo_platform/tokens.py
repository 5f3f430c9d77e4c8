"""Access tokens for the services: a tool asks for one with a JWT that it has signed.

IMS Security Framework 1.0, section 4 (RFC 7523 client assertions, RFC 6750 bearer tokens).
"""

from __future__ import annotations

import secrets

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from autograder.demo_platform.dialect import RefusalError
from autograder.demo_platform.names import ASSERTION_TYPE
from autograder.demo_platform.state import Platform, Token, Tool


def routes(platform: Platform) -> list[Route]:
    """The token endpoint."""

    async def token(request: Request) -> JSONResponse:
        async with request.form() as form:
            return await _token(platform, form)

    return [Route("/token", token, methods=["POST"])]


async def _token(platform: Platform, form: FormData) -> JSONResponse:
    if form.get("grant_type") != "client_credentials":
        return _error("unsupported_grant_type", "grant_type must be client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return _error("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = form.get("client_assertion")
    try:
        tool = await _asked_by(platform, assertion if isinstance(assertion, str) else "")
    except RefusalError as refusal:
        return _error("invalid_client", refusal.reason)
    scopes = tool.scopes & set(str(form.get("scope", "")).split())
    if not scopes:
        return _error("invalid_scope", "none of the scopes is granted to this tool")
    now = platform.clock()
    platform.tokens = {text: one for text, one in platform.tokens.items() if one.expires > now}
    text = secrets.token_urlsafe(24)
    platform.tokens[text] = Token(tool.client_id, scopes, now + platform.token_seconds)
    return JSONResponse(
        {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": platform.token_seconds,
            "scope": " ".join(sorted(scopes)),
        },
        headers={"Cache-Control": "no-store"},
    )


async def _asked_by(platform: Platform, assertion: str) -> Tool:
    """The tool that has signed an assertion, which is good once."""
    client_id = platform.tool_keys.issuer(assertion)
    if client_id not in platform.tools:
        raise RefusalError(400, f"there is no tool {client_id!r}")
    tool = platform.tools[client_id]
    claims = await platform.tool_keys.claims(
        assertion, tool.key_set_url, issuer=client_id, audience=[f"{platform.url}/token"]
    )
    if claims.get("sub") != client_id:
        raise RefusalError(400, "sub must be the client_id, as iss")
    used, now = (client_id, str(claims.get("jti", ""))), platform.clock()
    platform.assertions = {key: end for key, end in platform.assertions.items() if end > now}
    if not used[1] or used in platform.assertions:
        raise RefusalError(400, "jti is missing, or was used before")
    platform.assertions[used] = float(claims["exp"]) + 60
    return tool


def _error(error: str, description: str) -> JSONResponse:
    return JSONResponse(
        {"error": error, "error_description": description}, 400, {"Cache-Control": "no-store"}
    )


def allowed(platform: Platform, request: Request, *scopes: str) -> Tool:
    """The tool that makes a request, if its token has one of these scopes.

    Raises:
        RefusalError: it has no token that is good now (401), or none for this (403).
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    token = platform.tokens.get(text.strip()) if scheme.lower() == "bearer" else None
    if token is None or token.expires <= platform.clock():
        raise RefusalError(401, "there is no access token, or it has expired")
    if not token.scopes & set(scopes):
        raise RefusalError(403, f"the access token lacks the scope {scopes[0]}")
    return platform.tools[token.client_id]
