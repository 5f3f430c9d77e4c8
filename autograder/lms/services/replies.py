"""What platforms answer to requests of their services, and what can be read in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

import requests

from autograder.lms.outgoing import told_by
from autograder.lms.services.ags import Answer, NoAnswerError

_LONGEST_RETRY_AFTER: Final = 24 * 3600.0
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_BARE_LINK: Final = re.compile(r"(?:^|,)\s*([^\s<>;]+)\s*(;[^,]*)")
_REL_NEXT: Final = re.compile(r"\brel\s*=[^\w;,]*(?:[\w:/.-]+\s+)*next\b", re.IGNORECASE)
_ANY_NEXT: Final = re.compile(r"\brel\b.*\bnext\b", re.IGNORECASE)


class RefusedError(NoAnswerError):
    """The platform answered, but not what was asked."""

    def __init__(self, told: str, answer: Answer) -> None:
        """Say what it answered.

        Args:
            told: what happened, for a teacher.
            answer: the platform's.
        """
        super().__init__(told)
        self.answer = answer


@dataclass(frozen=True)
class Reply:
    """What came back for a request."""

    url: str
    answer: Answer
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def required(self) -> Reply:
        """It, if the platform did what was asked.

        Raises:
            RefusedError: it did not.
        """
        if not 200 <= self.answer.status < 300:
            raise self.refused(f"answers {self.answer.status}: {self.answer.text}")
        return self

    def refused(self, told: str) -> RefusedError:
        """An error of this address, which says what is wrong with it."""
        return RefusedError(f"{self.url} {told}", self.answer)

    def object(self) -> dict[str, Any]:
        """The JSON object that it is.

        Raises:
            RefusedError: it is none.
        """
        body = self._json()
        if not isinstance(body, dict):
            raise self.refused("answers no JSON object")
        return body

    def objects(self) -> list[dict[str, Any]]:
        """The list of JSON objects that it is.

        Raises:
            RefusedError: it is none.
        """
        body = self._json()
        if not isinstance(body, list):
            raise self.refused("answers no list")
        return [one for one in body if isinstance(one, dict)]

    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise self.refused(f"answers what is no JSON: {self.answer.text[:200]}") from error

    def next_page(self) -> str | None:
        """The URL of the next page of a container (RFC 8288), None if there is none.

        Moodle has typographic quotes where straight ones belong; others leave the brackets out.

        Raises:
            RefusedError: there is one that cannot be found.
        """
        header = _as_utf8(self.headers.get("Link", ""))
        for url, parameters in [*_LINK.findall(header), *_BARE_LINK.findall(header)]:
            if _REL_NEXT.search(parameters):
                return urljoin(self.url, str(url).strip())
        if _ANY_NEXT.search(re.sub(r"<[^>]*>", "", header)):
            raise self.refused(f"has a next page, which cannot be found in {header!r}")
        return None


def reply_of(response: requests.Response, url: str) -> Reply:
    """What came back, for the URL that was asked."""
    return Reply(url, answer_of(response), response.content, response.headers)


def answer_of(response: requests.Response) -> Answer:
    """What came back, as the outbox is told of it."""
    status, text = response.status_code, told_by(response)
    if status == 403 and "rate limit" in text.lower():
        status = 429  # which Canvas says so
    return Answer(status, text, seconds_of(response.headers.get("Retry-After", "")))


def seconds_of(retry_after: str) -> float | None:
    """How long to wait (RFC 9110, section 10.2.3: seconds or a date); None where it is not said."""
    if retry_after.strip().isdecimal():
        seconds = float(retry_after)
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = until.replace(tzinfo=until.tzinfo or UTC).timestamp() - time.time()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def number_in(value: Any) -> float | None:
    """A number, or a text that is one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def text_in(of: Mapping[str, Any], *names: str) -> str:
    """The first of these that an object has, as text; empty where it has none."""
    values = (of.get(name) for name in names)
    return next((str(v).strip() for v in values if isinstance(v, str | int) and v != ""), "")


def _as_utf8(header: str) -> str:
    """A header whose bytes are UTF-8, which HTTP's are not by themselves."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
