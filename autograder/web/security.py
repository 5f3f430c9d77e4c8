"""What stands around every page: who asks, how much may come, and what browsers are told.

Middleware is plain ASGI: it sees bodies as they come, and the language that it sets reaches all
that is done for a request.
"""

import asyncio
import logging
import re
import secrets
import time
from typing import Any, Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autograder.messages import in_language
from autograder.web import errors
from autograder.web.errors import WebError
from autograder.web.sessions import cookie_name, find_visitor, is_own_token
from autograder.web.state import AppState

log: Final = logging.getLogger(__name__)

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)
"""Nothing but our own files, and no script or style within a page."""
READ_ONLY_POLICY: Final = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
"""For what others wrote: it can look, and do nothing.

No script runs in it, so it may keep our origin: its link back then brings the cookie.
"""
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-resource-policy": "same-origin",
}
_PUBLIC: Final = ("/static/", "/lti/jwks.json", "/lti/canvas.json")
"""What may be kept by browsers and proxies."""
_FORM_BYTES: Final = 1024 * 1024
_EXPORT: Final = re.compile(r"/teacher/[^/]+/grades/[^/]+")
_EXPORT_BYTES: Final = 4 * 1024 * 1024
"""What an LMS's export of grades may have; Open edX's own limit is half of it."""
_AROUND_FILES: Final = 64 * 1024
"""What a form has besides the files."""
_IDLE_SECONDS: Final = 30.0
"""So long may pass between two parts of a body."""
_DRAIN_SECONDS: Final = 60.0
_DRAIN_FACTOR: Final = 4
"""How much more than is taken is read and thrown away, so that the browser reads our answer."""


class SecurityHeaders:
    """Tells browsers what a page may do, and who may show it in a frame."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _path(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not path.startswith(_PUBLIC):
                    headers.setdefault("cache-control", "no-store")
                await self._add_policy(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    async def _add_policy(self, headers: MutableHeaders) -> None:
        policy = headers.get("content-security-policy", PAGE_POLICY)
        if "frame-ancestors" not in policy:
            origins = await run_in_threadpool(self._state.frame_origins)
            policy += "; frame-ancestors " + " ".join(("'self'", *origins))
        headers["content-security-policy"] = policy


class Boundary:
    """No error leaves it, and the log says no more of a request than its kind.

    What the log says of a page is the pattern of its address: addresses themselves have students'
    ids, and the parameters of a login, in them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as error:
            number = secrets.token_hex(4)
            log.error("%s: %s %s: %s", number, scope["method"], _pattern(scope), _whole(error))
            if status:
                raise ConnectionError("the answer broke off") from None
            with in_language(scope.get("autograder.language", "en")):
                response = errors_page(scope, errors.fault(number))
            await response(scope, receive, note)
        milliseconds = 1000 * (time.monotonic() - begun)
        log.info("%s %s %d %.0f ms", scope["method"], _pattern(scope), status, milliseconds)


def errors_page(scope: Scope, error: WebError) -> Any:
    """The answer that tells of an error."""
    from autograder.web.pages import error_response  # which needs what is here

    return error_response(Request(scope), error)


def _whole(error: BaseException) -> str:
    """Where an error and what caused it happened."""
    told = [errors.trace(error)]
    while (cause := error.__cause__ or error.__context__) is not None and len(told) < 4:
        told.append(errors.trace(cause))
        error = cause
    return "; because of ".join(told)


class Body:
    """Refuses bodies that are too large or stop coming, before anything has read them."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reader = _BodyReader(scope, receive, *self._most(scope))

        async def send_when_read(message: Message) -> None:
            if message["type"] == "http.response.start":
                await reader.drain()
            await send(message)

        await self._app(scope, reader.receive, send_when_read)

    def _most(self, scope: Scope) -> tuple[int, WebError]:
        """How many bytes are taken, and what to say of more."""
        if _path(scope).endswith("/submissions"):
            most = self._state.settings.upload_mib
            return most * 1024 * 1024 + _AROUND_FILES, errors.too_large(most)
        if _EXPORT.fullmatch(_path(scope)):
            most = _EXPORT_BYTES // 1024 // 1024
            return _EXPORT_BYTES + _AROUND_FILES, errors.too_large_export(most)
        return _FORM_BYTES, errors.too_large(_FORM_BYTES // 1024 // 1024)


class _BodyReader:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive, most: int, refusal: WebError) -> None:
        self._receive = receive
        self._most = most
        self._refusal = refusal
        self._read = 0
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        self._announced = int(length) if length.isascii() and length.isdigit() else 0
        self._lock = asyncio.Lock()
        """Held by who waits for a part: an answer may listen for its reader to go, meanwhile."""
        self._complete = not self._announced and "transfer-encoding" not in headers

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            WebError: there is too much, or nothing comes any more.
        """
        if self._announced > self._most:
            raise self._refusal
        async with self._lock:
            if not self._complete:
                return await self._next()
        return await self._receive()

    async def _next(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), _IDLE_SECONDS)
        except TimeoutError as error:
            self._complete = True
            raise errors.too_slow() from error
        self._note(message)
        if self._read > self._most:
            raise self._refusal
        return message

    def _note(self, message: Message) -> None:
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._complete = True
        self._read += len(message.get("body", b""))

    async def drain(self) -> None:
        """Throw away what was not read: browsers show no answer while they are still sending."""
        most = _DRAIN_FACTOR * self._most
        end = time.monotonic() + _DRAIN_SECONDS
        async with self._lock:
            while not self._complete and max(self._read, self._announced) <= most:
                try:
                    left = min(_IDLE_SECONDS, end - time.monotonic())
                    self._note(await asyncio.wait_for(self._receive(), max(left, 0.0)))
                except TimeoutError:
                    self._complete = True


class Visitors:
    """Finds who asks, and speaks their language."""

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or _path(scope).startswith("/static/"):
            await self._app(scope, receive, send)
            return
        token = Request(scope).cookies.get(cookie_name(self._state), "")
        visitor = await run_in_threadpool(find_visitor, self._state, token) if token else None
        scope["autograder.visitor"] = visitor
        language = visitor.language if visitor else str(self._state.course.settings.language)
        scope["autograder.language"] = language
        with in_language(language):
            await self._app(scope, receive, send)


def require_own_form(state: AppState, request: Request, token: object) -> None:
    """Make sure that a form is one of ours that this user's own browser sends.

    Raises:
        WebError: it is not.
    """
    visitor = request.scope.get("autograder.visitor")
    if visitor is None:
        raise errors.no_session()
    origin = request.headers.get("origin", state.origin).lower()
    if origin != state.origin or request.headers.get("sec-fetch-site") == "cross-site":
        raise errors.form_too_old()
    if not isinstance(token, str) or not is_own_token(state.engine, visitor, token, state.clock()):
        raise errors.form_too_old()


def address_of(request: Request) -> str:
    """The address that a request comes from; uvicorn has read it from a trusted proxy's header."""
    return request.client.host if request.client is not None else "unknown"


def _path(scope: Scope) -> str:
    root, path = scope.get("root_path", ""), str(scope["path"])
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def _pattern(scope: Scope) -> str:
    """A route's address with names in the place of what they stand for."""
    route = scope.get("route")
    return getattr(route, "path", "(no such page)")
