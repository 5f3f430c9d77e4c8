"""Requests to platforms, whose addresses come from launches and so from others.

Each has time-outs and takes no more than it can hold; only HTTPS, or this machine itself, is asked;
nothing follows a redirect, which could take a token elsewhere.
"""

import re
import time
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from autograder.lms.addresses import AddressError, is_loopback, require_safe

CONNECT_SECONDS: Final = 6.0
READ_SECONDS: Final = 20.0
WHOLE_SECONDS: Final = 60.0
"""How long an answer may take, however steadily it comes."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""The longest answer that is read: a roster of 100,000, which Open edX sends as one, is half of it.
"""
_CHUNK: Final = 64 * 1024
_LONGEST_TOLD: Final = 2000
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


class UnsafeURLError(requests.RequestException):
    """An address that is not asked."""


class OverlongError(requests.RequestException):
    """An answer that is too long, or takes too long."""


class Outgoing(requests.Session):
    """A session for requests to platforms."""

    def __init__(
        self,
        read_seconds: float = READ_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Make one that keeps no cookies.

        Args:
            read_seconds: how long to wait for the next part of an answer.
            whole_seconds: how long an answer may take as a whole.
            most_bytes: how long an answer may be, unpacked.
        """
        super().__init__()
        self._read_seconds = read_seconds
        self._whole_seconds = whole_seconds
        self._most_bytes = most_bytes
        self.headers["User-Agent"] = "autograder"
        self.headers["Accept-Language"] = "en"  # the outbox reads what it is answered
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.auth = _as_it_is  # else a ~/.netrc would replace the token

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request and read the whole answer.

        Raises:
            requests.RequestException: no answer came, or none that can be used.
        """
        url = request.url or ""
        _require_safe(url)
        if is_loopback(urlsplit(url).hostname):
            kwargs["proxies"] = {}
        kwargs["timeout"] = (min(CONNECT_SECONDS, self._read_seconds), self._read_seconds)
        kwargs["stream"] = True
        started = time.monotonic()
        response = super().send(request, **kwargs)
        try:
            self._read(response, started)
        except HTTPError as error:
            late = isinstance(error, ReadTimeoutError)
            kind = requests.ReadTimeout if late else requests.exceptions.ChunkedEncodingError
            raise kind(error, request=request) from error
        finally:
            response.close()
        return response

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer sends us on to: nowhere."""
        return None

    def _read(self, response: requests.Response, started: float) -> None:
        """Read an answer piece by piece as it comes, and let requests have it as if it had.

        Raises:
            OverlongError: it is too long, or takes too long.
        """
        content = bytearray()
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            content += piece
            if len(content) > self._most_bytes:
                raise OverlongError(f"the answer is longer than {self._most_bytes} bytes")
            if time.monotonic() - started > self._whole_seconds:
                raise OverlongError(f"the answer took longer than {self._whole_seconds:g} seconds")
        vars(response).update(_content=bytes(content), _content_consumed=True)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _require_safe(url: str) -> None:
    try:
        require_safe("an address of a platform's service", url)
    except AddressError as error:
        raise UnsafeURLError(str(error)) from error


def told_by(response: requests.Response) -> str:
    """What an answer says, short and in one line: of a page, its title."""
    if response.is_redirect:
        target = urljoin(response.url, response.headers.get("Location", ""))
        return f"it sends us on to {target}, which we do not follow"
    text = response.content[:_CHUNK].decode("utf-8", "replace")
    title = _TITLE.search(text) if "html" in response.headers.get("Content-Type", "") else None
    return " ".join((title[1] if title else text).split())[:_LONGEST_TOLD]


_REASONS: Final[tuple[tuple[type[Exception], Callable[[str], str]], ...]] = (
    (UnsafeURLError, lambda told: told),
    (OverlongError, lambda told: told),
    (requests.exceptions.SSLError, lambda told: f"no safe connection: {told}"),
    (requests.exceptions.ProxyError, lambda told: f"the proxy fails: {told}"),
    (requests.Timeout, lambda _told: "it does not answer in time"),
    (requests.ConnectionError, lambda told: f"the connection fails: {told}"),
)


def reason_of(error: requests.RequestException) -> str:
    """Why no answer came, for a teacher."""
    told = " ".join(str(error).split())[:300]
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason(told)
    return f"the request fails: {told}"
