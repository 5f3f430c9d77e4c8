"""Who reaches which page, what a form must bring, and what browsers and logs are told."""

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from httpx import Response
from sqlalchemy import create_engine, select, update

from autograder.lms.database import open_database, writing
from autograder.lms.schema import Enrolment, Identity, Registration, Released
from autograder.web import security
from autograder.web.limiting import LIMITS
from autograder.web.sessions import token_hash
from tests.lms.web_world import ORIGIN, PEOPLE, URL, Browser, WebWorld, make_web_world, text_of


def made(template: Path, folder: Path, url: str = URL) -> Iterator[WebWorld]:
    engine = open_database(f"sqlite:///{folder / 'lms.db'}")
    web = make_web_world(template, folder / "course", engine, url)
    yield web
    web.close()


@pytest.fixture
def web(template: Path, tmp_path: Path) -> Iterator[WebWorld]:
    yield from made(template, tmp_path)


@pytest.fixture(scope="module")
def graded(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebWorld]:
    """A world in which ana's attempt 1 is graded; tests of this module only look at it."""
    for web in made(template, tmp_path_factory.mktemp("web")):
        assert web.hand_in("ana", graded=True) == 1
        yield web


# Every address, tried as everybody

NOBODY: Final = "nobody"
WHO: Final = (NOBODY, *PEOPLE)
_Row = tuple[int, int, int, int, int, int, int]
ANYBODY: Final[_Row] = (200,) * 7
OWN: Final[_Row] = (401, 200, 404, 404, 200, 404, 404)
"""What is ana's: for her, and for the teacher of her course."""
LOGGED_IN: Final[_Row] = (401, 200, 200, 200, 200, 200, 200)
TEACHERS: Final[_Row] = (401, 403, 403, 403, 200, 403, 200)
DONE_BY_TEACHERS: Final[_Row] = (401, 403, 403, 403, 303, 403, 303)

MATRIX: Final[dict[str, tuple[str, _Row]]] = {
    "GET /": ("/", (200, 303, 303, 303, 303, 303, 303)),
    "GET /health": ("/health", ANYBODY),
    "GET /window/{code}": ("/window/made-up", (403,) * 7),
    "POST /window/{code}": ("/window/made-up", (401, 303, 303, 303, 303, 303, 303)),
    "POST /log-out": ("/log-out", (401, 303, 303, 303, 303, 303, 303)),
    "GET /not-set-up": ("/not-set-up", (401, 404, 404, 404, 404, 404, 404)),
    "GET /assignments/{name}": ("/assignments/one", LOGGED_IN),
    "GET /assignments/{name}/release": ("/assignments/one/release", LOGGED_IN),
    "GET /assignments/{name}/state": ("/assignments/one/state", LOGGED_IN),
    "POST /assignments/{name}/submissions": (
        "/assignments/one/submissions",
        (401, 422, 422, 403, 403, 422, 403),
    ),
    "GET /submissions/{number}": ("/submissions/1", OWN),
    "GET /submissions/{number}/receipt": ("/submissions/1/receipt", OWN),
    "GET /submissions/{number}/files/{notebook}": ("/submissions/1/files/one", OWN),
    "GET /submissions/{number}/feedback/{notebook}": ("/submissions/1/feedback/one", OWN),
    "GET /teacher": ("/teacher", TEACHERS),
    "GET /teacher/{name}": ("/teacher/one", TEACHERS),
    "GET /teacher/{name}/students/{student}": (
        "/teacher/one/students/ana",
        (401, 403, 403, 403, 200, 403, 404),
    ),
    "GET /teacher/{name}/changes": ("/teacher/one/changes", TEACHERS),
    "GET /teacher/{name}/statistics": ("/teacher/one/statistics", TEACHERS),
    "GET /teacher/{name}/statistics/report": (
        "/teacher/one/statistics/report",
        (401, 403, 403, 403, 404, 403, 404),
    ),
    "GET /teacher/{name}/{kind}/state": ("/teacher/one/changes/state", TEACHERS),
    "GET /teacher/{name}/grades": ("/teacher/one/grades", TEACHERS),
    "GET /teacher/{name}/grades/{kind}": (
        "/teacher/one/grades/canvas",
        (401, 403, 403, 403, 200, 403, 200),
    ),
    "POST /teacher/{name}/grades/{kind}": ("/teacher/one/grades/canvas", DONE_BY_TEACHERS),
    "POST /teacher/{name}/release": ("/teacher/one/release", DONE_BY_TEACHERS),
    "POST /teacher/{name}/regrade": ("/teacher/one/regrade", DONE_BY_TEACHERS),
    "POST /teacher/{name}/extend": ("/teacher/one/extend", DONE_BY_TEACHERS),
    "POST /teacher/{name}/deadline": ("/teacher/one/deadline", DONE_BY_TEACHERS),
    "POST /teacher/{name}/retry": ("/teacher/one/retry", DONE_BY_TEACHERS),
    "POST /teacher/{name}/sync": ("/teacher/one/sync", (401, 403, 403, 403, 422, 403, 422)),
    "POST /teacher/{name}/changes": ("/teacher/one/changes", DONE_BY_TEACHERS),
    "POST /teacher/{name}/statistics": ("/teacher/one/statistics", DONE_BY_TEACHERS),
    "POST /links/{number}": ("/links/2", (401, 403, 403, 403, 422, 403, 404)),
    "GET /lti/login": ("/lti/login", (403,) * 7),
    "POST /lti/login": ("/lti/login", (403,) * 7),
    "POST /lti/launch": ("/lti/launch", (400,) * 7),
    "GET /lti/jwks.json": ("/lti/jwks.json", ANYBODY),
    "GET /lti/canvas.json": ("/lti/canvas.json", ANYBODY),
    "GET /lti/register/{token}": ("/lti/register/made-up", (400,) * 7),
    "GET /lti/deep-link": ("/lti/deep-link", (401, 403, 403, 403, 404, 403, 404)),
    "POST /lti/deep-link": ("/lti/deep-link", (401, 403, 403, 403, 404, 403, 404)),
    "POST /roster": ("/roster", (401, 403, 403, 403, 422, 403, 422)),
}
"""An address of each route, and the status for each of ``WHO``; forms bring only their token."""


