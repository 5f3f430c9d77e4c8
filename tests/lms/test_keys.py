"""The tool's keys: made once, private, rotated without breaking what is under way."""

import base64
import hashlib
import json
import os
import stat
import threading
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from autograder.lms.lti.keys import KeyFolderError, Keys, folder_of
from tests.small_course import make_course, nbgrader_cell, notebook_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "course.lti"


def kids(keys: Keys) -> list[str]:
    return [key["kid"] for key in keys.jwks()["keys"]]


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(folder: Path) -> None:
    before = os.umask(0)
    try:
        Keys.open(folder)
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_second_start_uses_the_same_key(folder: Path) -> None:
    assert Keys.open(folder).current == Keys.open(folder).current


def test_processes_that_start_at_once_agree_on_one_key(folder: Path) -> None:
    start = threading.Barrier(4)
    opened: list[Keys] = []

    def open_at_once() -> None:
        start.wait()
        opened.append(Keys.open(folder))

    threads = [threading.Thread(target=open_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({keys.current.kid for keys in opened}) == 1
    assert [path.name for path in folder.iterdir()] == ["0001.pem"]


def test_what_a_start_that_was_killed_left_is_not_taken_for_a_key(folder: Path) -> None:
    Keys.open(folder)
    (folder / "0002.pem.1a2b3c4d.partial").write_text("half a k")
    assert kids(Keys.open(folder)) == [Keys.open(folder).current.kid]


def test_the_key_set_has_what_is_public_and_nothing_else(folder: Path) -> None:
    (published,) = Keys.open(folder).jwks()["keys"]
    assert set(published) == {"kty", "n", "e", "kid", "alg", "use"}
    assert (published["kty"], published["alg"], published["use"]) == ("RSA", "RS256", "sig")


def test_a_key_is_named_by_its_thumbprint(folder: Path) -> None:
    (published,) = Keys.open(folder).jwks()["keys"]
    members = {name: published[name] for name in ("e", "kty", "n")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    assert published["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_what_the_tool_signs_is_verified_with_the_key_set(folder: Path) -> None:
    keys = Keys.open(folder)
    token = jwt.encode({"iss": "tool"}, keys.current.private_pem, "RS256")
    (published,) = jwt.PyJWKSet.from_dict(keys.jwks()).keys
    assert jwt.decode(token, published, ["RS256"]) == {"iss": "tool"}


def test_a_printed_key_shows_nothing_private(folder: Path) -> None:
    assert "PRIVATE" not in repr(Keys.open(folder).current)


def test_after_a_rotation_the_new_key_signs_and_the_old_one_is_still_published(
    folder: Path,
) -> None:
    keys = Keys.open(folder)
    old = keys.current.kid
    new = keys.rotate().kid
    assert keys.current.kid == new != old
    assert kids(keys) == [new, old]


def test_a_server_that_runs_sees_a_rotation_at_once(folder: Path) -> None:
    running = Keys.open(folder)
    old = running.current.kid
    new = Keys.open(folder).rotate().kid
    assert running.current.kid == new
    Keys.open(folder).retire(old)
    assert kids(running) == [new]


def test_rotations_at_once_make_a_key_each(folder: Path) -> None:
    keys = Keys.open(folder)
    threads = [threading.Thread(target=keys.rotate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kids(keys)) == 4


def test_a_key_in_use_is_not_retired(folder: Path) -> None:
    keys = Keys.open(folder)
    with pytest.raises(KeyFolderError, match="in use"):
        keys.retire(keys.current.kid)
    assert kids(keys) == [keys.current.kid]


def test_a_key_that_there_is_not_cannot_be_retired(folder: Path) -> None:
    keys = Keys.open(folder)
    keys.rotate()
    with pytest.raises(KeyFolderError, match="no key nobody's"):
        keys.retire("nobody's")
    assert len(kids(keys)) == 2


@pytest.mark.parametrize("content", ["", "no key\n", "\x00\xff"])
def test_a_damaged_key_is_named(folder: Path, content: str) -> None:
    Keys.open(folder)
    (folder / "0001.pem").write_text(content)
    with pytest.raises(KeyFolderError, match=r"0001\.pem holds no private key"):
        Keys.open(folder)


def test_a_key_of_another_kind_is_not_taken(folder: Path) -> None:
    Keys.open(folder)
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "0002.pem").write_bytes(key)
    with pytest.raises(KeyFolderError, match="not RSA"):
        Keys.open(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyFolderError, match=r"file/course\.lti"):
        Keys.open(tmp_path / "file" / "course.lti")


def test_keys_that_were_lost_while_the_server_runs_are_missed(folder: Path) -> None:
    keys = Keys.open(folder)
    (folder / "0001.pem").unlink()
    with pytest.raises(KeyFolderError, match="no keys any more"):
        _ = keys.current


def test_the_keys_of_a_course_are_outside_its_folder(tmp_path: Path) -> None:
    config = "c = get_config()\nc.CourseDirectory.course_id = 'deep.learning'\n"
    notebook = notebook_of([nbgrader_cell("x = 1", "solution")])
    course = make_course(tmp_path, config, "", notebook)
    folder = folder_of(course)
    assert folder.name == "deep.learning.lti"
    assert not folder.is_relative_to(tmp_path)
    assert folder.parent == Path(os.environ["XDG_DATA_HOME"]) / "autograder"
