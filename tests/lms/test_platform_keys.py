"""Platforms' keys: read when they are needed, not more often, and only those that may be used."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest

from autograder.lms.database import open_database
from autograder.lms.fetch import FetchError
from autograder.lms.lti.launch import LaunchError
from autograder.lms.lti.platform_keys import PlatformKeys
from tests.lms.tokens import Signer, World, refusal, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "course.lti"


@pytest.fixture
def world(tmp_path: Path, folder: Path) -> Iterator[World]:
    """A tool and a platform."""
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    with serving() as pages:
        yield World(engine, folder, pages)
    engine.dispose()


def test_keys_are_read_once_for_many_launches(world: World) -> None:
    before = world.pages.count("/keys")
    for _ in range(3):
        world.launch()
    assert world.pages.count("/keys") == before + 1


def test_a_new_key_of_the_platform_is_taken_at_once(world: World) -> None:
    world.launch()
    world.ticks.now += 10
    new = Signer("platform-2")
    world.publish(world.signer, new)
    world.signer = new
    assert world.launch().role == "student"


def test_a_key_that_the_platform_publishes_no_longer_is_refused_after_ten_minutes(
    world: World,
) -> None:
    world.launch()
    world.publish(Signer("platform-2"))
    world.ticks.now += 601
    begun = world.begin()
    assert "no RSA key" in refusal(world, begun, world.token(begun)).detail


def test_unknown_kids_make_us_ask_the_platform_once_in_ten_seconds(world: World) -> None:
    world.launch()
    before = world.pages.count("/keys")
    for number in range(5):
        begun = world.begin()
        refusal(world, begun, Signer(f"made-up-{number}").sign(world.claims(begun)))
    assert world.pages.count("/keys") == before
    world.ticks.now += 10
    begun = world.begin()
    refusal(world, begun, Signer("made-up").sign(world.claims(begun)))
    refusal(world, begun, Signer("made-up-too").sign(world.claims(begun)))
    assert world.pages.count("/keys") == before + 1
    assert world.launch().role == "student"


def test_one_launch_asks_a_platform_that_is_slow_and_the_others_go_on_with_the_keys_they_have() -> (
    None
):
    now, asked, go_on = [0.0], threading.Semaphore(0), threading.Event()
    signer = Signer("platform")
    answers = [{"keys": [signer.public()]}]

    def fetch(url: str) -> Mapping[str, Any]:
        if answers:
            return answers.pop()
        asked.release()
        assert go_on.wait(60)
        now[0] += 20.0
        raise FetchError("it does not answer")

    keys = PlatformKeys(fetch, lambda: now[0])
    found = keys.find("https://lms.example/keys", signer.kid)
    now[0] += 700
    with ThreadPoolExecutor() as threads:
        first = threads.submit(keys.find, "https://lms.example/keys", signer.kid)
        assert asked.acquire(timeout=60)
        assert keys.find("https://lms.example/keys", signer.kid) == found, "it does not wait"
        go_on.set()
        assert first.result(60) == found
    assert keys.find("https://lms.example/keys", signer.kid) == found
    assert not asked.acquire(blocking=False), "the pause begins when the answer has not come"


def test_a_short_key_is_not_taken(world: World) -> None:
    weak = Signer("weak", bits=1024)
    world.publish(weak)
    begun = world.begin()
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = weak.sign(world.claims(begun))
    assert "no RSA key" in refusal(world, begun, token).detail


@pytest.mark.parametrize("change", [{"use": "enc"}, {"alg": "RS512"}, {"kty": "oct"}, {"n": 7}])
def test_a_key_that_is_not_for_rs256_signatures_is_not_taken(
    world: World, change: dict[str, Any]
) -> None:
    world.pages.put("/keys", {"keys": [world.signer.public(**change), 7, {}, {"kty": "RSA"}]})
    begun = world.begin()
    assert "no RSA key" in refusal(world, begun, world.token(begun)).detail


def test_a_key_without_use_and_algorithm_is_taken(world: World) -> None:
    public = world.signer.public()
    world.pages.put("/keys", {"keys": [{name: public[name] for name in ("kty", "n", "e", "kid")}]})
    assert world.launch().role == "student"


@pytest.mark.parametrize("told", [[], {"keys": {}}, "x", None, {"error": "x"}], ids=str)
def test_a_platform_that_publishes_no_key_set_is_told_apart_from_a_wrong_message(
    world: World, told: Any
) -> None:
    world.pages.put("/keys", told)
    begun = world.begin()
    with pytest.raises(LaunchError) as caught:
        world.open(begun, world.token(begun))
    assert caught.value.status == 503
    world.publish(world.signer)
    world.ticks.now += 10
    assert world.open(begun, world.token(begun)).role == "student"  # the login is still good


def test_a_platform_that_does_not_answer_for_a_while_is_still_known(world: World) -> None:
    world.launch()
    world.pages.put("/keys", {}, 500)
    world.ticks.now += 3000
    assert world.launch().role == "student"
    world.ticks.now += 1000
    begun = world.begin()
    with pytest.raises(LaunchError) as caught:
        world.open(begun, world.token(begun))
    assert caught.value.status == 503


def test_a_key_set_that_sends_elsewhere_is_not_followed(world: World) -> None:
    url = world.pages.put("/moved", {"keys": [world.signer.public()]})
    world.pages.put("/keys", {}, 302, Location=url)
    begun = world.begin()
    with pytest.raises(LaunchError, match="do not follow"):
        world.open(begun, world.token(begun))
    assert world.pages.count("/moved") == 0