def asked(web: WebWorld, who: str, method: str, path: str) -> Response:
    browser = Browser(web.anybody(), "") if who == NOBODY else web.login(who)
    return browser.get(path) if method == "GET" else browser.post(path)


def addresses(web: WebWorld) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, methods in web.app.openapi()["paths"].items()
        for method in methods
    }


def test_every_address_is_in_the_table_of_who_may_open_it(graded: WebWorld) -> None:
    assert set(MATRIX) == addresses(graded), "say in MATRIX who may open what is new"


@pytest.mark.parametrize("route", [route for route in MATRIX if route.startswith("GET")])
def test_a_page_is_shown_to_those_whose_it_is_and_to_nobody_else(
    graded: WebWorld, route: str
) -> None:
    path, expected = MATRIX[route]
    found = [asked(graded, who, "GET", path).status_code for who in WHO]
    assert dict(zip(WHO, found, strict=True)) == dict(zip(WHO, expected, strict=True))


@pytest.mark.parametrize("route", [route for route in MATRIX if route.startswith("POST")])
def test_a_form_is_taken_from_those_who_may_send_it_and_from_nobody_else(
    web: WebWorld, route: str
) -> None:
    path, expected = MATRIX[route]
    found = [asked(web, who, "POST", path).status_code for who in WHO]
    assert dict(zip(WHO, found, strict=True)) == dict(zip(WHO, expected, strict=True))


def test_what_a_teacher_of_another_course_asks_for_changes_nothing_of_mine(
    web: WebWorld,
) -> None:
    web.hand_in("ana", graded=True)
    stranger = web.login("other-teacher")
    for action in ("release", "regrade", "extend", "retry"):
        form = {"students": "ana", "hours": "5", "whom": "selected", "only": "ana"}
        assert stranger.post(f"/teacher/one/{action}", form).status_code == 303
        assert "Choose students first" in text_of(stranger.get("/teacher/one"))
    stranger.post("/teacher/one/release", {"whom": "all", "confirm": "yes"})
    assert not web.world.all_of(Released)
    assert web.world.rows()[0].state == "graded"
    assert "ana" not in text_of(stranger.get("/teacher/one"))
    assert "ana" not in stranger.get("/teacher/one/grades/canvas").text


