"""What those who keep the project rely on is in order."""

import re
import subprocess
import sys
from typing import Final

import pytest

import autograder
from tests.packaging.installed import ROOT

KINDS: Final = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""The sections of Keep a Changelog."""
_VERSION: Final = r"\d+\.\d+\.\d+"


def text(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_names_the_version_and_the_licence_that_are_here() -> None:
    said = dict(re.findall(r"^([\w-]+): (\S+)$", text("CITATION.cff"), re.MULTILINE))
    assert said["version"] == autograder.__version__
    assert f'license = "{said["license"]}"' in text("pyproject.toml")


def test_the_version_is_a_semantic_one() -> None:
    assert re.fullmatch(_VERSION, autograder.__version__)


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^##+ .*$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "## [Unreleased]"
    release = rf"## \[{_VERSION}\] - \d{{4}}-\d\d-\d\d"
    kinds = {f"### {kind}" for kind in KINDS}
    assert not [one for one in headings[1:] if one not in kinds and not re.fullmatch(release, one)]
    for section in re.split(r"^## ", text("CHANGELOG.md"), flags=re.MULTILINE)[1:]:
        own = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert len(own) == len(set(own)), f"a kind stands twice: {own}"


@pytest.mark.parametrize(
    ("folder", "page", "called"),
    [
        ("tests", "CONTRIBUTING.md", r"`tests/{}`"),
        ("autograder", "docs/explanation/design.md", r"autograder\.(?:\w+, )?{}\b"),
    ],
)
def test_every_room_is_on_a_map(folder: str, page: str, called: str) -> None:
    rooms = [path.name for path in (ROOT / folder).iterdir() if (path / "__init__.py").is_file()]
    assert rooms
    assert not [room for room in rooms if not re.search(called.format(room), text(page))]


def test_the_hooks_before_a_commit_are_well_formed_and_call_what_ci_calls() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    subprocess.run(command, cwd=ROOT, check=True)
    hooks = re.findall(r"entry: \.venv/bin/(\w+(?: [a-z]+)?)", text(".pre-commit-config.yaml"))
    in_ci = re.findall(r"^\t\$\(BIN\)/(\w+(?: [a-z]+)?)", text("Makefile"), re.MULTILINE)
    assert set(hooks) == {"ruff format", "ruff check", "mypy"} <= set(in_ci)
