"""What a teacher writes in nbgrader_config.py about handing in holds, or is one clear error."""

from pathlib import Path

import pytest

from autograder.bridge.course import Course, CourseError
from autograder.lms.settings import Policy, Serve, late_rule, serve_settings


def course(root: Path, *lines: str) -> Course:
    text = "\n".join(["from autograder.bridge import configure", "c = get_config()", *lines])
    (root / "nbgrader_config.py").write_text(text + "\nconfigure(c)\n")
    return Course(root)


def settings(root: Path, *lines: str) -> Serve:
    return serve_settings(course(root, *lines))


def test_without_a_word_everything_is_taken_at_any_time_and_shown_at_once(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.policy("tensores") == Policy(
        attempts=0, cooldown_seconds=0.0, counts="last", feedback="now", late="accept"
    )
    assert found.database_url(tmp_path) == f"sqlite:///{tmp_path / 'lms.db'}"
    assert found.hub_url("tensores") == "" and found.notebook_bytes == 20 * 1024 * 1024


def test_rules_hold_for_all_assignments_and_others_for_single_ones(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "c.Serve.attempts = 3",
        "c.Serve.cooldown_minutes = 10",
        "c.Serve.assignments = {'tensores': {'counts': 'best', 'attempts': 5, 'late': 'refuse'}}",
    )
    assert found.policy("gradientes") == Policy(attempts=3, cooldown_seconds=600)
    assert found.policy("tensores") == Policy(
        attempts=5, cooldown_seconds=600, counts="best", late="refuse"
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.Serve.atempts = 3", r"there is no c\.Serve\.atempts; choose among assignments, att"),
        ("c.Serve.attempts = -1", "attempts"),
        ("c.Serve.attempts = 'three'", "attempts"),
        ("c.Serve.counts = 'first'", "counts"),
        ("c.Serve.upload_mib = 0", "upload_mib"),
        ("c.Serve.assignments = {'a': {'atempts': 3}}", r"\['a'\]: there is no rule 'atempts'"),
        ("c.Serve.assignments = {'a': {'attempts': -3}}", r"assignments\['a'\]: .*attempts"),
        ("c.Serve.assignments = {'a': {'late': 'never'}}", r"assignments\['a'\]: .*late"),
        ("c.Serve.assignments = {'a': 3}", r"assignments\['a'\]: give rules by name"),
        ("c.Serve.assignments = {'a': {'url': 'x'}}", "there is no rule 'url'"),
        ("c.Serve.url = 'grader.example'", "'grader.example' is no address"),
        ("c.Serve.url = 'ftp://grader.example'", "is no address"),
        ("c.Serve.formgrader = 'formgrader'", "is no address"),
        ("c.Serve.hub = 'https://hub.example/lab'", r"must have \{assignment\} in it"),
        ("c.Serve.hub = 'https://hub.example/{student}'", r"must have \{assignment\} in it"),
        ("c.Serve.hub = 'https://hub.example/{'", "is no pattern"),
        ("c.Serve.hub = '{assignment}'", "is no address"),
    ],
)
def test_what_is_wrong_is_one_error_that_names_it(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(CourseError, match=told) as caught:
        settings(tmp_path, line)
    assert str(caught.value).startswith(str(tmp_path / "nbgrader_config.py"))


def test_addresses_are_used_as_they_are_meant(tmp_path: Path) -> None:
    hub = "https://hub.example/hub/user-redirect/git-pull?urlpath=lab/tree/{assignment}"
    found = settings(tmp_path, "c.Serve.url = 'https://grader.example/'", f"c.Serve.hub = {hub!r}")
    assert found.url == "https://grader.example"
    assert found.hub_url("día 1/a").endswith("lab/tree/d%C3%ADa%201%2Fa")


def test_no_notebook_is_taken_that_is_too_large_to_be_graded(tmp_path: Path) -> None:
    assert settings(tmp_path, "c.Serve.upload_mib = 200").notebook_bytes == 20 * 1024 * 1024
    assert settings(tmp_path, "c.Serve.upload_mib = 2").notebook_bytes == 2 * 1024 * 1024


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("", "no penalty"),
        ("c.LateSubmissionPlugin.penalty_method = 'zero'", "no points"),
        ("c.AssignLatePenalties.plugin_class = 'late.HalfThePoints'", "penalty"),
        ("c.Serve.late = 'refuse'", "refused"),
    ],
)
def test_what_is_told_of_late_work_is_what_nbgrader_does(
    tmp_path: Path, line: str, rule: str
) -> None:
    made = course(tmp_path, line)
    assert late_rule(made, serve_settings(made).policy("tensores")) == rule
