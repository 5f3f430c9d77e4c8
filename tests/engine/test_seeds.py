"""Hidden inputs come from a secret of the course: kept, private, and rotated."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.bridge.seeds import (
    Secret,
    SecretError,
    public_seed,
    read_secret,
    rotate_secret,
    secret_path,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data/autograder/course.secret"


def test_a_secret_is_made_once_for_its_owner_only(path: Path) -> None:
    made = read_secret(path)
    assert read_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path], "nothing half written is left"


def test_two_courses_have_secrets_of_their_own(tmp_path: Path) -> None:
    assert read_secret(tmp_path / "one").key != read_secret(tmp_path / "two").key


def test_processes_that_make_it_at_once_get_the_same(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from autograder.bridge.seeds import read_secret\n"
        "print(read_secret(Path(sys.argv[1])).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=60)[0] for process in running}
    assert said == {f"{read_secret(path).fingerprint}\n"}


def test_a_rotated_secret_gives_other_seeds(path: Path) -> None:
    before = read_secret(path)
    after = rotate_secret(path)
    assert after == read_secret(path) != before
    assert after.fingerprint != before.fingerprint
    assert after.seed("one", "ana") != before.seed("one", "ana")


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_seed_is_of_the_submission_and_of_the_secret(assignment: str, student: str) -> None:
    one, other = Secret(b"1" * 32), Secret(b"2" * 32)
    seed = one.seed(assignment, student)
    assert 0 <= seed < 2**48
    assert seed == one.seed(assignment, student)
    assert seed not in (other.seed(assignment, student), one.seed(assignment, f"{student}x"))
    assert seed != public_seed(assignment, student), "what anybody can compute is not it"


def test_the_secret_is_never_shown() -> None:
    assert "1111" not in repr(Secret(b"1" * 32))


@pytest.mark.parametrize("text", ["", "secret\n", "ab" * 31, "ñ" * 64])
def test_a_file_that_holds_no_secret_is_told_and_left_alone(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SecretError, match=r"holds no secret|cannot be read"):
        read_secret(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SecretError, match="cannot be read"):
        read_secret(path)


def test_a_link_that_leads_nowhere_is_told(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to("nowhere")
    with pytest.raises(SecretError, match="cannot be read"):
        read_secret(path)


def test_where_it_cannot_be_written_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretError, match=r"c\.RunGraders\.secret_file"):
        read_secret(tmp_path / "file/course.secret")


def test_the_default_is_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    root = Path("/course")
    assert secret_path("", "modulo 3/b", root) == Path("/data/autograder/modulo%203%2Fb.secret")
    assert secret_path("", "", root) == Path("/data/autograder/course.secret")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/ana")
    assert secret_path("", "m3", root) == Path("/home/ana/.local/share/autograder/m3.secret")
    assert secret_path("~/m3.secret", "m3", root) == Path("/home/ana/m3.secret")
    assert secret_path("../m3.secret", "m3", root) == Path("/course/../m3.secret")