def test_a_teacher_who_is_not_in_the_course_that_was_connected_first_sets_no_deadline(
    web: WebWorld,
) -> None:
    stranger = web.login("other-teacher")
    stranger.post("/teacher/one/deadline", {"deadline": ""})
    assert "Only teachers of the course" in text_of(stranger.get("/teacher/one"))
    assert "Until 2030-03-17" in text_of(web.login("profe").get("/teacher/one"))


def test_a_teacher_who_has_left_the_course_is_let_in_no_more(web: WebWorld) -> None:
    teacher = web.login("gone", role="teacher")
    assert teacher.get("/teacher/one").status_code == 403
    assert teacher.get("/assignments/one").status_code == 403


def test_an_assignment_that_was_not_opened_from_the_platform_is_not_found(web: WebWorld) -> None:
    """The platform may show it only later."""
    ana = web.login("ana")
    assert ana.get("/assignments/two").status_code == 404
    assert ana.get("/assignments/two/release").status_code == 404
    web.login("ana", 4)  # she opens it, in another tab
    assert ana.get("/assignments/two").status_code == 200
    assert ana.get("/assignments/none").status_code == 404


def test_a_session_ends_after_eight_hours(web: WebWorld) -> None:
    ana = web.login("ana")
    web.world.clock.now += 8 * 3600 - 1
    assert ana.get("/assignments/one").status_code == 200
    web.world.clock.now += 2
    answer = ana.get("/assignments/one")
    assert answer.status_code == 401 and "Open this page from your course" in text_of(answer)


# Forms


def hand_in_with(web: WebWorld, ana: Browser, token: str, **headers: str) -> object:
    files = [("files", ("one.ipynb", web.world.notebook(3)))]
    form = {"csrf": token} if token else {}
    answer = ana.client.post(
        "/assignments/one/submissions", data=form, files=files, headers=headers
    )
    return answer.status_code


@pytest.mark.parametrize("token", ["", "made-up", "luis"])
def test_a_form_without_the_users_own_token_is_refused(web: WebWorld, token: str) -> None:
    ana, luis = web.login("ana"), web.login("luis")
    assert hand_in_with(web, ana, luis.csrf if token == "luis" else token) == 403
    assert not web.world.rows()


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_a_form_that_another_site_sends_is_refused(web: WebWorld, headers: dict[str, str]) -> None:
    ana = web.login("ana")
    assert hand_in_with(web, ana, ana.csrf, **headers) == 403
    assert hand_in_with(web, ana, ana.csrf, origin=URL) == 303


def test_a_form_is_good_also_after_its_user_has_opened_another_assignment(web: WebWorld) -> None:
    first = web.login("ana")
    second = web.login("ana", 4)  # the browser has the cookie of this one now
    assert hand_in_with(web, second, first.csrf) == 303


# What browsers are told


def test_pages_are_kept_by_nobody_and_may_do_nothing_but_what_they_need(graded: WebWorld) -> None:
    answer = graded.login("ana").get("/assignments/one")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = policy_of(answer)
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'" and policy["form-action"] == "'self'"
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", answer.text)


def policy_of(answer: Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers[POLICY].split(";"))
    return {name: sources for name, _, sources in parts}


POLICY: Final = "content-security-policy"


@pytest.mark.parametrize("path", ["/assignments/one", "/nowhere", "/lti/login", "/"])
def test_only_registered_platforms_show_a_page_in_a_frame(web: WebWorld, path: str) -> None:
    ana = web.login("ana")
    assert policy_of(ana.get(path))["frame-ancestors"] == f"'self' {ORIGIN}"
    with writing(web.engine) as session:
        session.get_one(Registration, 1).origins = []
    web.state.origins_changed()
    assert policy_of(ana.get(path))["frame-ancestors"] == "'self'"


def test_feedback_runs_nothing_and_has_a_way_back(graded: WebWorld) -> None:
    answer = graded.login("ana").get("/submissions/1/feedback/one")
    policy = policy_of(answer)
    assert policy["sandbox"] == "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    assert policy["default-src"] == "'none'" and "script-src" not in policy
    assert policy["frame-ancestors"] == f"'self' {ORIGIN}"
    assert 'href="/assignments/one"' in answer.text and '<html lang="en">' in answer.text


