"""Open edX's own code of an LTI 1.3 platform, in a process of its own.

OIDC login, key set, token endpoint, Assignment and Grade Services, Names and Roles and deep linking
are those of ``lti-consumer-xblock``, and so is the block that starts a launch. What it asks of the
rest of Open edX (users, the roster, the gradebook) is in ``compat``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, cast

import requests

ROOT: Final = Path(__file__).parents[3]
COURSE: Final = "course-v1:Uni+DL+2026"
"""The course's id, which is the context's."""
_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Placement:
    """An LTI component in a unit of the course, and what its author copies into the tool."""

    block: str
    """Its usage key, which is the resource link's id."""
    issuer: str
    client_id: str
    deployment: str
    key_set_url: str
    auth_login_url: str
    auth_token_url: str
    line_items: str
    line_item: str
    """Empty where the tool is to make it."""
    memberships: str


@dataclass(frozen=True)
class Form:
    """A form that a page has a browser send."""

    url: str
    fields: Mapping[str, str]


@dataclass
class OpenEdx:
    """A running platform, and the browser of somebody who uses it."""

    url: str
    browser: requests.Session = field(default_factory=requests.Session)

    def place(self, name: str, **settings: Any) -> Placement:
        """Put an LTI component into the course.

        Args:
            name: its name, with which its usage key ends.
            settings: fields of the component, such as ``weight``, and ``passport``: components of
                one passport are one client.
        """
        return Placement(**self._control("blocks", {"name": name, **settings}))

    def people(self) -> dict[str, dict[str, Any]]:
        """Who is in the course, by username; ``sub`` is what tools know them by."""
        return cast(dict[str, dict[str, Any]], self._control("people"))

    def enrol(self, username: str, *roles: str, name: str = "", email: str = "") -> str:
        """Put a user into the course, or without roles out of it.

        Returns:
            What tools know the user by.
        """
        about = {"username": username, "roles": roles, "name": name, "email": email}
        return cast(str, self._control("people", about)["sub"])

    def share_names(self, shared: bool) -> None:
        """Whether the course lets tools know names and e-mail addresses."""
        self._control("names", {"shared": shared})

    def grades(self, block: str) -> dict[str, tuple[float, float]]:
        """What the gradebook has of a component, by username: points and the most there are."""
        rows = cast(Sequence[Mapping[str, Any]], self._control("grades"))
        return {
            row["username"]: (row["earned"], row["possible"])
            for row in rows
            if row["block"] == block
        }

    def link(self, block: str, username: str, *, deep: bool = False) -> str:
        """The address that a user's browser opens the tool with.

        Args:
            block: the component.
            username: whose browser.
            deep: whether it is the author who chooses content.
        """
        return cast(
            str,
            self._control("launch", {"block": block, "username": username, "deep": deep})["url"],
        )

    def log_in(self, username: str) -> None:
        """Have the browser be a user's."""
        self._control("session", {"username": username})

    def authorize(self, url: str) -> Form:
        """Go where the tool sends the browser, and take the form that comes back.

        Raises:
            AssertionError: the platform refuses.
        """
        answer = self.browser.get(url, timeout=_SECONDS)
        assert answer.ok, f"{answer.status_code}: {answer.text}"
        return form_of(answer.text)

    def _control(self, path: str, sent: object = None) -> Any:
        url = f"{self.url}/control/{path}"
        if sent is None:
            answer = self.browser.get(url, timeout=_SECONDS)
        else:
            answer = self.browser.post(url, json=sent, timeout=_SECONDS)
        assert answer.ok, f"{answer.status_code}: {answer.text[:2000]}"
        return answer.json()


@contextmanager
def open_edx(folder: Path) -> Iterator[OpenEdx]:
    """Have the platform run on this machine.

    Args:
        folder: where its database and its log go; empty.
    """
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lms.openedx.serve", str(folder)],
            cwd=ROOT,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)\n", first)
        assert found, (folder / "log").read_text()[-3000:]
        yield OpenEdx(found[1])
    finally:
        process.terminate()
        process.wait(_SECONDS)


def form_of(page: str) -> Form:
    """The form of a page that sends itself."""
    reader = _FormReader()
    reader.feed(page)
    return Form(reader.url, reader.fields)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "form":
            self.url = known.get("action") or ""
        elif tag == "input" and known.get("name"):
            self.fields[known["name"] or ""] = known.get("value") or ""
