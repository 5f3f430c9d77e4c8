"""The ways of a student and of a teacher from an LMS, in a real Chromium over TLS.

LMS and tool are different sites, so in a frame only partitioned cookies come back.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    FileChooser,
    FilePayload,
    Frame,
    FrameLocator,
    Page,
    expect,
)

from autograder.messages import in_language, translate
from tests.browser.conftest import PHONE, picture
from tests.browser.servers import ASSIGNMENT, Servers

MARTA, ANA, BRUNO, CHLOE, DANG = "2001", "2002", "2003", "2004", "2005"
"""The platform's people: a teacher, and students."""
_GRAVE: Final = ("serious", "critical")


@pytest.fixture(scope="module")
def link(servers: Servers, chromium: Browser) -> Iterator[str]:
    """A teacher registers the tool and adds the assignment by deep linking; the link's id."""
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(f"{servers.platform.url}/people/{MARTA}/tools")
    page.get_by_label("Registration URL").fill(servers.invitation())
    with context.expect_page() as opened:
        page.get_by_role("button", name="Register").click()
    expect(opened.value.get_by_role("heading", level=1)).to_be_visible()
    servers.trust_tool()
    page.goto(f"{servers.platform.url}/people/{MARTA}")
    page.get_by_role("link", name="Add an assignment").click()
    page.get_by_label(ASSIGNMENT).check()
    picture(page, "teacher-picks")
    no_faults(page)
    page.get_by_role("button", name="Put it into the course").click()
    expect(page.get_by_role("link", name="Open in this page")).to_be_visible()
    context.close()
    yield next(iter(servers.platform.links))


def es(text: str, **values: object) -> str:
    """What a student reads in Spanish."""
    with in_language("es"):
        return translate(text, **values)


def no_faults(page: Page) -> None:
    """No serious fault of accessibility, as axe-core sees it."""
    found = Axe().run(page).response["violations"]
    grave = [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in _GRAVE
    ]
    assert not grave, grave


def payload(name: str, data: bytes) -> FilePayload:
    """A file as a browser takes it."""
    return {"name": name, "mimeType": "application/x-ipynb+json", "buffer": data}


def hand_in(where: Page | Frame | FrameLocator, data: bytes, name: str = "tarea.ipynb") -> None:
    """Choose a file and hand it in."""
    where.locator("#files").set_input_files(payload(name, data))
    where.get_by_role("button", name=es("Hand in")).click()


def open_link(page: Page, servers: Servers, who: str, link: str) -> None:
    """Open the assignment in a window of its own."""
    page.goto(f"{servers.platform.url}/people/{who}/links/{link}/open")
    page.wait_for_url(f"{servers.tool}/**")


def test_a_student_hands_in_from_a_frame_and_reads_the_feedback(
    page: Page, servers: Servers, link: str
) -> None:
    page.goto(f"{servers.platform.url}/people/{ANA}/links/{link}")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    picture(page, "student-frame")
    hand_in(frame, servers.notebook("un-poco-de-todo"))
    expect(frame.get_by_text(es("Handed in: attempt {number}", number=1))).to_be_visible()
    expect(frame.locator("#told")).to_have_text(es("Graded."))  # by itself
    frame.get_by_role("link", name=es("Read the feedback")).click()
    expect(frame.get_by_text(es("Feedback on attempt {number}", number=1))).to_be_visible()
    picture(page, "student-frame-feedback")
    frame.get_by_role("link", name=es("Back")).click()
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name=es("Open this page in a new window")).click()
    window = opened.value
    expect(window.locator("#told")).to_have_text(es("Graded."))
    no_faults(window)
    window.get_by_role("link", name=es("Receipt")).first.click()
    picture(window, "student-receipt")
    expect(window.get_by_text("SHA-256", exact=True)).to_be_visible()
    no_faults(window)
    picture(window, "student-receipt")


def test_a_phone_is_wide_enough(chromium: Browser, servers: Servers, link: str) -> None:
    context = chromium.new_context(
        ignore_https_errors=True, locale="es-ES", viewport=PHONE, is_mobile=True, has_touch=True
    )  # fmt: skip
    page = context.new_page()
    open_link(page, servers, BRUNO, link)
    hand_in(page, servers.notebook("perfecto-1"))
    expect(page.locator("#told")).to_have_text(es("Graded."), timeout=60_000)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    picture(page, "student-phone")
    no_faults(page)
    page.get_by_role("link", name=es("Read the feedback")).first.click()
    assert page.evaluate(overflow) == 0
    picture(page, "student-phone-feedback")
    context.close()


