"""The services of a platform: scores and results, line items, and the roster.

IMS: LTI Assignment and Grade Services 2.0, Names and Role Provisioning Services 2.0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import requests
from sqlalchemy import Engine

from autograder.lms.addresses import is_safe, origin_of
from autograder.lms.database import reading
from autograder.lms.lti.keys import Keys
from autograder.lms.outgoing import Outgoing, reason_of
from autograder.lms.schema import Registration
from autograder.lms.services.ags import Answer, NoAnswerError, Result, Score
from autograder.lms.services.replies import RefusedError, Reply, number_in, reply_of, text_in
from autograder.lms.services.tokens import Client, TokenRefusedError, Tokens

SCORE_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
RESULT_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly"
LINE_ITEM_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem"
LINE_ITEM_READING_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly"
MEMBERS_SCOPE: Final = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
CANVAS: Final = "canvas"
"""Canvas's ``product_family_code``."""

_SCORE_TYPE: Final = "application/vnd.ims.lis.v1.score+json"
_RESULTS_TYPE: Final = "application/vnd.ims.lis.v2.resultcontainer+json"
_LINE_ITEM_TYPE: Final = "application/vnd.ims.lis.v2.lineitem+json"
_LINE_ITEMS_TYPE: Final = "application/vnd.ims.lis.v2.lineitemcontainer+json"
_MEMBERS_TYPE: Final = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
_CANVAS_SUBMISSION: Final = "https://canvas.instructure.com/lti/submission"
_NOT_READABLE: Final = frozenset({403, 404, 405, 410})


@dataclass(frozen=True)
class LineItem:
    """A column of a platform's gradebook."""

    label: str
    maximum: float
    url: str = ""
    """Empty until the platform has made it."""
    resource: str = ""
    """``resourceId``: what it is of, as the tool calls it."""
    tag: str = ""
    link: str = ""
    """``resourceLinkId``: the resource link that it is of; empty if it is of none."""


@dataclass(frozen=True)
class Member:
    """A user of a platform's course; what the platform does not tell is empty."""

    user: str
    roles: tuple[str, ...]
    active: bool = True
    name: str = ""
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    person: str = ""
    """``lis_person_sourcedid``."""
    login: str = ""


@dataclass(frozen=True)
class _Request:
    """What is asked of a service."""

    method: str
    url: str
    scope: str
    accept: str
    content_type: str = ""
    body: Mapping[str, Any] | None = None


