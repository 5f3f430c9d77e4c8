"""Released scores on their way to the LMS: each arrives once, and stays right.

The rows are the truth: whatever is killed, a score that was released is delivered later. Before
each request the timestamp that it carries is stored, so that a later one is always later for the
platform as well. What the platform may have stored without saying so is read back before it is sent
again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from autograder.lms.database import reading, writing
from autograder.lms.schema import LONGEST_ERROR, Delivery
from autograder.lms.services.ags import Answer, NoAnswerError, Score, ScoreService

_SECOND: Final = 1000
"""Milliseconds: the resolution of timestamps in Moodle."""
_FIRST_WAIT: Final = 5.0
_LONGEST_WAIT: Final = 3600.0
_TIMESTAMPS: Final = 8
"""How many later timestamps are tried at once where a platform finds one too old."""
_STOPS: Final = frozenset({400, 403, 404, 405, 410, 413, 415, 422})
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """Whose score of what."""

    registration: int
    deployment: str
    line_item: str
    user: str


def release(session: Session, key: Key, given: float, maximum: float, comment: str = "") -> None:
    """Put a score into the place of the one that was released before, within a transaction.

    Raises:
        ValueError: ``maximum`` is not positive.
    """
    if maximum <= 0:
        raise ValueError(f"a score of {maximum} points at most cannot be delivered")
    row = session.scalar(_of(key).with_for_update())
    if row is None:
        row = Delivery(**vars(key), release=0)
        session.add(row)
    row.given, row.maximum, row.comment = given, maximum, comment
    row.release += 1
    row.state, row.tries, row.next_try, row.error = "due", 0, 0.0, ""


def move(session: Session, registration: int, before: str, after: str) -> None:
    """Send the scores of a line item that is gone to another one, within a transaction."""
    rows = session.scalars(
        select(Delivery).where(Delivery.registration == registration, Delivery.line_item == before)
    ).all()
    for row in rows:
        key = Key(registration, row.deployment, after, row.user)
        release(session, key, row.given, row.maximum, row.comment)
        session.delete(row)


class Outbox:
    """Takes released scores and delivers them; one at a time may deliver."""

    def __init__(
        self,
        engine: Engine,
        service: Callable[[int], ScoreService],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Remember what it needs.

        Args:
            engine: the database with the tables of ``schema``.
            service: the score service of a registration.
            clock: the time, in seconds since 1970.
        """
        self._engine = engine
        self._service = service
        self._clock = clock

    def release(self, key: Key, given: float, maximum: float, comment: str = "") -> None:
        """Put a score into the place of the one that was released before, if there was one.

        Raises:
            ValueError: ``maximum`` is not positive.
        """
        with writing(self._engine) as session:
            release(session, key, given, maximum, comment)

    def retry(self, key: Key) -> None:
        """Try a delivery again that was stopped, or is waiting.

        Raises:
            LookupError: nothing was released for this key.
        """
        with writing(self._engine) as session:
            row = session.scalar(_of(key).with_for_update())
            if row is None:
                raise LookupError(f"no score was released for {key}")
            row.state, row.tries, row.next_try = "due", 0, 0.0

    def deliver(self, most: int = 100) -> int:
        """Try what is due; how many rows that were."""
        with reading(self._engine) as session:
            due = select(Delivery.id).where(
                Delivery.state == "due", Delivery.next_try <= self._clock()
            )
            ids = session.scalars(due.order_by(Delivery.next_try).limit(most)).all()
        for row_id in ids:
            self._deliver(row_id)
        return len(ids)

    def next_due(self) -> float | None:
        """When the next delivery is due, None if there is none."""
        with reading(self._engine) as session:
            due = select(Delivery.next_try).where(Delivery.state == "due")
            return session.scalar(due.order_by(Delivery.next_try).limit(1))

    def _deliver(self, row_id: int) -> None:
        with reading(self._engine) as session:
            row = session.get(Delivery, row_id)
        if row is None:  # its platform was removed
            return
        attempt = _Attempt(self._engine, row, self._service, self._clock)
        with suppress(_OutOfDateError):
            try:
                attempt.run()
            except DBAPIError:  # ours: nothing can be noted now, and nothing else delivered
                raise
            except Exception as error:  # the others must not wait for what one platform answers
                _log.exception("delivery %d is tried again later", row_id)
                attempt.wait(f"the platform's answer cannot be used: {type(error).__name__}", None)


