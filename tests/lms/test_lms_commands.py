"""The commands that connect a course with learning platforms."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autograder.bridge.course import Course
from autograder.cli import main
from autograder.lms.database import open_database
from autograder.lms.lti.keys import Keys, folder_of
from autograder.lms.lti.registrations import Registered, list_registrations
from autograder.lms.schema import Deployment, Registration
from tests.lms.tokens import rows
from tests.small_course import make_course, nbgrader_cell, notebook_of

Run = Callable[..., Result]
BY_HAND = (
    "add", "--issuer", "https://lms.example", "--client-id", "client-7",
    "--login-url", "https://lms.example/auth", "--token-url", "https://lms.example/token",
    "--jwks-url", "https://lms.example/keys", "--deployment", "1", "--deployment", "2",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    notebook = notebook_of([nbgrader_cell("x = 1", "solution")])
    config = "c = get_config()\nc.CourseDirectory.course_id = 'commands'\n"
    make_course(folder, config + "c.Serve.url = 'https://grader.example/'\n", "", notebook)
    return folder


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lms.db'}"


@pytest.fixture
def run(root: Path, url: str) -> Run:
    """Run one of the commands on the course, with an empty database."""

    def run_command(*arguments: str, db: bool = True, **options: Any) -> Result:
        command = ["--course", str(root), "lms", *arguments, *(["--db", url] if db else [])]
        return CliRunner().invoke(main, command, **options)

    return run_command


def listed(url: str) -> list[Registered]:
    engine = open_database(url)
    try:
        return list_registrations(engine)
    finally:
        engine.dispose()


def test_a_platform_is_added_by_hand(run: Run, url: str) -> None:
    result = run(*BY_HAND, "--name", "Open edX")
    assert result.exit_code == 0
    for path in ("/lti/login", "/lti/launch", "/lti/jwks.json"):
        assert f"https://grader.example{path}\n" in result.output
    assert "autograder lms check 1" in result.output
    (one,) = listed(url)
    assert (one.issuer, one.client_id, one.deployments) == (
        "https://lms.example", "client-7", ("1", "2"),
    )  # fmt: skip


def test_a_deployment_is_added_to_what_is_known(run: Run, url: str) -> None:
    run(*BY_HAND)
    more = ("--issuer", "https://lms.example", "--client-id", "client-7", "--deployment", "3")
    assert run("add", *more).exit_code == 0
    (one,) = listed(url)
    assert one.deployments == ("1", "2", "3")
    assert one.key_set_url == "https://lms.example/keys"


def test_a_platform_that_is_not_known_needs_its_addresses(run: Run, url: str) -> None:
    result = run("add", "--issuer", "https://lms.example", "--client-id", "client-7")
    assert result.exit_code == 1
    assert "--login-url, --token-url, --jwks-url" in result.output
    assert listed(url) == []


@pytest.mark.parametrize(
    ("host", "issuer", "server"),
    [
        ("school.instructure.com", "https://canvas.instructure.com", "https://sso.canvaslms.com"),
        ("canvas.school.example", "https://canvas.instructure.com", "https://sso.canvaslms.com"),
        (
            "school.test.instructure.com",
            "https://canvas.test.instructure.com",
            "https://sso.test.canvaslms.com",
        ),
        (
            "school.beta.instructure.com",
            "https://canvas.beta.instructure.com",
            "https://sso.beta.canvaslms.com",
        ),
    ],
)
def test_canvas_needs_its_host_and_the_client_id(
    run: Run, url: str, host: str, issuer: str, server: str
) -> None:
    result = run("add", "--canvas", host, "--client-id", "10000000000042")
    assert "https://grader.example/lti/canvas.json\n" in result.output
    engine = open_database(url)
    (row,) = rows(engine, Registration)
    engine.dispose()
    assert (row.issuer, row.product, row.name) == (issuer, "canvas", host)
    assert row.auth_login_url == f"{server}/api/lti/authorize_redirect"
    assert row.auth_token_url == f"{server}/login/oauth2/token"
    assert row.key_set_url == f"{server}/api/lti/security/jwks"
    assert f"https://{host}" in row.origins


def test_a_canvas_of_ones_own_has_addresses_of_its_own(run: Run, url: str) -> None:
    own = ("--jwks-url", "https://canvas.school.example/jwks")
    run("add", "--canvas", "canvas.school.example", "--client-id", "7", *own)
    assert listed(url)[0].key_set_url == "https://canvas.school.example/jwks"


def test_what_to_enter_in_the_platform_is_told_before_there_is_a_client_id(
    run: Run, url: str
) -> None:
    result = run("add", "--canvas", "school.instructure.com")
    assert result.exit_code == 0
    assert "https://grader.example/lti/canvas.json\n" in result.output
    assert "repeat this command with --client-id" in result.output
    assert listed(url) == []


@pytest.mark.parametrize("host", ["https://school.instructure.com", "school/x"])
def test_canvas_is_given_by_its_host(run: Run, host: str) -> None:
    result = run("add", "--canvas", host, "--client-id", "7")
    assert result.exit_code == 1
    assert "takes a host" in result.output


def test_a_moodle_is_invited(run: Run) -> None:
    result = run("add", "--moodle", "https://moodle.example")
    assert result.exit_code == 0
    assert re.search(r"^https://grader\.example/lti/register/[\w-]{43}$", result.output, re.M)
    assert "Manage tools" in result.output


def test_an_invitation_is_printed_once_and_whole(run: Run) -> None:
    result = run("invite", "Moodle of the faculty", "--days", "2")
    assert result.exit_code == 0
    assert re.search(r"^https://grader\.example/lti/register/[\w-]{43}$", result.output, re.M)
    assert "within 2 days" in result.output


def test_another_address_of_the_tool_can_be_given(run: Run) -> None:
    result = run("invite", "--url", "https://other.example/course/")
    assert "https://other.example/course/lti/register/" in result.output


def test_an_address_of_the_tool_without_tls_is_refused(run: Run) -> None:
    result = run("invite", "--url", "http://grader.example")
    assert result.exit_code == 1
    assert "https://" in result.output


def test_without_an_address_nobody_is_invited(tmp_path: Path) -> None:
    notebook = notebook_of([nbgrader_cell("x = 1", "solution")])
    make_course(tmp_path, "c = get_config()\n", "", notebook)
    result = CliRunner().invoke(main, ["--course", str(tmp_path), "lms", "invite"])
    assert result.exit_code == 1
    assert "c.Serve.url" in result.output
    assert (tmp_path / "lms.db").is_file()  # where the database is by default


def test_platforms_are_listed(run: Run) -> None:
    assert "nobody yet" in run("list").output
    run(*BY_HAND, "--name", "[bold]Open edX")
    result = run("list")
    assert result.exit_code == 0
    assert "client-7" in result.output
    assert "[bold]" in result.output


def test_a_platform_is_removed_when_that_is_confirmed(run: Run, url: str) -> None:
    run(*BY_HAND)
    assert run("remove", "1", input="n\n").exit_code == 1
    assert len(listed(url)) == 1
    result = run("remove", "1", input="y\n")
    assert "https://lms.example (client-7)" in result.output
    assert listed(url) == []


def test_what_is_not_there_cannot_be_removed(run: Run) -> None:
    result = run("remove", "7", "--yes")
    assert result.exit_code == 1
    assert "no registration 7" in result.output


def test_a_connection_that_does_not_work_is_said_step_by_step(run: Run, url: str) -> None:
    refused = "http://127.0.0.1:9"  # where nothing listens
    run(
        "add", "--issuer", refused, "--client-id", "c", "--login-url", f"{refused}/auth",
        "--token-url", f"{refused}/token", "--jwks-url", f"{refused}/keys",
    )  # fmt: skip
    result = run("check")
    assert result.exit_code == 1
    assert "registration 1" in result.output
    assert "✘" in result.output
    assert f"{refused}/keys" in result.output


def test_without_a_platform_there_is_nothing_to_check(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 1
    assert "no platform is registered" in result.output


def test_a_key_is_rotated_and_the_old_one_retired(run: Run, root: Path) -> None:
    keys = Keys.open(folder_of(Course(root)))
    old = keys.current.kid
    result = run("rotate-key", db=False)
    assert result.exit_code == 0
    assert keys.current.kid != old
    assert f"in use     {keys.current.kid}\npublished  {old}\n" in result.output
    assert "PRIVATE" not in result.output
    assert run("rotate-key", "--retire", keys.current.kid, db=False).exit_code == 1
    assert f"published  {old}" not in run("rotate-key", "--retire", old, db=False).output
    assert [key.kid for key in keys.published] == [keys.current.kid]


def test_without_the_extra_one_line_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pylti1p3", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pylti1p3" else 1)
    result = run("list")
    assert result.exit_code == 1
    assert "pip install 'pytorch-autograder[lms]'" in result.output
    assert "Traceback" not in result.output


def test_a_database_that_cannot_be_used_is_named(run: Run) -> None:
    result = run("list", "--db", "nonsense:///x", db=False)
    assert result.exit_code == 1
    assert "not a database" in result.output


def test_deployments_belong_to_their_registration(run: Run, url: str) -> None:
    run(*BY_HAND)
    engine = open_database(url)
    assert {one.registration_id for one in rows(engine, Deployment)} == {1}
    engine.dispose()
