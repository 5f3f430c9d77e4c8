"""Every address of the web application, asked by anybody with anything: never a fault of ours.

Schemathesis makes requests from the application's own OpenAPI description, valid ones and others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    status_code_conformance,
)

from autograder.lms.database import open_database
from autograder.web import sessions
from autograder.web.limiting import Limiter
from tests.lms.web_world import Browser, WebWorld, make_web_world

VISITORS: Final = ("nobody", "ana", "gone", "profe", "other-teacher")
_CHECKS: Final = [not_a_server_error, status_code_conformance, content_type_conformance]
_EXAMPLES: Final = 15


class _NoLimits(Limiter):
    """Else most requests would only meet the limits, which have tests of their own."""

    def hit(self, kind: str, who: str) -> None:
        """Count nothing."""


@pytest.fixture(scope="module")
def web(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebWorld]:
    """The application, whose class has handed in and is graded."""
    folder = tmp_path_factory.mktemp("fuzz")
    engine = open_database(f"sqlite:///{folder / 'lms.db'}")
    made = make_web_world(template, folder / "course", engine)
    made.state.limiter = _NoLimits()
    made.hand_in("ana", graded=True)
    yield made
    made.close()


@pytest.mark.parametrize("who", VISITORS)
def test_no_request_is_answered_by_a_fault_and_all_answers_are_as_described(
    web: WebWorld, who: str
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", web.app)
    operations: list[Any] = list(schema.get_all_operations())
    asked = [_ask(operation.ok(), web, who) for operation in operations]
    assert len(asked) > 20


def _ask(operation: Any, web: WebWorld, who: str) -> str:
    """Make requests of one kind, in a session of their own, as one kind ends it; what kind."""
    browser = Browser(web.anybody(), "") if who == "nobody" else web.login(who)
    name = sessions.cookie_name(web.state)
    cookies = {name: browser.client.cookies[name]} if browser.csrf else {}

    @given(case=operation.as_strategy())
    @settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any) -> None:
        if isinstance(case.body, dict) and "csrf" in case.body:
            case.body["csrf"] = browser.csrf  # else little of a form would be reached
        answer = case.call(cookies=cookies, headers={"origin": web.state.origin})
        case.validate_response(answer, checks=_CHECKS)

    ask()
    return f"{operation.method} {operation.path}"
