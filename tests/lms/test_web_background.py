"""Released scores are delivered beside the pages, whatever goes wrong meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from autograder.lms.database import open_database, reading
from autograder.lms.schema import Delivery
from autograder.lms.services.ags import Answer, Result, Score
from autograder.lms.services.outbox import Key, Outbox
from autograder.web.background import Deliveries
from tests.lms.small_class import wait_for

KEY = Key(1, "1", "https://lms.invalid/items/1", "ana")


@dataclass
class Platform:
    """A platform that takes scores, after some errors of ours."""

    faults: int = 0
    got: list[Score] = field(default_factory=list)

    def post(self, line_item: str, score: Score) -> Answer:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a mistake in the program, about ana@uni.example")
        self.got.append(score)
        return Answer(200)

    def results(self, line_item: str, user: str) -> Sequence[Result]:
        return []

    def drop_token(self) -> None:
        """There is none."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    yield engine
    engine.dispose()


def state(engine: Engine) -> str:
    with reading(engine) as session:
        return str(session.scalars(select(Delivery.state)).one())


def test_a_released_score_is_delivered_at_once_when_the_thread_is_woken(engine: Engine) -> None:
    platform = Platform()
    outbox = Outbox(engine, lambda _registration: platform)
    deliveries = Deliveries(engine, outbox)
    deliveries.start()
    outbox.release(KEY, 7.0, 10.0)
    deliveries.wake()
    wait_for(lambda: state(engine) == "delivered", 20)
    deliveries.stop()
    assert [score.given for score in platform.got] == [7.0]


def test_a_mistake_of_ours_does_not_end_deliveries_and_tells_nobodys_name(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    platform = Platform(faults=1)
    outbox = Outbox(engine, lambda _registration: platform)
    outbox.release(KEY, 7.0, 10.0)
    deliveries = Deliveries(engine, outbox)
    deliveries.start()
    wait_for(lambda: "RuntimeError" in caplog.text, 20)
    assert state(engine) == "due" and "uni.example" not in caplog.text
    deliveries.wake()
    wait_for(lambda: state(engine) == "delivered", 20)
    deliveries.stop()


def test_what_was_due_before_the_start_is_delivered_after_it(engine: Engine) -> None:
    platform = Platform()
    outbox = Outbox(engine, lambda _registration: platform)
    outbox.release(KEY, 7.0, 10.0)
    deliveries = Deliveries(engine, outbox)
    deliveries.start()
    wait_for(lambda: state(engine) == "delivered", 20)
    deliveries.stop()
