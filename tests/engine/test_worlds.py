"""A submission judged on a machine without CUDA and on one with it: an emulated device."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.bridge.course import Course, Summary
from autograder.bridge.outputs import read_result
from autograder.grading.results import CellResult
from tests.engine.test_grading import hand_in
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.cell_seconds = 5
c.RunGraders.check_seconds = 2
c.RunGraders.language = "en"
"""
GRADERS = '''
import pytest
import torch
from autograder.grading import OnDevice, Submission, close, fail

@pytest.mark.grade_cell("one-tensor")
def test_without(submission: Submission) -> None:
    """`t` without CUDA."""
    if submission.tensor("t").device != "cpu":
        fail("not on the CPU")

@pytest.mark.grade_cell("one-tensor", weight=2)
def test_with(submission: Submission) -> None:
    """`t` with CUDA."""
    t = submission.with_cuda.tensor("t")
    if t.device != "cuda:0":
        fail("not on CUDA")
    assert close(t.tensor, torch.ones(3))

@pytest.mark.grade_cell("one-double", weight=4)
def test_double(submission: Submission) -> None:
    """`double` doubles where its argument is."""
    if submission.has("elsewhere"):
        submission.call("double", [OnDevice(torch.ones(2), "cuda")])
    for _ in range(2):
        for world, device in zip(submission.worlds, ("cpu", "cuda:0"), strict=True):
            result = world.call("double", OnDevice(torch.ones(2), device)).value
            if world.as_tensor(result, "the result").device != device:
                fail("elsewhere")
'''
RIGHT = 't = torch.ones(3, device="cuda" if torch.cuda.is_available() else "cpu")'
DOUBLE = "double = lambda x: x + x"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    notebook = notebook_of(
        [
            new_code_cell("import torch", id="imports"),
            nbgrader_cell(f"### BEGIN SOLUTION\n{RIGHT}\n### END SOLUTION", "one-tensor-solution"),
            nbgrader_cell("assert t.shape == (3,)", "one-tensor", 3),
            nbgrader_cell(f"### BEGIN SOLUTION\n{DOUBLE}\n### END SOLUTION", "one-double-solution"),
            nbgrader_cell("assert double(1) == 2", "one-double", 4),
        ]
    )
    return make_course(tmp_path_factory.mktemp("course"), CONFIG, GRADERS, notebook)


def graded(course: Course, student: str, tensor: str = RIGHT, double: str = DOUBLE) -> Summary:
    hand_in(course, student, {"one-tensor": tensor, "one-double": double})
    summary = course.autograde("one", student, force=True)
    assert not summary.error
    return summary


def result_of(course: Course, student: str, grade_id: str) -> CellResult:
    path = course.folder("autograded", "one", student) / "one.ipynb"
    results = [read_result(cell) for cell in nbformat.read(path, 4).cells]
    return next(one for one in results if one is not None and one.grade_id == grade_id)


def test_code_that_asks_is_right_on_both_machines(course: Course) -> None:
    assert graded(course, "asks").score == 7


def test_a_device_written_by_hand_is_right_on_one_machine_only(course: Course) -> None:
    graded(course, "cpu", "t = torch.ones(3)")
    assert course.scores("one")["cpu"] == {"one-tensor": 1, "one-double": 4}
    graded(course, "cuda", 't = torch.ones(3, device="cuda")')
    assert course.scores("one")["cuda"] == {"one-tensor": 2, "one-double": 4}


def test_what_is_missing_with_cuda_only_is_said_of_that_machine(course: Course) -> None:
    tensor = 'if torch.cuda.is_available(): raise ValueError\nt = torch.ones(3, device="cpu")'
    graded(course, "missing", tensor)
    without, with_cuda = result_of(course, "missing", "one-tensor").checks
    assert without.status == "passed"
    assert with_cuda.message == "On a machine with CUDA: `t` does not exist yet."


def test_a_student_who_switches_the_emulation_on_or_off_changes_no_machine(course: Course) -> None:
    switch = "import autograder.cuda\nautograder.cuda.{}()\n"
    assert graded(course, "on", switch.format("enable") + RIGHT).score == 7
    assert graded(course, "off", switch.format("disable") + RIGHT).score == 7
    graded(course, "on-cuda", switch.format("enable") + 't = torch.ones(3, device="cuda")')
    assert course.scores("one")["on-cuda"]["one-tensor"] == 2