class PlatformServices:
    """The services of one platform, for one registration; threads may share it."""

    most_pages = 10_000
    """After so many pages, a container is one without an end."""

    def __init__(
        self, client: Client, keys: Keys, session: Callable[[], Outgoing] = Outgoing
    ) -> None:
        """Ask nothing yet.

        Args:
            client: who this tool is there.
            keys: the tool's keys.
            session: makes what requests are sent with.
        """
        self.client = client
        self._session = session()
        self._tokens = Tokens(client, keys, session)

    # Scores

    def post(self, line_item: str, score: Score) -> Answer:
        """Send a score.

        Raises:
            NoAnswerError: no answer came.
        """
        body: dict[str, Any] = {
            "userId": score.user,
            "scoreGiven": score.given,
            "scoreMaximum": score.maximum,
            "timestamp": _iso(score.timestamp),
            "activityProgress": "Completed",
            "gradingProgress": "FullyGraded",
        }
        if score.comment:
            body["comment"] = score.comment
        if self.client.product == CANVAS:
            body[_CANVAS_SUBMISSION] = {"new_submission": score.new_submission}
        url = _below(line_item, "scores")
        try:
            return self._ask(_Request("POST", url, SCORE_SCOPE, "*/*", _SCORE_TYPE, body)).answer
        except TokenRefusedError as error:
            if not error.of_scope:
                raise
            return Answer(403, str(error))  # which time does not change

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        """What the platform has for a user; nothing where it lets nobody read that.

        Then a score whose fate nobody knows is sent again, which does no harm.

        Raises:
            NoAnswerError: no answer came, or none that says it.
        """
        try:
            return self.read_results(line_item, user)
        except TokenRefusedError as error:
            if not error.of_scope:
                raise
        except RefusedError as error:
            if error.answer.status not in _NOT_READABLE:
                raise
        return []

    def read_results(self, line_item: str, user: str = "") -> list[Result]:
        """What the platform has for a user, or for all.

        Raises:
            NoAnswerError: no answer came, or none that says it.
        """
        url = _below(line_item, "results")
        if user:
            url = _with_query(url, user_id=user)
        return [
            Result(number_in(one.get("resultScore")), number_in(one.get("resultMaximum")))
            for page in self._pages(url, RESULT_SCOPE, _RESULTS_TYPE)
            for one in page.objects()
            if not user or str(one.get("userId", user)) == user  # Open edX answers all users'
        ]

    # Line items

    def line_items(self, container: str, *, reading_only: bool = False) -> list[LineItem]:
        """The line items that this tool may see.

        Args:
            container: the URL of a course's line items.
            reading_only: whether the platform lets the tool read them but not make any.

        Raises:
            NoAnswerError: the platform does not answer, or does not let us read them.
        """
        scope = LINE_ITEM_READING_SCOPE if reading_only else LINE_ITEM_SCOPE
        pages = self._pages(container, scope, _LINE_ITEMS_TYPE)
        return [_line_item(one, page.url) for page in pages for one in page.objects()]

    def line_item(self, url: str, *, reading_only: bool = False) -> LineItem:
        """A line item.

        Args:
            url: it.
            reading_only: whether the platform lets the tool read line items but not make any.

        Raises:
            NoAnswerError: the platform does not answer, or does not let us read it.
        """
        scope = LINE_ITEM_READING_SCOPE if reading_only else LINE_ITEM_SCOPE
        return _line_item(
            self._required(_Request("GET", url, scope, _LINE_ITEM_TYPE)).object(), url
        )

    def create_line_item(self, container: str, item: LineItem) -> LineItem:
        """Make a line item, and say which the platform has made.

        Args:
            container: the URL of a course's line items.
            item: it; its ``url`` is the platform's to give.

        Raises:
            NoAnswerError: the platform does not answer, or refuses.
        """
        told = {
            "label": item.label,
            "scoreMaximum": _plain(item.maximum),
            "resourceId": item.resource,
            "tag": item.tag,
            "resourceLinkId": item.link,
        }
        body = {name: value for name, value in told.items() if value != ""}
        reply = self._required(
            _Request("POST", container, LINE_ITEM_SCOPE, _LINE_ITEM_TYPE, _LINE_ITEM_TYPE, body)
        )
        made = _line_item({**body, **reply.object()}, container)
        if not made.url and reply.headers.get("Location"):
            made = replace(made, url=_address(reply.headers["Location"], container))
        if not made.url:
            raise reply.refused("answers a line item without its address")
        return made

    def update_line_item(
        self, url: str, *, label: str | None = None, maximum: float | None = None
    ) -> LineItem:
        """Change a line item, all else of which stays.

        Args:
            url: it.
            label: its new name, if it is to have one.
            maximum: its new points, if it is to have others.

        Raises:
            NoAnswerError: the platform does not answer, or refuses.
        """
        told = self._required(_Request("GET", url, LINE_ITEM_SCOPE, _LINE_ITEM_TYPE)).object()
        if label is not None:
            told["label"] = label
        if maximum is not None:
            told["scoreMaximum"] = _plain(maximum)
        # Open edX tells null for what is not set, and refuses to be told so.
        body = {name: value for name, value in told.items() if value is not None}
        reply = self._required(
            _Request("PUT", url, LINE_ITEM_SCOPE, _LINE_ITEM_TYPE, _LINE_ITEM_TYPE, body)
        )
        return _line_item({**body, **(reply.object() if reply.body else {})}, url)

    # Roster

    def members(self, memberships: str, link: str = "") -> list[Member]:
        """The roster of a course.

        Args:
            memberships: the URL of the course's memberships.
            link: a resource link, for those only who may open it; empty for the whole course.

        Raises:
            NoAnswerError: the platform does not answer, or not the whole roster.
        """
        url = _with_query(memberships, rlid=link) if link else memberships
        found = []
        for page in self._pages(url, MEMBERS_SCOPE, _MEMBERS_TYPE):
            members = page.object().get("members")
            if not isinstance(members, list):
                raise page.refused("answers no list of members")
            found += [_member(one) for one in members if isinstance(one, dict)]
        return [member for member in found if member.user]

    # Requests

    def drop_token(self) -> None:
        """Forget the access tokens, so that the next requests get new ones."""
        self._tokens.drop()

    def token(self, scope: str) -> str:
        """An access token of a scope.

        Raises:
            TokenRefusedError: the platform gives none.
            NoAnswerError: it does not answer.
        """
        return self._tokens.get(scope).text

    def _ask(self, request: _Request) -> Reply:
        """Send a request with a token, and take what comes back.

        Raises:
            NoAnswerError: nothing comes back.
        """
        token = self._tokens.get(request.scope)
        headers = {"Authorization": f"Bearer {token.text}", "Accept": request.accept}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        data = None if request.body is None else json.dumps(request.body).encode()
        try:
            response = self._session.request(
                request.method, request.url, headers=headers, data=data
            )
        except requests.RequestException as error:
            raise NoAnswerError(f"{request.url}: {reason_of(error)}") from error
        reply = reply_of(response, request.url)
        if reply.answer.status == 403 and not token.is_new:
            # Open edX says so to a token that has expired, for which others have 401.
            return replace(reply, answer=replace(reply.answer, status=401))
        return reply

    def _required(self, request: _Request) -> Reply:
        """What comes back; if the token was no longer good, for a new one.

        Raises:
            NoAnswerError: nothing, or not what is asked.
        """
        reply = self._ask(request)
        if reply.answer.status == 401:
            self.drop_token()
            reply = self._ask(request)
        return reply.required()

    def _pages(self, url: str, scope: str, media_type: str) -> Iterator[Reply]:
        """All pages of a container, the first of which is at a URL.

        Raises:
            NoAnswerError: not all can be had.
        """
        seen: set[str] = set()
        following: str | None = url
        while following:
            seen.add(following)
            page = self._required(_Request("GET", following, scope, media_type))
            yield page
            following = page.next_page()
            if following in seen or len(seen) >= self.most_pages:
                raise page.refused("is one of pages without an end")
            if following and origin_of(following) != origin_of(url):
                raise page.refused(f"has its next page on another server: {following}")