def test_without_javascript_everything_but_the_live_state_works(
    chromium: Browser, servers: Servers, link: str
) -> None:
    context = chromium.new_context(
        ignore_https_errors=True, locale="es-ES", java_script_enabled=False
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{servers.platform.url}/people/{CHLOE}/links/{link}/open")
    page.get_by_role("button", name="Go on to the tool").click()
    hand_in(page, servers.notebook("perfecto-1"))
    expect(page.get_by_text(es("Handed in: attempt {number}", number=1))).to_be_visible()
    for _ in range(60):
        if page.locator("#told").inner_text() == es("Graded."):
            break
        page.wait_for_timeout(1000)
        page.reload()
    page.get_by_role("link", name=es("Read the feedback")).first.click()
    expect(page.get_by_text(es("Feedback on attempt {number}", number=1))).to_be_visible()
    context.close()


def test_a_keyboard_is_enough_to_hand_in(page: Page, servers: Servers, link: str) -> None:
    open_link(page, servers, DANG, link)
    files = page.locator("#files")
    expect(files).to_be_visible()
    before = page.locator("table tbody tr").count()
    choosers: list[FileChooser] = []

    def choose(chooser: FileChooser) -> None:
        choosers.append(chooser)

    page.on("filechooser", choose)  # early, as Chromium takes a moment to hand choosers over
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "files":
            break
    expect(files).to_be_focused()
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    picture(page, "student-focus")
    page.keyboard.press("Enter")
    for _ in range(60):
        if choosers:
            break
        page.wait_for_timeout(1000)
    choosers[0].set_files(payload("a.ipynb", servers.notebook("sin-tocar")))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#handed")).to_be_visible()
    expect(page.locator("table tbody tr")).to_have_count(before + 1)


def test_a_file_may_be_dropped(page: Page, servers: Servers, link: str) -> None:
    open_link(page, servers, DANG, link)
    text = servers.notebook("backward-dos-veces").decode()
    transfer = page.evaluate_handle(
        """text => {
            const transfer = new DataTransfer()
            transfer.items.add(new File([text], "soltado.ipynb", {type: "application/json"}))
            return transfer
        }""",
        text,
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.locator("#chosen")).to_contain_text("soltado.ipynb")
    page.get_by_role("button", name=es("Hand in")).click()
    expect(page.locator("#handed")).to_be_visible()


def test_what_is_no_notebook_is_told_at_once(page: Page, servers: Servers, link: str) -> None:
    open_link(page, servers, DANG, link)
    hand_in(page, b"PK\x03\x04 a zip", "tarea.ipynb")
    expect(page.get_by_role("alert")).to_be_visible()
    picture(page, "student-refused")
    no_faults(page)


def test_where_a_browser_keeps_no_cookies_the_student_goes_on_in_a_new_window(
    page: Page, servers: Servers, link: str
) -> None:
    page.goto(servers.after_login(f"/people/{ANA}/links/{link}/open?in=iframe"))
    again = page.get_by_role("link", name=es("Open in a new window"))
    expect(again).to_be_visible()
    picture(page, "student-no-cookies")
    no_faults(page)
    with page.context.expect_page() as opened:
        again.click()
    expect(opened.value.locator("#files")).to_be_visible()


def test_a_teacher_releases_and_the_platform_has_the_grade(
    page: Page, servers: Servers, link: str
) -> None:
    context = page.context
    student = context.new_page()
    open_link(student, servers, ANA, link)
    hand_in(student, servers.notebook("perfecto-2"))
    expect(student.locator("#told")).to_have_text(es("Graded."))
    context.clear_cookies()
    open_link(page, servers, MARTA, link)
    expect(page.get_by_role("heading", level=1)).to_have_text(ASSIGNMENT)
    row = page.get_by_role("row").filter(has_text="Ana Beltrán")
    expect(row).to_contain_text("graded")
    picture(page, "teacher-class")
    no_faults(page)
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Release selected").click()
    points = row.locator("td.number").last
    expect(points).to_have_text("30")

    def scored() -> bool:
        page.goto(f"{servers.platform.url}/people/{MARTA}/gradebook")
        return page.get_by_role("row").filter(has_text="Ana Beltrán").inner_text().count("30") > 1

    for _ in range(60):
        if scored():
            break
        page.wait_for_timeout(500)
    assert scored()
    picture(page, "platform-gradebook")
    page.goto(f"{servers.tool}/teacher/{ASSIGNMENT}")
    expect(page.get_by_role("row").filter(has_text="Ana Beltrán")).to_contain_text("delivered")


def test_enter_in_the_field_for_more_time_asks_for_that_and_releases_nothing(
    page: Page, servers: Servers, link: str
) -> None:
    open_link(page, servers, MARTA, link)
    row = page.get_by_role("row").filter(has_text="Ana Beltrán")
    before = row.locator("td.number").last.inner_text()
    row.get_by_role("checkbox").check()
    page.locator("#hours").fill("5")
    page.locator("#hours").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("has no deadline to extend")
    expect(row.locator("td.number").last).to_have_text(before)


def test_a_student_logs_out(page: Page, servers: Servers, link: str) -> None:
    open_link(page, servers, DANG, link)
    page.get_by_role("button", name=es("Log out")).click()
    expect(page.get_by_role("status")).to_be_visible()
    no_faults(page)
    page.goto(f"{servers.tool}/assignments/{ASSIGNMENT}")
    expect(page.locator("#files")).to_have_count(0)


@pytest.mark.parametrize("path", ["statistics", "grades", "changes", "students"])
def test_pages_of_a_teacher_have_no_serious_fault(
    page: Page, servers: Servers, link: str, path: str
) -> None:
    open_link(page, servers, MARTA, link)
    if path == "students":
        page.get_by_role("link", name="Ana Beltrán").click()
    else:
        page.goto(f"{servers.tool}/teacher/{ASSIGNMENT}/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    picture(page, f"teacher-{path}")
    no_faults(page)
