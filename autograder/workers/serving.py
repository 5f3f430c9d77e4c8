"""What is handed in through an LMS, graded by workers: as ``autograder.pool.serve`` does it."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Final

from autograder import pool
from autograder.bridge.course import Course, CourseError, Summary
from autograder.bridge.handin import HandIn, Marked, held_inputs, place
from autograder.bridge.parcels import ParcelError, pack_files
from autograder.bridge.record import digest
from autograder.bridge.sending import hand_in_facts, keep_graded
from autograder.workers import queue, remote
from autograder.workers.bundle import make_bundle
from autograder.workers.queue import Ended, Parcel
from autograder.workers.remote import Queue

_AHEAD: Final = 2
"""So many submissions are queued for each place of a worker, that none waits for more."""
_FEWEST: Final = 16
_LOOK_SECONDS: Final = 0.5
_PLACES_SECONDS: Final = 5.0
_Answer = tuple[HandIn, Summary]


def serving(opened: Queue) -> pool.Serving:
    """What has attempts graded by workers, as ``autograder.pool.serve`` has them here.

    What was queued when it stops is taken up by the next start: the same attempt is not queued
    twice. The processes here only write feedback anew, which no worker does.

    Args:
        opened: the queue of the course.
    """

    def serve(
        course: Course,
        jobs: int,
        more: Callable[[int], Iterable[HandIn]],
        stopping: Callable[[], bool],
        bell: pool.Bell,
    ) -> Generator[_Answer | None, None, None]:
        service = _Service(opened, course, more)
        pages = pool.serve(course, jobs, service.pages, stopping, bell)
        with closing(pages):
            for ended in pages:
                if ended is not None:
                    yield ended
                yield from service.answers()

    return serve


class _Service:
    def __init__(
        self, opened: Queue, course: Course, more: Callable[[int], Iterable[HandIn]]
    ) -> None:
        self._opened = opened
        self._course = course
        self._more = more
        self._queued: dict[int, HandIn] = {}
        self._pages: deque[HandIn] = deque()
        """Of which only the feedback is to be written, here."""
        self._answers: deque[tuple[_Answer, int | None]] = deque()
        """What came of attempts, and what the queue can drop when the service has it."""
        self._looks_at = 0.0
        self._counts_at = 0.0
        self._room = _FEWEST
        self._held = ""
        self._bundle = ""

    def pages(self, most: int) -> list[HandIn]:
        """What the process here is to do, and meanwhile queue what is for workers."""
        self._queue()
        return [self._pages.popleft() for _ in range(min(most, len(self._pages)))]

    def answers(self) -> Iterable[_Answer]:
        """What has come of attempts since the last time."""
        self._queue()
        if self._queued and time.monotonic() >= self._looks_at:
            self._looks_at = time.monotonic() + _LOOK_SECONDS
            self._collect()
        told: list[int] = []
        while self._answers:
            answer, number = self._answers.popleft()
            yield answer
            if number is not None:
                told.append(number)
        if told:  # only now: what a kill keeps from being stored is there at the next start
            queue.collect(self._opened.engine, told)

    def _queue(self) -> None:
        """Queue as much as workers have room for."""
        room = self._room_now() - len(self._queued)
        if room <= 0:
            return
        parcels: list[tuple[HandIn, Parcel]] = []
        for hand_in in self._more(room):
            if hand_in.notebooks:
                parcels.append((hand_in, self._parcel(hand_in)))
            else:
                self._pages.append(hand_in)
        for again in (False, True):
            some = [one for one in parcels if one[0].force == again]
            if some:
                self._send(some, again)

    def _room_now(self) -> int:
        if time.monotonic() >= self._counts_at:
            self._counts_at = time.monotonic() + _PLACES_SECONDS
            places = sum(count for _name, count, _no in queue.workers(
                self._opened.engine, remote.SILENT_SECONDS
            ))  # fmt: skip
            self._room = max(_FEWEST, _AHEAD * places)
        return self._room

    def _parcel(self, hand_in: HandIn) -> Parcel:
        content, facts = pack_files(hand_in.notebooks), hand_in_facts(hand_in)
        inputs = digest(facts, self._version(), *map(repr, sorted(hand_in.notebooks.items())))
        return Parcel(hand_in.assignment, hand_in.student, inputs, inputs, content, facts)

    def _version(self) -> str:
        """The hash of the course as it is now, which workers can fetch."""
        if (held := held_inputs(self._course)) != self._held:
            self._course.forget_inputs()
            made, is_first = make_bundle(self._course), not self._bundle
            self._bundle, self._held = queue.send_bundle(self._opened.engine, made), held
            if is_first:
                remote.require_own_names(self._opened, self._course.assignments())
                # What waits in the version of an earlier start, nobody may grade any more.
                queue.withdraw_attempts(self._opened.engine, self._opened.name, self._bundle)
        return self._bundle

    def _send(self, some: list[tuple[HandIn, Parcel]], again: bool) -> None:
        numbers = queue.enqueue(
            self._opened.engine, self._opened.app, self._opened.name, self._bundle,
            [parcel for _hand_in, parcel in some],
            urgency=queue.AGAIN if again else queue.STUDENT_WAITS, again=again,
        )  # fmt: skip
        self._queued |= dict(zip(numbers, (one for one, _parcel in some), strict=True))

    def _collect(self) -> None:
        for one in queue.ended(self._opened.engine, self._queued, _FEWEST):
            hand_in = self._queued.pop(one.id)
            summary, is_kept = self._keep(hand_in, one)
            self._answers.append(((hand_in, summary), one.id if is_kept else None))

    def _keep(self, hand_in: HandIn, one: Ended) -> tuple[Summary, bool]:
        """Put what came of an attempt into the course's folders; whether the queue can drop it."""
        name = one.assignment, one.student
        if one.error:
            return Summary(*name, error=one.error), True
        marked = Marked(**one.summary)
        if one.content is None:
            return marked, True
        try:
            place(self._course, hand_in)
            stamp = inputs = ""  # unless the course is as it was for the worker
            if one.bundle == self._version():
                stamp, inputs = self._course.inputs_of(*name)
            marked.pages = keep_graded(self._course, *name, one.content, inputs=inputs, stamp=stamp)
        except (ParcelError, CourseError, OSError) as error:
            return Summary(*name, error=f"what was graded cannot be kept: {error}"), False
        return marked, True
