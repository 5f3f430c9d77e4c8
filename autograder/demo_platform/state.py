"""What the platform knows: its course, people, links, tools and gradebook. All is in memory."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from autograder.demo_platform.dialect import Dialect, RefusalError
from autograder.demo_platform.gradebook import Gradebook, LineItem
from autograder.demo_platform.keys import PlatformKey, ToolKeys
from autograder.demo_platform.names import SCOPES
from autograder.demo_platform.people import Person

CLIENT_ID: Final = "demonstration"
DEPLOYMENT: Final = "1"
COURSE_ID: Final = "demonstration-course"
COURSE_TITLE: Final = "Deep Learning (demonstration)"
COURSE_LABEL: Final = "DEMO"
MESSAGE_SECONDS: Final = 3600.0
"""How long a message to a tool that was begun can be finished."""
_One = TypeVar("_One")


@dataclass(frozen=True)
class RegistrationFacts:
    """What a tool must know of a platform to be registered with it."""

    issuer: str
    client_id: str
    deployment: str
    auth_login_url: str
    auth_token_url: str
    key_set_url: str


def registration_facts(url: str) -> RegistrationFacts:
    """What the tool that the platform has from the start must know of it."""
    return RegistrationFacts(
        url, CLIENT_ID, DEPLOYMENT, f"{url}/auth", f"{url}/token", f"{url}/keys"
    )


@dataclass(frozen=True)
class Tool:
    """A registered tool."""

    client_id: str
    name: str
    login_url: str
    redirect_uris: tuple[str, ...]
    key_set_url: str
    target: str
    """Where its messages go that have no target of their own."""
    deep_linking_target: str
    scopes: frozenset[str] = frozenset(SCOPES)
    custom: Mapping[str, str] = field(default_factory=dict)
    """What goes with each of its messages; values that are variables are put in."""


@dataclass(frozen=True)
class NewLink:
    """A link to be put into the course; with a column in the gradebook if it has points."""

    title: str
    points: float | None = None
    url: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    """The column's name, if it is not the title."""
    resource: str = ""
    tag: str = ""


@dataclass(frozen=True)
class ResourceLink:
    """A link in the course that opens something of a tool's."""

    id: str
    client_id: str
    title: str
    url: str
    custom: Mapping[str, str]


@dataclass(frozen=True)
class Message:
    """A message to a tool that was begun; the tool gets its id as ``lti_message_hint``."""

    person: Person
    client_id: str
    link: ResourceLink | None
    """None for a deep linking request."""
    target: str
    document: str
    """``iframe`` or ``window``."""
    expires: float


@dataclass(frozen=True)
class Token:
    """What an access token lets a tool do, and until when."""

    client_id: str
    scopes: frozenset[str]
    expires: float


@dataclass
class Platform:
    """The platform's state."""

    url: str
    people: dict[str, Person]
    dialect: Dialect = field(default_factory=Dialect)
    clock: Callable[[], float] = time.time
    page_size: int = 100
    """Members or line items on a page of an answer."""
    token_seconds: int = 3600
    key: PlatformKey = field(default_factory=PlatformKey)
    tool_keys: ToolKeys = field(default_factory=ToolKeys)
    tools: dict[str, Tool] = field(default_factory=dict)
    links: dict[str, ResourceLink] = field(default_factory=dict)
    gradebook: Gradebook = field(default_factory=Gradebook)
    messages: dict[str, Message] = field(default_factory=dict)
    deep_linking: dict[str, str] = field(default_factory=dict)
    """The client_ids of deep linking requests that are to be answered, by their ``data``."""
    tokens: dict[str, Token] = field(default_factory=dict)
    assertions: dict[tuple[str, str], float] = field(default_factory=dict)
    """When assertions that were used expire, by their tool and ``jti``."""
    registration_tokens: dict[str, float] = field(default_factory=dict)
    """When dynamic registrations that were begun expire, by their token."""

    def person(self, person_id: str) -> Person:
        """Somebody by their id.

        Raises:
            RefusalError: there is nobody with this id.
        """
        return _found(self.people, person_id, "person")

    def link(self, link_id: str) -> ResourceLink:
        """A link by its id.

        Raises:
            RefusalError: there is no such link.
        """
        return _found(self.links, link_id, "link")

    def tool(self, client_id: str) -> Tool:
        """A tool by its client_id.

        Raises:
            RefusalError: there is no such tool.
        """
        return _found(self.tools, client_id, "tool")

    def add_link(self, tool: Tool, new: NewLink, link_id: str = "") -> ResourceLink:
        """Put a link into the course, and its column into the gradebook."""
        link = ResourceLink(
            link_id or secrets.token_hex(4), tool.client_id, new.title, new.url or tool.target,
            dict(new.custom),
        )  # fmt: skip
        self.links[link.id] = link
        if new.points is not None:
            item = LineItem(
                link.id, tool.client_id, new.label or new.title, new.points, new.resource, new.tag,
                link.id,
            )  # fmt: skip
            self.gradebook.items[item.id] = item
        return link

    def begin(self, person: Person, tool: Tool, link: ResourceLink | None, document: str) -> str:
        """Begin a message to a tool; its id."""
        now = self.clock()
        self.messages = {key: old for key, old in self.messages.items() if old.expires > now}
        target = tool.deep_linking_target if link is None else link.url
        message_id = secrets.token_urlsafe(16)
        self.messages[message_id] = Message(
            person, tool.client_id, link, target, document, now + MESSAGE_SECONDS
        )
        return message_id

    def item_url(self, item: LineItem, then: str = "") -> str:
        """The URL of a line item, or of what is under it."""
        query = self.dialect.item_query
        return f"{self.items_url}/{item.id}{then}" + (f"?{query}" if query else "")

    @property
    def items_url(self) -> str:
        """The URL of the container of all line items."""
        return f"{self.url}/course/line-items"

    @property
    def members_url(self) -> str:
        """The URL of the roster."""
        return f"{self.url}/course/members"


def is_loopback(host: str | None) -> bool:
    """Whether a name or an address is this machine and nothing else."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_url(url: str, what: str) -> None:
    """Refuse a URL that is not of this machine.

    Raises:
        RefusalError: it is not.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not is_loopback(host):
        raise RefusalError(
            400, f"{what} must be an http URL of this machine (127.0.0.1 or localhost), not {url!r}"
        )


def strings(value: Any) -> list[str]:
    """The texts in a JSON value that should be a list of them; none if it is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def texts(value: Any) -> dict[str, str]:
    """The texts in a JSON value that should be an object of them; none if it is no object."""
    return {name: str(one) for name, one in value.items()} if isinstance(value, dict) else {}


def _found(among: Mapping[str, _One], key: str, what: str) -> _One:
    if key not in among:
        raise RefusalError(404, f"there is no {what} {key!r}")
    return among[key]