def test_files_that_change_have_another_address_and_may_be_kept(graded: WebWorld) -> None:
    page = graded.login("ana").get("/assignments/one").text
    style = re.search(r'href="(/static/autograder\.css\?v=\w+)"', page)
    assert style is not None
    answer = graded.anybody().get(style[1])
    assert answer.status_code == 200 and "max-age=604800" in answer.headers["cache-control"]


def cookies_of(answer: Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


def test_over_tls_a_cookie_comes_back_in_the_platforms_frame(
    template: Path, tmp_path: Path
) -> None:
    for web in made(template, tmp_path, "https://grader.example"):
        ana = web.login("ana")
        code = web.state.windows.code(token_hash_of(ana), web.world.clock())
        answer = web.anybody().get(f"/window/{code}", headers=OWN_PAGE)
        (cookie,) = cookies_of(answer)
        name, _, attributes = cookie.partition("=")
        assert name == "__Host-autograder"
        assert attributes.split("; ")[1:] == [
            "Path=/", "HttpOnly", "Secure", "SameSite=None", "Partitioned",
        ]  # fmt: skip
        assert "max-age" not in cookie.lower(), "it ends with the browser"


def token_hash_of(browser: Browser) -> str:
    (token,) = [cookie.value for cookie in browser.client.cookies.jar]
    assert token is not None
    return token_hash(token)


# Logging out


@pytest.mark.parametrize("who", ["ana", "profe"])
def test_who_logs_out_is_out_in_this_browser_alone(web: WebWorld, who: str) -> None:
    here, elsewhere = web.login(who), web.login(who)
    (token,) = [cookie.value for cookie in here.client.cookies.jar]
    page = here.get("/assignments/one", headers={"sec-fetch-dest": "document"})
    assert 'method="post" action="/log-out"' in page.text and "Log out" in text_of(page)
    answer = here.post("/log-out")
    (cookie,) = cookies_of(answer)
    assert cookie.startswith("autograder=; Max-Age=0; ")
    told = text_of(here.get(answer.headers["location"]))
    assert "You are logged out" in told and "Log out of your learning platform as well" in told
    with_old_cookie = {"cookie": f"autograder={token}"}
    assert web.anybody().get("/assignments/one", headers=with_old_cookie).status_code == 401
    assert elsewhere.get("/assignments/one").status_code == 200


def test_another_site_logs_nobody_out(web: WebWorld) -> None:
    ana = web.login("ana")
    assert ana.post("/log-out", {"csrf": "made-up"}).status_code == 403
    assert ana.post("/log-out", headers={"origin": "https://evil.example"}).status_code == 403
    assert ana.get("/assignments/one").status_code == 200


def test_in_the_platforms_frame_the_platform_logs_out(web: WebWorld) -> None:
    page = web.login("ana").get("/assignments/one", headers={"sec-fetch-dest": "iframe"})
    assert page.status_code == 200 and "/log-out" not in page.text


# A page of a frame in a window of its own

OWN_PAGE: Final = {"sec-fetch-site": "same-origin"}
"""What a browser sends where a link of ours was followed."""


def test_a_window_of_its_own_goes_on_with_the_session_once(web: WebWorld) -> None:
    ana = web.login("ana")
    page = ana.get("/assignments/one", headers={"sec-fetch-dest": "iframe"}).text
    found = re.search(r'href="(/window/[^"]+)"', page)
    assert found is not None
    address = found[1].replace("&amp;", "&")
    window = web.anybody()
    answer = window.get(address, headers=OWN_PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/assignments/one")
    assert window.get("/assignments/one").status_code == 200
    late = web.anybody().get(address, headers=OWN_PAGE)
    assert late.status_code == 401, "nobody else gets in with it"
    assert window.get(address, headers=OWN_PAGE).status_code == 303, "who is in goes on"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "referer": f"{URL}/assignments/one"},
        {"sec-fetch-site": "none"},
        {"referer": "https://evil.example/"},
        {"referer": f"{URL}.evil.example/"},
        {},
    ],
)
def test_a_link_to_a_window_that_somebody_else_sends_lets_nobody_in(
    web: WebWorld, headers: dict[str, str]
) -> None:
    """Else who follows it would hand in as that person, who could then read it."""
    code = web.state.windows.code(token_hash_of(web.login("ana")), web.world.clock())
    for browser in (web.login("luis").client, web.anybody()):
        answer = browser.get(f"/window/{code}", headers=headers)
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_an_old_browser_opens_a_window_from_a_page_of_ours(web: WebWorld) -> None:
    """It does not say from which site it comes, but from which page."""
    code = web.state.windows.code(token_hash_of(web.login("ana")), web.world.clock())
    headers = {"referer": f"{URL}/assignments/one"}
    assert web.anybody().get(f"/window/{code}", headers=headers).status_code == 303