class _OutOfDateError(Exception):
    """The delivery was removed, or another score has taken its place."""


class _Attempt:
    """One try of one delivery; no transaction is open while the platform is asked."""

    def __init__(
        self,
        engine: Engine,
        row: Delivery,
        service: Callable[[int], ScoreService],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._row = row
        """As it was at the beginning."""
        self._service_of = service
        self._clock = clock

    def run(self) -> None:
        """Deliver the score, or say when to try again, or that a teacher must look.

        Raises:
            _OutOfDateError: it is not to be delivered any more.
        """
        try:
            self._try()
        except NoAnswerError as error:
            self.wait(str(error) or "no answer", None)

    def _try(self) -> None:
        service = self._service_of(self._row.registration)
        if self._row.uncertain and self._has_arrived(service):
            self._end()
            return
        fresh_token = False
        for _ in range(_TIMESTAMPS):
            answer = self._post(service)
            if answer.status == 401 and not fresh_token:
                service.drop_token()
                fresh_token = True
            elif not _finds_it_too_old(answer):
                self._take(answer)
                return
            elif self._has_arrived(service):
                self._end()
                return
        self.wait("the platform has a score with a later timestamp", None)

    def _has_arrived(self, service: ScoreService) -> bool:
        """Whether the platform has this score already."""
        row = self._row
        results = service.results(row.line_item, row.user)
        return any(result.is_same(row.given, row.maximum) for result in results)

    def _post(self, service: ScoreService) -> Answer:
        """Send it with a timestamp that is later than any before, which is stored first."""
        with self._writing() as row:
            row.sent_at = max(int(self._clock() * _SECOND), row.sent_at + _SECOND)
            row.uncertain = True
        score = Score(
            row.user, row.given, row.maximum, row.comment, row.sent_at, new_submission=False
        )
        return service.post(row.line_item, score)

    def _take(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            self._end()
        elif answer.status in _STOPS:
            self._end(f"{answer.status}: {answer.text}")
        else:
            self.wait(f"{answer.status}: {answer.text}", answer.retry_after)

    def _end(self, error: str = "") -> None:
        """Take note that it was delivered, or with an error that it stopped."""
        with self._writing() as row:
            row.state = "stopped" if error else "delivered"
            row.error = _as_text(error)
            row.uncertain, row.tries = False, 0

    def wait(self, error: str, retry_after: float | None) -> None:
        """Try again later: at first soon, then less and less often.

        Raises:
            _OutOfDateError: it is not to be delivered any more.
        """
        with self._writing() as row:
            wait = min(_FIRST_WAIT * 2.0**row.tries, _LONGEST_WAIT) * random.uniform(0.5, 1.0)
            row.tries += 1
            row.next_try = self._clock() + max(wait, retry_after or 0.0)
            row.error = _as_text(error)

    @contextmanager
    def _writing(self) -> Iterator[Delivery]:
        """The delivery as it is now, to be changed.

        Raises:
            _OutOfDateError: it was removed, or another score was released meanwhile.
        """
        with writing(self._engine) as session:
            row = session.get(Delivery, self._row.id)
            if row is None or row.release != self._row.release:
                raise _OutOfDateError
            yield row


def _as_text(error: str) -> str:
    """What a platform says, as every database takes it."""
    return error.replace("\0", "")[:LONGEST_ERROR]


def _finds_it_too_old(answer: Answer) -> bool:
    """Whether a platform has a score with this or a later timestamp: 409, in Open edX a 400."""
    if answer.status == 409:
        return True
    return answer.status == 400 and "timestamp" in answer.text.lower()


def _of(key: Key) -> Select[Delivery]:
    return select(Delivery).where(
        Delivery.registration == key.registration,
        Delivery.deployment == key.deployment,
        Delivery.line_item == key.line_item,
        Delivery.user == key.user,
    )