def test_undoing_what_the_grader_has_decided_gains_nothing(course: Course) -> None:
    undo = "from autograder.cuda import switch\nswitch._decided = None\nswitch.{}()\n"
    graded(course, "undo-off", undo.format("enable") + 't = torch.ones(3, device="cuda")')
    assert course.scores("one")["undo-off"]["one-tensor"] == 2
    graded(course, "undo-on", undo.format("disable") + "t = torch.ones(3)")
    assert course.scores("one")["undo-on"]["one-tensor"] == 1


def test_a_function_that_needs_more_than_the_emulation_is_left_to_a_person(course: Course) -> None:
    double = "def double(x):\n    return torch.compile(lambda y: y + y)(x) if x.is_cuda else x + x"
    summary = graded(course, "compiles", double=double)
    (check,) = result_of(course, "compiles", "one-double").checks
    assert check.status == "fault" and check.message.startswith("This check could not be run")
    assert "torch.compile is not emulated" in check.detail
    assert any("torch.compile" in fault for fault in summary.faults)
    assert "torch.compile" not in check.message + check.hint


def test_after_a_cell_that_needs_more_what_fails_is_left_to_a_person_and_what_is_right_counts(
    course: Course,
) -> None:
    tensor = "if torch.cuda.is_available(): torch.jit.script(len)\nt = torch.ones(3)"
    graded(course, "scripts", tensor)
    without, with_cuda = result_of(course, "scripts", "one-tensor").checks
    assert (without.status, with_cuda.status) == ("passed", "fault")
    assert "torch.jit.script is not emulated" in with_cuda.detail
    assert course.scores("one")["scripts"]["one-double"] == 4


@pytest.mark.parametrize("world", ["not ", ""])
def test_an_error_of_that_name_after_the_grade_cell_makes_no_mistake_doubtful(
    course: Course, world: str
) -> None:
    pretend = (
        "class NotEmulatedError(Exception): ...\n"
        f"if {world}torch.cuda.is_available():\n    raise NotEmulatedError"
    )
    graded(course, "pretends-later", "t = torch.zeros(3)", f"{DOUBLE}\n{pretend}")
    checks = result_of(course, "pretends-later", "one-tensor").checks
    assert [check.status for check in checks] == ["passed", "failed"]


def test_what_fails_without_cuda_is_wrong_whatever_is_not_emulated(course: Course) -> None:
    pretend = "if torch.cuda.is_available(): torch.jit.trace(len)\n"
    graded(course, "both", pretend + "t = 1", "double = lambda x: x.tolist()")
    without, _with = result_of(course, "both", "one-tensor").checks
    (double,) = result_of(course, "both", "one-double").checks
    assert (without.status, double.status) == ("failed", "failed")


def test_a_doubtful_check_says_what_failed_and_nothing_that_a_terminal_would_obey(
    course: Course,
) -> None:
    tensor = (
        "from autograder.cuda import NotEmulatedError\nt = torch.ones(3)\n"
        "if torch.cuda.is_available(): raise NotEmulatedError('\\x1b[2J' + 'a\\nb')"
    )
    summary = graded(course, "escapes", tensor)
    (told,) = summary.faults
    assert "not on CUDA" in told
    assert "\x1b" not in told and " [2Ja b" in told


def test_a_grader_that_asks_for_a_device_of_the_other_machine_is_at_fault(course: Course) -> None:
    graded(course, "elsewhere", double="double = lambda x: x + x\nelsewhere = True")
    (check,) = result_of(course, "elsewhere", "one-double").checks
    assert check.status == "fault" and "this machine has no such device" in check.detail


def test_without_cuda_an_error_of_that_name_is_the_students_own(course: Course) -> None:
    double = (
        "def double(x):\n    class NotEmulatedError(Exception): ...\n    raise NotEmulatedError"
    )
    graded(course, "pretends", double=double)
    (check,) = result_of(course, "pretends", "one-double").checks
    assert check.status == "failed"


def test_the_time_of_the_second_run_is_not_the_graders(course: Course) -> None:
    slow = "if torch.cuda.is_available():\n    import time\n    time.sleep(3)\n"
    assert graded(course, "slow", slow + RIGHT).score == 7


def test_the_notebook_that_comes_back_shows_the_machine_without_cuda(course: Course) -> None:
    graded(course, "shows", "print(torch.cuda.is_available())\n" + RIGHT)
    text = (course.folder("autograded", "one", "shows") / "one.ipynb").read_text()
    assert "False" in text and "True\\n" not in text