def test_nobody_becomes_another_person_without_being_asked(web: WebWorld) -> None:
    """A page of ours may show a link that somebody else has written: in a notebook's feedback."""
    code = web.state.windows.code(token_hash_of(web.login("ana")), web.world.clock())
    luis = web.login("luis")
    asks = luis.get(f"/window/{code}", headers=OWN_PAGE, params={"to": "/assignments/one"})
    assert asks.status_code == 200 and "set-cookie" not in asks.headers
    assert "Ana Pérez" in text_of(asks) and "You are Luis Pérez" in text_of(asks)
    assert f'method="post" action="/window/{code}"' in asks.text
    assert "You are Luis Pérez" in text_of(luis.get("/assignments/one"))
    answer = luis.post(f"/window/{code}", {"to": "/assignments/one"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/assignments/one")
    assert "You are Ana Pérez" in text_of(luis.get("/assignments/one"))


def test_who_was_dropped_from_a_course_cannot_hand_in_there_from_another_one(
    web: WebWorld,
) -> None:
    web.login("ana")
    with writing(web.engine) as session:
        ana = session.scalars(select(Identity).where(Identity.student == "ana")).one()
        session.add(Enrolment(context_id=2, identity_id=ana.id, role="student"))
    elsewhere = web.login("ana", None, context=2)
    assert elsewhere.hand_in(web.world.notebook(7)).status_code == 303
    with writing(web.engine) as session:
        session.execute(
            update(Enrolment)
            .where(Enrolment.context_id == 1, Enrolment.identity_id == ana.id)
            .values(active=False)
        )
    assert elsewhere.hand_in(web.world.notebook(7)).status_code == 403


def test_who_teaches_no_more_sees_no_class_any_more(web: WebWorld) -> None:
    teacher = web.login("profe")
    assert teacher.get("/teacher/one").status_code == 200
    with writing(web.engine) as session:
        profe = session.scalars(select(Identity).where(Identity.student == "profe")).one()
        session.execute(
            update(Enrolment).where(Enrolment.identity_id == profe.id).values(role="student")
        )
    assert teacher.get("/teacher/one").status_code == 403


def test_a_database_that_is_gone_is_told_and_breaks_no_answer(web: WebWorld) -> None:
    gone = web.state.engine
    web.state.origins_changed()
    web.state.engine = create_engine("sqlite:////nowhere/at/all.db")
    try:
        answer = web.anybody().get("/health")
        assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
    finally:
        web.state.engine = gone


def test_a_database_that_is_busy_with_others_breaks_no_answer(web: WebWorld) -> None:
    web.state.origins_changed()
    usual = web.state.engine
    busy = create_engine(usual.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    web.state.engine = busy
    try:
        with busy.connect():
            answer = web.anybody().get("/health")
            assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
            assert web.login("ana").get("/assignments/one").status_code == 500
    finally:
        web.state.engine = usual
        busy.dispose()


def test_an_export_may_be_larger_than_a_form_and_its_refusal_is_for_a_teacher(
    web: WebWorld,
) -> None:
    web.hand_in("ana", 7, graded=True)
    teacher = web.login("profe")
    large = b"Student,ID\n" + b"x" * 2 * 1024 * 1024
    answer = teacher.post("/teacher/one/grades/canvas", files=[("template", ("a.csv", large))])
    assert answer.status_code != 413
    answer = teacher.post("/teacher/one/grades/canvas", files=[("template", ("a.csv", 3 * large))])
    assert answer.status_code == 413 and "autograder export --as" in text_of(answer)


def test_a_code_for_a_window_is_good_for_an_hour_and_cannot_be_made_up(web: WebWorld) -> None:
    ana = web.login("ana")
    code = web.state.windows.code(token_hash_of(ana), web.world.clock())
    other = f"{code[:-1]}{'0' if code[-1] != '0' else '1'}"
    assert web.anybody().get(f"/window/{other}", headers=OWN_PAGE).status_code == 401
    web.world.clock.now += 3601
    assert web.anybody().get(f"/window/{code}", headers=OWN_PAGE).status_code == 401


def test_a_page_that_is_not_in_a_frame_needs_no_window(web: WebWorld) -> None:
    page = web.login("ana").get("/assignments/one", headers={"sec-fetch-dest": "document"}).text
    assert "/window/" not in page


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "x"]
)
def test_a_window_leads_to_no_other_site(web: WebWorld, to: str) -> None:
    ana = web.login("ana")
    code = web.state.windows.code(token_hash_of(ana), web.world.clock())
    answer = web.anybody().get(f"/window/{code}", params={"to": to}, headers=OWN_PAGE)
    assert answer.headers["location"] == "/assignments/one"


# Errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/assignments/nothing", 404),
        ("GET", "/submissions/0", 404),
        ("GET", "/submissions/99999999999999999999", 404),
        ("GET", "/submissions/x", 404),
        ("POST", "/assignments/one", 405),
        ("GET", "/teacher", 403),
        ("GET", "/assignments/one?handed=x", 422),
        ("POST", "/assignments/one/submissions", 403),
    ],
)
def test_an_error_is_a_page_in_the_students_language_that_says_what_to_do(
    web: WebWorld, method: str, path: str, status: int
) -> None:
    answer = web.login("ana").client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<html lang="en">' in answer.text and "What to do:" in text_of(answer)
    assert "Traceback" not in answer.text


