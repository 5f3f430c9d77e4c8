"""`autograder serve`: from the start to the end of pages, grading and deliveries."""

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import nbformat
import pytest
from click.testing import CliRunner

from autograder.cli import main
from autograder.runner.processes import descendants, has_ended
from tests.lms.small_class import make_template, wait_for
from tests.lms.tool_double import ANA, TEACHER, form_of


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("course"))


def free_ports() -> int:
    """A port that is free, as is the next one."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                with socket.create_server(("127.0.0.1", port + 1)):
                    return port
            except OSError:
                continue


@contextmanager
def served(root: Path, port: int, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, until it says that it is ready."""
    log = root.parent / f"log-{port}"
    command = [sys.executable, "-m", "autograder", "--course", str(root), "serve", "--jobs", "1"]
    with open(log, "w") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port), *options], stdout=file, stderr=file, text=True
        )
    try:
        wait_for(lambda: "Ctrl-C ends it" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def opened(browser: httpx.Client, address: str) -> httpx.Response:
    """A page of the platform's, and all pages that only lead on from it."""
    page = browser.get(address)
    while (form := form_of(page.text)).fields.keys() & {"id_token", "JWT"}:
        page = browser.post(form.action, data=form.fields)
    assert page.status_code == 200, page.text
    return page


def test_the_demonstration_grades_what_is_handed_in_and_delivers_what_is_released(
    root: Path,
) -> None:
    """As in the README: a student hands in, the teacher releases, the platform has the grade."""
    port = free_ports()
    tool, lms = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    with (
        served(root, port, "--demo") as process,
        httpx.Client(trust_env=False, follow_redirects=True) as browser,
    ):
        page = opened(browser, f"{lms}/people/{ANA}/links/link-one/open")
        form = form_of(page.text, "/submissions")
        notebook = nbformat.read(root / "release/one/one.ipynb", as_version=4)
        notebook.cells[0].source = "x = 6"
        files = {"files": ("one.ipynb", nbformat.writes(notebook).encode())}
        page = browser.post(f"{tool}{form.action}", data=form.fields, files=files)
        assert "Handed in: attempt 1" in page.text
        state = f"{tool}/assignments/one/state"
        wait_for(lambda: browser.get(state).json()["final"])
        assert "6 <span" in browser.get(f"{tool}/assignments/one").text
        page = opened(browser, f"{lms}/people/{TEACHER}/links/link-one/open")
        form = form_of(page.text, "/teacher/one/release")
        data = form.fields | {"whom": "all", "confirm": "yes"}
        page = browser.post(f"{tool}/teacher/one/release", data=data)
        assert "Released 1 grade" in page.text
        wait_for(lambda: "6 / 10" in browser.get(f"{lms}/people/{ANA}/gradebook").text)
        below = descendants(process.pid)
        assert below, "something grades"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert all(map(has_ended, below))
    with served(root, port, "--demo"):  # and it can be started again
        assert httpx.get(f"{tool}/health", trust_env=False).json()["status"] == "ok"
        assert "released" not in (root.parent / f"log-{port}").read_text(), "all was there already"


def test_the_demonstration_of_a_course_without_a_gradebook_releases_what_it_shows(
    tmp_path: Path,
) -> None:
    """As in a fresh clone; what cannot be released is told, and keeps nothing else back."""
    (tmp_path / "course").mkdir()
    root = make_template(tmp_path / "course")
    (root / "gradebook.db").unlink()
    shutil.rmtree(root / "release")
    (root / "source/two/left.ipynb").write_text("no notebook")
    port = free_ports()
    lms = f"http://127.0.0.1:{port + 1}"
    with (
        served(root, port, "--demo"),
        httpx.Client(trust_env=False, follow_redirects=True) as browser,
    ):
        told = " ".join((tmp_path / f"log-{port}").read_text().split())
        assert "released one, which was not in the gradebook" in told
        assert "two is not released, so nobody can open it: " in told
        page = opened(browser, f"{lms}/people/{ANA}/links/link-one/open")
        assert "Download one.ipynb" in page.text
        assert browser.get(f"{lms}/people/{ANA}/links/link-two/open").status_code == 404


def test_what_students_cannot_open_yet_is_told(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    root = make_template(tmp_path / "course")
    (root / "gradebook.db").unlink()
    port = free_ports()
    with served(root, port):
        told = " ".join((tmp_path / f"log-{port}").read_text().split())
        assert "not in the gradebook, so nobody can open them: one, two" in told
        assert "`autograder release one two`" in told
    assert not (root / "gradebook.db").exists(), "without --demo nothing is released"


def test_two_servers_of_one_course_are_one_too_many(root: Path) -> None:
    port = free_ports()
    with served(root, port):
        told = run(root, "--port", str(port + 1))
        assert re.search(r"process \d+ grades already what is handed in", told)
        told = run(root, "--port", str(port))
        assert f"cannot listen at 127.0.0.1, port {port}: Address already in use" in told


def run(root: Path, *options: str) -> str:
    """What the command says that cannot start."""
    command = [sys.executable, "-m", "autograder", "--course", str(root), "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "0.0.0.0"], "students' browsers need TLS"),
        (["--url", "http://grader.example"], "must be an address that begins with https://"),
        (["--db", "nonsense://x"], "not a database"),
        (["--host", "256.1.1.1"], "cannot listen at 256.1.1.1"),
        (["--demo", "--port", "65535"], "65535 is the last one: choose another"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(root: Path, options: list[str], told: str) -> None:
    assert told in run(root, "--port", "0", *options)


def test_the_help_says_how_to_begin() -> None:
    done = CliRunner().invoke(main, ["serve", "--help"])
    assert done.exit_code == 0 and "autograder serve --demo" in done.output
