"""Released scores on their way to the LMS: each arrives once, and stays right.

The rows are the truth: whatever is killed, a score that was released is delivered later. Before
each request the timestamp that it carries is stored, so that a later one is always later for the
platform as well. What the platform may have stored without saying so is read back before it is sent
again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, Select, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from autograder.lms.database import writing
from autograder.lms.schema import LONGEST_ERROR, Delivery
from autograder.lms.services.ags import Answer, NoAnswerError, Score, ScoreService

_SECOND: Final = 1000
"""Milliseconds: the resolution of timestamps in Moodle."""
_FIRST_WAIT: Final = 5.0
_LONGEST_WAIT: Final = 3600.0
_TIMESTAMPS: Final = 8
"""How many later timestamps are tried at once where a platform finds one too old."""
_STOPS: Final = frozenset({400, 403, 404, 405, 410, 413, 415, 422})
_BUSY: Final = frozenset({408, 425, 429})


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
        with Session(self._engine) as session:
            due = select(Delivery.id).where(
                Delivery.state == "due", Delivery.next_try <= self._clock()
            )
            ids = session.scalars(due.order_by(Delivery.next_try).limit(most)).all()
        for row_id in ids:
            self._deliver(row_id)
        return len(ids)

    def next_due(self) -> float | None:
        """When the next delivery is due, None if there is none."""
        with Session(self._engine) as session:
            due = select(Delivery.next_try).where(Delivery.state == "due")
            return session.scalar(due.order_by(Delivery.next_try).limit(1))

    def _deliver(self, row_id: int) -> None:
        with Session(self._engine, expire_on_commit=False) as session:
            row = session.get(Delivery, row_id)
            if row is None:  # its platform was removed
                return
            with suppress(InvalidRequestError, StaleDataError):  # it was removed meanwhile
                _Attempt(session, row, self._service(row.registration), self._clock).run()


class _Attempt:
    """One try of one delivery."""

    def __init__(
        self, session: Session, row: Delivery, service: ScoreService, clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._row = row
        self._release = row.release
        self._service = service
        self._clock = clock

    def run(self) -> None:
        """Deliver the score, or say when to try again, or that a teacher must look."""
        row = self._row
        try:
            if row.uncertain and self._has_arrived():
                self._end("delivered")
                return
            fresh_token = False
            for _ in range(_TIMESTAMPS):
                answer = self._post()
                if answer.status == 401 and not fresh_token:
                    self._service.drop_token()
                    fresh_token = True
                elif not _finds_it_too_old(answer):
                    self._take(answer)
                    return
                elif self._has_arrived():
                    self._end("delivered")
                    return
            self._wait("the platform has a score with a later timestamp", None)
        except NoAnswerError as error:
            self._wait(str(error) or "no answer", None)

    def _has_arrived(self) -> bool:
        """Whether the platform has this score already."""
        row = self._row
        results = self._service.results(row.line_item, row.user)
        return any(result.is_same(row.given, row.maximum) for result in results)

    def _post(self) -> Answer:
        """Send it with a timestamp that is later than any before, which is stored first."""
        row = self._row
        row.sent_at = max(int(self._clock() * _SECOND), row.sent_at + _SECOND)
        row.uncertain = True
        self._session.commit()
        score = Score(
            row.user, row.given, row.maximum, row.comment, row.sent_at, new_submission=False
        )
        return self._service.post(row.line_item, score)

    def _take(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            self._end("delivered")
        elif answer.status in _STOPS:
            self._row.error = f"{answer.status}: {answer.text}"[:LONGEST_ERROR]
            self._end("stopped")
        else:
            self._wait(f"{answer.status}: {answer.text}", answer.retry_after)

    def _end(self, state: str) -> None:
        """Take note of how it ended, unless another score was released meanwhile."""
        row = self._row
        error, sent_at = row.error, row.sent_at
        self._session.rollback()
        self._session.refresh(row, with_for_update=True)
        row.sent_at = max(row.sent_at, sent_at)
        if row.release == self._release:
            row.state = "stopped" if state == "stopped" else "delivered"
            row.error = error if state == "stopped" else ""
            row.uncertain, row.tries = False, 0
        self._session.commit()

    def _wait(self, error: str, retry_after: float | None) -> None:
        """Try again later: at first soon, then less and less often."""
        row = self._row
        self._session.rollback()
        self._session.refresh(row, with_for_update=True)
        if row.release == self._release:
            wait = min(_FIRST_WAIT * 2.0**row.tries, _LONGEST_WAIT) * random.uniform(0.5, 1.0)
            row.tries += 1
            row.next_try = self._clock() + max(wait, retry_after or 0.0)
            row.error = error[:LONGEST_ERROR]
        self._session.commit()


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