def test_who_is_not_logged_in_finds_the_platform_of_the_demonstration(web: WebWorld) -> None:
    answer = web.anybody().get("/assignments/one")
    assert answer.status_code == 401 and "demonstration" not in answer.text
    web.state.demo = "http://127.0.0.1:8001"
    for path in ("/assignments/one", "/teacher", "/", "/?out"):
        assert '<a href="http://127.0.0.1:8001">' in web.anybody().get(path).text
    assert "demonstration" not in web.login("ana").get("/nowhere").text


def test_programs_get_errors_as_json(web: WebWorld) -> None:
    answer = web.anybody().get("/assignments/one/state")
    assert answer.status_code == 401
    assert answer.json()["error"] == "Open this page from your course"


def test_a_fault_of_the_server_is_a_page_with_a_number_that_the_log_has(
    web: WebWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("something about ana@uni.example")

    monkeypatch.setattr("autograder.lms.handins.handin.status", broken)
    answer = web.login("ana").get("/assignments/one")
    assert answer.status_code == 500 and "RuntimeError" not in answer.text
    number = re.search(r"this number: (\w+)", text_of(answer))
    assert number is not None
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    told = record.getMessage()
    assert number[1] in told and "RuntimeError at" in told and "student.py" in told
    assert "uni.example" not in told and policy_of(answer)["default-src"] == "'none'"


def test_the_log_has_no_personal_data(web: WebWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ana, teacher = web.login("ana"), web.login("profe")
    ana.hand_in(web.world.notebook(4))
    ana.get("/submissions/1/receipt")
    teacher.get("/teacher/one/students/ana?q=ana")
    teacher.post("/teacher/one/release", {"students": "ana"})
    web.anybody().get("/lti/login?login_hint=ana&iss=x")
    web.anybody().get(f"/window/{web.state.windows.code(token_hash_of(ana), 0)}")
    told = "\n".join(
        one.getMessage() for one in caplog.records if one.name.startswith("autograder")
    )
    assert "GET /teacher/{name}/students/{student} 200" in told
    for secret in ("ana", "Pérez", "uni.example", ana.csrf, token_hash_of(ana)):
        assert secret not in told.replace("{name}", "")


# How much may come


class Upload:
    """A body that comes in parts, as a server hands it on."""

    def __init__(self, parts: int, size: int, head: bytes = b"") -> None:
        self.left = parts
        self._part = b"x" * size
        self._head = head

    async def receive(self) -> dict[str, Any]:
        self.left -= 1
        body, self._head = self._head or self._part, b""
        return {"type": "http.request", "body": body, "more_body": self.left > 0}


def sent(web: WebWorld, browser: Browser, upload: Any, length: int | None) -> tuple[int, str]:
    """Send a body to the form for handing in, without reading it first as test clients do."""
    (cookie,) = browser.client.cookies.jar
    headers = [
        (b"content-type", b"multipart/form-data; boundary=b"),
        (b"cookie", f"{cookie.name}={cookie.value}".encode()),
    ]
    headers.append(
        (b"transfer-encoding", b"chunked")
        if length is None
        else (b"content-length", str(length).encode())
    )
    scope = {
        "type": "http", "method": "POST", "path": "/assignments/one/submissions",
        "raw_path": b"", "query_string": b"", "headers": headers, "scheme": "http",
        "http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    answer: list[Any] = []

    async def send(message: Any) -> None:
        answer.append(message)

    asyncio.run(web.app(scope, upload.receive, send))
    body = b"".join(message.get("body", b"") for message in answer)
    return answer[0]["status"], body.decode()


HEAD: Final = b'--b\r\ncontent-disposition: form-data; name="files"; filename="one.ipynb"\r\n\r\n'


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_refused_while_it_comes_and_the_browser_reads_why(
    web: WebWorld, announced: bool
) -> None:
    web.world.rules(upload_mib=1)
    upload = Upload(2_000, 1024, HEAD)  # the rest is thrown away, or browsers would show no answer
    status, page = sent(web, web.login("ana"), upload, 2_000 * 1024 if announced else None)
    assert status == 413 and "At most 1 MiB can be handed in" in page
    assert upload.left == 0 and not web.world.rows()


def test_nobody_can_make_the_server_read_without_end(web: WebWorld) -> None:
    web.world.rules(upload_mib=1)
    upload = Upload(1_000_000, 1024, HEAD)
    assert sent(web, web.login("ana"), upload, None)[0] == 413
    assert upload.left > 990_000


def test_an_upload_that_stops_is_told_so(web: WebWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "_IDLE_SECONDS", 0.05)

    class Stopping(Upload):
        async def receive(self) -> dict[str, Any]:
            if self.left == 8:
                await asyncio.Event().wait()
            return await super().receive()

    status, page = sent(web, web.login("ana"), Stopping(10, 1024, HEAD), None)
    assert status == 408 and "The upload stopped" in page


def test_who_is_not_logged_in_reads_so_also_after_a_long_upload(web: WebWorld) -> None:
    ana = web.login("ana")
    web.world.clock.now += 9 * 3600
    upload = Upload(100, 1024, HEAD)
    assert sent(web, ana, upload, None)[0] == 401
    assert upload.left == 0, "browsers show no answer while they are still sending"


def test_too_many_files_are_refused(web: WebWorld) -> None:
    ana = web.login("ana")
    files = [("files", (f"{number}.ipynb", b"{}")) for number in range(60)]
    assert ana.post("/assignments/one/submissions", files=files).status_code == 400


def test_handing_in_again_and_again_is_slowed_down(web: WebWorld) -> None:
    ana = web.login("ana")
    found = [ana.hand_in(web.world.notebook(number)).status_code for number in range(12)]
    assert found == [303] * LIMITS["hand-in"].amount + [429] * 2
    answer = ana.hand_in(web.world.notebook(5))
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert "seconds and try again" in text_of(answer)
    other_tab = web.login("ana")
    assert other_tab.hand_in(web.world.notebook(6)).status_code == 429
    assert web.login("luis").hand_in(web.world.notebook(6)).status_code == 303


# Whether it works


def test_monitoring_sees_what_does_not_work(web: WebWorld) -> None:
    assert web.anybody().get("/health").json() == {
        "status": "ok", "grading": "off", "database": "ok",
    }  # fmt: skip
    web.world.rows()

    class Waiting:
        problem = "the gradebook is locked"

    web.state.grading = Waiting()  # type: ignore[assignment]
    assert web.anybody().get("/health").json()["status"] == "degraded"
