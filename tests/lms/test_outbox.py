"""Released scores arrive in the LMS: each once, the latest one last, whatever happens."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.orm import Session

from autograder.lms.database import writing
from autograder.lms.schema import Audit, Delivery
from autograder.lms.services.ags import Answer, Result, Score
from autograder.lms.services.outbox import Key, Outbox
from tests.lms.platforms import KilledError, Kind, Network, Platform

KEY = Key(1, "1", "https://lms.invalid/items/7", "ana")
KINDS: tuple[Kind, ...] = ("moodle", "open edx", "canvas")


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """An outbox, the network and the platform."""

    engine: Engine
    platform: Platform = field(default_factory=Platform)
    clock: Clock = field(default_factory=Clock)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.network = Network(self.platform, self.chance)
        self.outbox = Outbox(self.engine, lambda _registration: self.network, self.clock)

    def row(self, key: Key = KEY) -> Delivery:
        with Session(self.engine) as session:
            found = session.scalar(select(Delivery).where(Delivery.user == key.user))
            assert found is not None
            return found

    def has(self, key: Key = KEY) -> float | None:
        score = self.platform.scores.get((key.line_item, key.user))
        return None if score is None else score.given

    def deliver_all(self) -> None:
        """Deliver until nothing is due any more; a process that is killed is started again."""
        while (due := self.outbox.next_due()) is not None:
            self.clock.now = max(self.clock.now + 0.01, due)
            try:
                self.outbox.deliver()
            except KilledError:
                self.outbox = Outbox(self.engine, lambda _registration: self.network, self.clock)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def test_a_released_score_arrives_once(world: World) -> None:
    world.outbox.release(KEY, 7.5, 10, "https://tool.invalid/feedback")
    world.deliver_all()
    world.deliver_all()
    assert world.has() == 7.5 and len(world.platform.accepted) == 1
    assert world.row().state == "delivered"


@pytest.mark.parametrize("kind", KINDS)
def test_two_releases_within_a_second_end_with_the_later_one(world: World, kind: Kind) -> None:
    world.platform.kind = kind
    for given in (3.0, 8.0):
        world.outbox.release(KEY, given, 10)
        world.outbox.deliver()
    assert world.has() == 8.0 and world.row().state == "delivered"


@pytest.mark.parametrize("kind", KINDS)
def test_a_platform_whose_score_has_a_later_timestamp_gets_a_later_one(
    world: World, kind: Kind
) -> None:
    world.platform.kind = kind
    world.outbox.release(KEY, 3.0, 10)
    world.outbox.deliver()
    world.clock.now -= 5  # this machine's clock was put back, and its memory of it lost
    with Session(world.engine) as session, session.begin():
        session.scalars(select(Delivery)).one().sent_at = 0
    world.outbox.release(KEY, 4.0, 10)
    world.deliver_all()
    assert world.has() == 4.0 and world.row().state == "delivered"


def test_a_score_that_was_stored_before_the_connection_broke_is_not_sent_again(
    world: World,
) -> None:
    world.outbox.release(KEY, 6.0, 10)
    world.network.faults = 1.0
    world.chance.seed(next(s for s in range(99) if _first_fault(s) == "stored and 5xx"))
    world.outbox.deliver()
    assert world.row().state == "due" and world.row().uncertain
    world.network.faults = 0.0
    world.deliver_all()
    assert world.row().state == "delivered" and len(world.platform.accepted) == 1


def _first_fault(seed: int) -> str:
    chance = random.Random(seed)
    chance.random()
    return chance.choice(
        ["lost", "answer lost", "late", "doubled", "5xx", "stored and 5xx", "busy", "401",
         "killed before", "killed after"]
    )  # fmt: skip


def test_what_else_is_written_meanwhile_stops_no_delivery(engine: Engine) -> None:
    """Hand-ins and logins are stored while a platform is asked what it has."""
    users = [f"user-{number}" for number in range(5)]

    class Busy(Network):
        def results(self, line_item: str, user: str) -> Sequence[Result]:
            with writing(engine) as session:
                session.add(Audit(at=1.0, actor="ana", action="hand in"))
            return super().results(line_item, user)

        def post(self, line_item: str, score: Score) -> Answer:
            with writing(engine) as session:
                session.add(Audit(at=1.0, actor="ana", action="hand in"))
            return super().post(line_item, score)

    world = World(engine)
    network = Busy(world.platform, random.Random(7))
    world.outbox = Outbox(engine, lambda _registration: network, world.clock)
    for user in users:
        world.outbox.release(replace(KEY, user=user), 5.0, 10)
    with writing(engine) as session:
        session.execute(update(Delivery).values(uncertain=True))
    assert world.outbox.deliver() == 5
    assert all(world.has(replace(KEY, user=user)) == 5.0 for user in users)


@pytest.mark.parametrize("told", [RecursionError("deep"), OverflowError("large"), KeyError("id")])
def test_an_answer_that_nobody_expects_does_not_keep_the_others_waiting(
    world: World, told: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Network):
        def post(self, line_item: str, score: Score) -> Answer:
            if score.user == "ana":
                raise told
            return super().post(line_item, score)

    network = Odd(world.platform, random.Random(7))
    world.outbox = Outbox(world.engine, lambda _registration: network, world.clock)
    world.outbox.release(KEY, 5.0, 10)
    world.outbox.release(replace(KEY, user="luis"), 6.0, 10)
    world.outbox.deliver()
    assert world.has(replace(KEY, user="luis")) == 6.0
    row = world.row()
    assert row.state == "due" and row.next_try > world.clock.now
    assert type(told).__name__ in row.error and "tried again later" in caplog.text


def test_an_answer_with_a_nul_is_stored(world: World) -> None:
    """Postgres takes none in a text."""
    network = world.network
    network.post = lambda line_item, score: Answer(422, "no\0user")  # type: ignore[method-assign]
    world.outbox.release(KEY, 5.0, 10)
    world.outbox.deliver()
    assert (world.row().state, world.row().error) == ("stopped", "422: nouser")


def test_an_expired_token_is_dropped_once_and_the_score_arrives(world: World) -> None:
    world.network.expired = True
    world.outbox.release(KEY, 1.0, 2)
    world.outbox.deliver()
    assert world.has() == 1.0 and world.network.tokens == 1


@pytest.mark.parametrize("kind", ["moodle", "canvas"])
def test_a_user_whom_the_platform_does_not_know_stops_and_a_teacher_may_retry(
    world: World, kind: Kind
) -> None:
    world.platform.kind, world.platform.unknown = kind, frozenset({"ana"})
    world.outbox.release(KEY, 1.0, 2)
    world.deliver_all()
    assert world.row().state == "stopped" and "no user" in world.row().error
    world.platform.unknown = frozenset()
    world.outbox.retry(KEY)
    world.deliver_all()
    assert world.has() == 1.0 and world.row().error == ""


def test_a_platform_that_is_down_for_a_day_gets_its_scores_then(world: World) -> None:
    world.outbox.release(KEY, 1.0, 2)
    world.network.faults, tries = 1.0, 0
    world.network.chance = _Always(random.Random(1), "lost")
    end = world.clock.now + 24 * 3600
    while (due := world.outbox.next_due()) is not None and due < end:
        world.clock.now = max(world.clock.now, due)
        tries += world.outbox.deliver()
    assert 20 < tries < 80, "often at first, then about once an hour"
    world.network.faults = 0.0
    world.deliver_all()
    assert world.has() == 1.0


class _Always(random.Random):
    def __init__(self, chance: random.Random, fault: str) -> None:
        super().__init__(1)
        self._fault = fault

    def choice(self, seq: object) -> str:  # type: ignore[override]
        return self._fault


def test_a_score_released_while_the_one_before_is_on_its_way_is_the_one_that_stays(
    world: World,
) -> None:
    take = world.platform.take

    def slowly(line_item: str, score: object) -> object:
        world.platform.take = take  # type: ignore[method-assign]
        world.outbox.release(KEY, 9.0, 10)
        return take(line_item, score)  # type: ignore[arg-type]

    world.platform.take = slowly  # type: ignore[method-assign,assignment]
    world.outbox.release(KEY, 2.0, 10)
    world.outbox.deliver()
    assert world.has() == 2.0 and world.row().state == "due"
    world.deliver_all()
    assert world.has() == 9.0


@pytest.mark.parametrize(("kind", "rounds"), [("moodle", 4), ("open edx", 1), ("canvas", 1)])
def test_after_2000_deliveries_over_a_bad_network_platform_and_outbox_agree(
    world: World, kind: Kind, rounds: int
) -> None:
    world.platform.kind = kind
    world.network.faults = 0.4
    keys = [Key(1, "1", f"https://lms.invalid/items/{n % 5}", f"user-{n}") for n in range(500)]
    latest: dict[Key, float] = {}
    for _ in range(rounds):
        for key in keys:
            latest[key] = round(world.chance.uniform(0, 20), 2)
            world.outbox.release(key, latest[key], 20)
        world.clock.now += world.chance.choice([0.0, 0.3, 60.0])
        world.deliver_all()
    world.deliver_all()
    world.network.faults = 0.0
    while world.network.late:
        world.network.results("", "")
    assert {key: world.has(key) for key in keys} == latest
    with Session(world.engine) as session:
        assert set(session.scalars(select(Delivery.state))) == {"delivered"}
    order: dict[str, list[int]] = {}
    for score in world.platform.accepted:
        order.setdefault(score.user, []).append(score.timestamp)
    assert all(times == sorted(times) for times in order.values())


@pytest.mark.parametrize("answer", [200, 503])
def test_a_platform_that_is_removed_while_a_score_is_on_its_way_ends_that_delivery_only(
    world: World, answer: int
) -> None:
    others = Key(2, "1", KEY.line_item, "luis")

    def removed(line_item: str, score: Score) -> Answer:
        with Session(world.engine) as session, session.begin():
            session.execute(delete(Delivery).where(Delivery.registration == KEY.registration))
        world.network.post = Network.post.__get__(world.network)  # type: ignore[method-assign]
        return Answer(answer)

    world.network.post = removed  # type: ignore[method-assign]
    world.outbox.release(KEY, 1.0, 2)
    world.outbox.release(others, 2.0, 2)
    world.deliver_all()
    assert world.has(others) == 2.0
    with Session(world.engine) as session:
        assert session.scalars(select(Delivery.user)).all() == ["luis"]


def test_a_maximum_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="at most"):
        world.outbox.release(KEY, 0, 0)