class _Removed(PlatformServices):
    """The services of a platform whose registration was removed: it is not asked any more."""

    def _ask(self, request: _Request) -> Reply:
        told = "the platform's registration was removed; register it again"
        return Reply(request.url, Answer(410, told))


def services(engine: Engine, keys: Keys) -> Callable[[int], PlatformServices]:
    """The services of registrations, by their ids, which keep tokens and connections.

    Args:
        engine: the database.
        keys: the tool's keys.
    """
    made: dict[int, PlatformServices] = {}

    def of(registration: int) -> PlatformServices:
        with reading(engine) as session:
            row = session.get(Registration, registration)
        if row is None:
            made.pop(registration, None)
            return _Removed(Client(registration, "", ""), keys)
        client = Client(
            registration, row.client_id, row.auth_token_url, row.auth_audience, row.product.lower()
        )
        known = made.get(registration)
        if known is None or known.client != client:
            known = made[registration] = PlatformServices(client, keys)
        return known

    return of


# What is sent and what comes back


def _iso(milliseconds: int) -> str:
    """A time as ISO 8601 has it, with milliseconds, in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def _below(line_item: str, name: str) -> str:
    """A URL below a line item's, whose query, such as Moodle's, stays at the end."""
    parts = urlsplit(line_item)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def _with_query(url: str, **values: str) -> str:
    """A URL with more in its query."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, True) if pair[0] not in values]
    query = urlencode([*kept, *values.items()], quote_via=quote)
    return urlunsplit(parts._replace(query=query))


def _plain(points: float) -> float | int:
    """A whole number without a fraction: Open edX takes no others."""
    return int(points) if points == int(points) else points


def _line_item(told: Mapping[str, Any], base: str) -> LineItem:
    return LineItem(
        label=text_in(told, "label"),
        maximum=number_in(told.get("scoreMaximum")) or 0.0,
        url=_address(text_in(told, "id"), base),
        resource=text_in(told, "resourceId"),
        tag=text_in(told, "tag"),
        link=text_in(told, "resourceLinkId", "ltiLinkId"),
    )


def _address(told: str, base: str) -> str:
    """The address that a platform tells; empty where it tells none that can be used."""
    try:
        url = urljoin(base, told) if told else ""
    except ValueError:
        return ""
    return url if is_safe(url) else ""


def _member(told: Mapping[str, Any]) -> Member:
    roles = told.get("roles")
    return Member(
        user=text_in(told, "user_id"),
        roles=tuple(str(role) for role in roles) if isinstance(roles, list) else (),
        active=text_in(told, "status").lower() in ("", "active"),
        name=text_in(told, "name"),
        given_name=text_in(told, "given_name"),
        family_name=text_in(told, "family_name"),
        email=text_in(told, "email"),
        person=text_in(told, "lis_person_sourcedid"),
        login=text_in(told, "ext_user_username", "preferred_username"),
    )
