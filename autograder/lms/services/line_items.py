"""The line item of a resource link: the column of the LMS's gradebook that scores go to."""

import math
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine, or_, select

from autograder.lms.database import reading, writing
from autograder.lms.schema import Context, Delivery, Link
from autograder.lms.services import outbox
from autograder.lms.services.ags import NoAnswerError
from autograder.lms.services.platform import (
    LINE_ITEM_READING_SCOPE,
    LINE_ITEM_SCOPE,
    LineItem,
    PlatformServices,
)
from autograder.lms.services.replies import RefusedError

TAG: Final = "grade"
_LONGEST_LABEL: Final = 100
"""Open edX's; Moodle breaks at 256."""
_GONE: Final = frozenset({404, 410})
_one_at_a_time = threading.Lock()


class LineItemError(Exception):
    """There is no line item and none can be had; the message says why and how to mend it."""


def ensure_line_item(
    engine: Engine,
    services: Callable[[int], PlatformServices],
    link_id: int,
    points: float,
) -> str:
    """The URL of a link's line item, which is made if there is none.

    The launch's is taken as it is. One that was made here gets the points that the assignment has
    now. Its maximum is a whole number, as Open edX takes no others; scores keep their own. One that
    the platform has no more is replaced, and the scores that were to go there go to the new one.

    Args:
        engine: the database.
        services: the services of a registration.
        link_id: the link, which has an assignment.
        points: the most that can be had in the assignment.

    Raises:
        LineItemError: the platform has none for the link and lets us make none, or does not answer.
    """
    with _one_at_a_time:
        link, context, may_be_gone = _read(engine, link_id)
        maximum = float(max(1, math.ceil(points)))
        if link.line_item and not may_be_gone and link.maximum in (None, maximum):
            return link.line_item
        ways = _Ways(services(context.registration_id), link, context, maximum)
        try:
            item, ours = ways.known() or ways.found() or ways.made()
        except NoAnswerError as error:
            raise LineItemError(
                f"the LMS gives the link {link.title or link.resource_link!r} no line item: {error}"
            ) from error
        return _store(engine, link, context, item, ours)


def _read(engine: Engine, link_id: int) -> tuple[Link, Context, bool]:
    """The link, its course, and whether a platform has said that it has the line item no more."""
    with reading(engine) as session:
        link = session.get(Link, link_id)
        if link is None:
            raise LineItemError(f"there is no link {link_id}")
        context = session.get(Context, link.context_id)
        assert context is not None
        stopped = select(Delivery.id).where(
            Delivery.registration == context.registration_id,
            Delivery.line_item == link.line_item,
            Delivery.state == "stopped",
            or_(*(Delivery.error.like(f"{status}:%") for status in _GONE)),
        )
        may_be_gone = session.scalar(stopped.limit(1)) is not None
    if not link.assignment:
        raise LineItemError(f"the link {link.title or link_id!r} opens no assignment yet")
    return link, context, may_be_gone


def _store(engine: Engine, before: Link, context: Context, item: LineItem, ours: bool) -> str:
    """Keep a line item, unless a launch has brought one meanwhile."""
    with writing(engine) as session:
        link = session.get(Link, before.id)
        if link is None:
            raise LineItemError(f"the link {before.id} was removed")
        if link.line_item == before.line_item:
            link.line_item = item.url
            link.maximum = item.maximum if ours else None
            if before.line_item and before.line_item != item.url:
                outbox.move(session, context.registration_id, before.line_item, item.url)
        return link.line_item


class _Ways:
    """The ways to a line item; each answers it and whether it was made here, or None."""

    def __init__(
        self, services: PlatformServices, link: Link, context: Context, maximum: float
    ) -> None:
        self._services = services
        self._link = link
        self._maximum = maximum
        self._container = link.line_items_url or context.line_items_url
        self._may_make = LINE_ITEM_SCOPE in context.scopes
        self._may_read = self._may_make or LINE_ITEM_READING_SCOPE in context.scopes

    def known(self) -> tuple[LineItem, bool] | None:
        """The one that we know of, if the platform has it still."""
        url, ours = self._link.line_item, self._link.maximum is not None
        if not url:
            return None
        if not self._may_read:
            return LineItem("", self._maximum, url), ours
        try:
            item = self._services.line_item(url, reading_only=not self._may_make)
        except RefusedError as error:
            if error.answer.status in _GONE:
                return None
            raise
        return self._with_points(item, url) if ours else LineItem("", 0.0, url), ours

    def found(self) -> tuple[LineItem, bool] | None:
        """One that the platform has for the link: made here before, or its own."""
        if not self._may_read or not self._container:
            return None
        all_items = self._services.line_items(self._container, reading_only=not self._may_make)
        items = [one for one in all_items if one.url and one.link == self._link.resource_link]
        for item in items:
            if item.resource == self._link.assignment and item.tag == TAG:
                return self._with_points(item, item.url), True
        others = [one for one in items if one.tag == TAG and one.resource]
        items = [one for one in items if one not in others]  # what was made for other assignments
        return (items[0], False) if len(items) == 1 else None

    def made(self) -> tuple[LineItem, bool]:
        """A new one.

        Raises:
            LineItemError: the platform lets us make none.
        """
        if not self._may_make or not self._container:
            raise LineItemError(
                f"the LMS has no column in its gradebook for {self._link.assignment!r} and does "
                "not let this tool make one: make the activity a graded one in the LMS, or let the "
                "tool manage line items in its settings there, and open it once more"
            )
        item = LineItem(
            label=(self._link.title or self._link.assignment)[:_LONGEST_LABEL],
            maximum=self._maximum,
            resource=self._link.assignment,
            tag=TAG,
            link=self._link.resource_link,
        )
        made = self._services.create_line_item(self._container, item)
        return LineItem(made.label, self._maximum, made.url), True

    def _with_points(self, item: LineItem, url: str) -> LineItem:
        """One that was made here, with the points that it has to have."""
        if item.maximum != self._maximum and self._may_make:
            self._services.update_line_item(url, maximum=self._maximum)
            return LineItem(item.label, self._maximum, url)
        return LineItem(item.label, item.maximum, url)
