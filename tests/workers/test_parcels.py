"""Folders as bytes: what arrives is what was sent, and nothing leads out of its folder."""

import io
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.bridge import parcels
from autograder.bridge.parcels import ParcelError, pack, pack_files, unpack, unpack_files

_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
_FILES = st.dictionaries(st.tuples(_NAMES, _NAMES), st.binary(max_size=200), max_size=6)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@given(_FILES)
def test_what_is_sent_arrives(
    tmp_path_factory: pytest.TempPathFactory, files: dict[tuple[str, str], bytes]
) -> None:
    sent, arrived = tmp_path_factory.mktemp("sent"), tmp_path_factory.mktemp("arrived")
    for (folder, name), data in files.items():
        (sent / folder).mkdir(exist_ok=True)
        (sent / folder / name).write_bytes(data)
    parcel = pack(sent)
    assert pack(sent) == parcel
    unpack(parcel, arrived)
    of_text = {name: data for name, data in contents(sent).items() if name.isprintable()}
    assert contents(arrived) == of_text


def test_links_and_pipes_arrive_as_links_to_nowhere(tmp_path: Path) -> None:
    sent, arrived = tmp_path / "sent", tmp_path / "arrived"
    sent.mkdir()
    (tmp_path / "secret").write_text("not to be sent")
    (sent / "one.ipynb").symlink_to(tmp_path / "secret")
    (sent / "folder").symlink_to("/etc")
    os.mkfifo(sent / "pipe")
    parcel = pack(sent)
    assert b"not to be sent" not in parcel
    unpack(parcel, arrived)
    assert sorted(os.listdir(arrived)) == ["folder", "one.ipynb", "pipe"]
    assert all(path.is_symlink() and not path.exists() for path in arrived.iterdir())


def test_a_folder_behind_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/one.ipynb").write_text("somebody else's")
    unpack(pack(tmp_path / "elsewhere", as_links=True), tmp_path / "arrived")
    assert (tmp_path / "arrived/one.ipynb").is_symlink()


def test_what_is_too_large_to_be_read_arrives_as_its_size(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/one.ipynb").write_bytes(b"x" * 5000)
    parcel = pack(tmp_path / "sent", largest_file=1000)
    assert len(parcel) < 1000
    unpack(parcel, tmp_path / "arrived")
    assert (tmp_path / "arrived/one.ipynb").stat().st_size == 5000


def test_a_large_file_that_is_needed_arrives_or_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/data.bin").write_bytes(b"x" * 5000)
    unpack(pack(tmp_path / "sent"), tmp_path / "arrived")
    assert contents(tmp_path / "arrived") == {"data.bin": b"x" * 5000}
    monkeypatch.setattr(parcels, "LARGEST", 4999)
    with pytest.raises(ParcelError, match="too much to send"):
        pack(tmp_path / "sent")


def test_what_the_other_side_has_is_a_name_however_large_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "LARGEST", 1000)
    for folder in ("sent", "base"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.bin").write_bytes(b"x" * 5000)
    parcel = pack(tmp_path / "sent", without=tmp_path / "base", largest_file=10)
    unpack(parcel, tmp_path / "arrived", tmp_path / "base")
    assert contents(tmp_path / "arrived") == {"data.bin": b"x" * 5000}


def test_too_much_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MOST_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}").touch()
    with pytest.raises(ParcelError, match="remove what is not needed"):
        pack(tmp_path)


def test_what_the_other_side_has_is_sent_as_a_name(tmp_path: Path) -> None:
    sent, base = tmp_path / "sent", tmp_path / "base"
    for folder in (sent, base):
        folder.mkdir()
        (folder / "data.csv").write_bytes(b"1,2,3" * 1000)
    (sent / "mine.txt").write_text("mine")
    (base / "not-sent.txt").write_text("not sent")
    unpack(pack(sent, without=base), tmp_path / "arrived", base)
    assert contents(tmp_path / "arrived") == contents(sent)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "", ".."])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    facts = {"odd": [name], "huge": {}, "same": []}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("parcel.json", json.dumps(facts))
    with pytest.raises(ParcelError, match="leads out"):
        unpack(made.getvalue(), tmp_path / "arrived")


def test_a_file_is_not_written_through_a_link_of_the_same_parcel(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("parcel.json", json.dumps({"odd": ["a"], "huge": {"a/b": 3}, "same": []}))
    with pytest.raises((ParcelError, OSError)):
        unpack(made.getvalue(), tmp_path / "arrived")


@pytest.mark.parametrize("damaged", [b"", b"no archive", pytest.param(None, id="cut")])
def test_what_is_damaged_is_one_error(tmp_path: Path, damaged: bytes | None) -> None:
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/one.ipynb").write_bytes(os.urandom(1000))
    parcel = pack(tmp_path / "sent")[:-200] if damaged is None else damaged
    with pytest.raises(ParcelError, match="damaged"):
        unpack(parcel, tmp_path / "arrived")


@given(st.data())
def test_bytes_that_change_on_the_way_are_one_error_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = {"one": b"a notebook " * 50, "two": bytes(range(256))}
    parcel = bytearray(pack_files(files))
    for place in data.draw(st.lists(st.integers(0, len(parcel) - 1), min_size=1, max_size=3)):
        parcel[place] ^= 1 << data.draw(st.integers(0, 7))
    for opening in (unpack_files, lambda sent: unpack(sent, tmp_path_factory.mktemp("a") / "b")):
        with suppress(ParcelError):
            opening(bytes(parcel))


@pytest.mark.parametrize("facts", ["[" * 100_000, "[]", "7", '{"odd": 1}', '{"odd": [7]}', "\xff"])
def test_a_list_that_is_none_is_one_error(tmp_path: Path, facts: str) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("parcel.json", facts.encode("latin-1"))
    with pytest.raises(ParcelError, match="damaged"):
        unpack(made.getvalue(), tmp_path / "arrived")


def test_a_small_parcel_with_too_much_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = pack_files({str(number): b"\0" * 400_000 for number in range(3)})
    monkeypatch.setattr(parcels, "LARGEST", 1_000_000)
    for opening in (unpack_files, lambda sent: unpack(sent, tmp_path / "arrived")):
        with pytest.raises(ParcelError, match="more than"):
            opening(parcel)


def test_a_parcel_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = pack_files({str(number): b"" for number in range(3)})
    monkeypatch.setattr(parcels, "MOST_FILES", 2)
    for opening in (unpack_files, lambda sent: unpack(sent, tmp_path / "arrived")):
        with pytest.raises(ParcelError, match="more than 2 files"):
            opening(parcel)


@pytest.mark.parametrize("name", ["../../../evil", "/tmp/evil", "a/../../evil", ".."])
def test_a_notebook_s_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(ParcelError, match="leads out"):
        unpack_files(pack_files({name: b""}))
