"""The tool's own RSA keys, with which it signs what it sends to platforms.

Each is a file of its own beside the course's secret, outside the course's folder; the newest is in
use. Older ones stay published until they are retired, because what was signed with them may still
be under way. IMS: Security Framework 1.0, section 6; key sets and ``kid``: RFC 7517, RFC 7638.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pylti1p3.registration import Registration as LibraryRegistration

from autograder.bridge.course import Course
from autograder.bridge.keyfile import write_private
from autograder.bridge.seeds import secret_path

_BITS: Final = 2048
_NAME: Final = re.compile(r"(\d{4,})\.pem")
"""A key's file: its number; the highest one is in use."""
_TRIES: Final = 100


class KeyFolderError(OSError):
    """The tool's keys cannot be used; the message says where, why and how to mend it."""


@dataclass(frozen=True)
class Key:
    """An RSA key."""

    kid: str
    """Its thumbprint (RFC 7638), by which platforms find it in the key set."""
    private_pem: str = field(repr=False)
    public_pem: str = field(repr=False)


def folder_of(course: Course) -> Path:
    """Where a course's keys are: in the user's data folder."""
    secret = secret_path("", course.directory.course_id, course.root)
    return secret.with_suffix(".lti")


class Keys:
    """The keys in a folder; what another process changes there is seen at once."""

    def __init__(self, folder: Path) -> None:
        """Take the keys of a folder; ``Keys.open`` makes the first one."""
        self.folder = folder
        self._read: dict[str, Key] = {}

    @classmethod
    def open(cls, folder: Path) -> "Keys":
        """The keys of a folder; folder and first key are made where there are none.

        Raises:
            KeyFolderError: they cannot be read or made.
        """
        keys = cls(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not keys._names():
                _write(folder / _file(1))
        except OSError as error:
            raise _unusable(folder, error) from error
        keys._all()
        return keys

    @property
    def current(self) -> Key:
        """The key in use.

        Raises:
            KeyFolderError: it cannot be read.
        """
        return self._all()[-1]

    @property
    def published(self) -> list[Key]:
        """All keys that platforms may still meet, the one in use last.

        Raises:
            KeyFolderError: one cannot be read.
        """
        return self._all()

    def jwks(self) -> dict[str, Any]:
        """The public keys as platforms read them, the one in use first.

        Raises:
            KeyFolderError: one cannot be read.
        """
        return {"keys": [dict(LibraryRegistration.get_jwk(key.public_pem)) for key in self._newest]}

    def rotate(self) -> Key:
        """Make a new key and use it from now on; the others stay published.

        Raises:
            KeyFolderError: it cannot be written.
        """
        try:
            for _ in range(_TRIES):
                path = self.folder / _file(_number(self._names()[-1]) + 1)
                if _write(path):  # else another process took the number
                    return self._key(path.name)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        raise KeyFolderError(f"{self.folder}: other processes make keys all the time; stop them")

    def retire(self, kid: str) -> None:
        """Publish a key no longer; what is signed with it is then refused by platforms.

        Raises:
            KeyFolderError: there is no such key, it is the one in use, or it cannot be removed.
        """
        *older, current = self._names()
        if kid == self._key(current).kid:
            raise KeyFolderError(f"the key {kid} is in use: make a new one first")
        for name in older:
            if self._key(name).kid == kid:
                try:
                    (self.folder / name).unlink()
                except OSError as error:
                    raise _unusable(self.folder, error) from error
                return
        raise KeyFolderError(f"there is no key {kid} in {self.folder}")

    @property
    def _newest(self) -> list[Key]:
        return self._all()[::-1]

    def _all(self) -> list[Key]:
        """All keys, in the order in which they were made."""
        try:
            names = self._names()
        except OSError as error:
            raise _unusable(self.folder, error) from error
        if not names:
            raise KeyFolderError(f"{self.folder} has no keys any more: put a backup there")
        return [self._key(name) for name in names]

    def _names(self) -> list[str]:
        names = (name for name in os.listdir(self.folder) if _NAME.fullmatch(name))
        return sorted(names, key=_number)

    def _key(self, name: str) -> Key:
        if name not in self._read:
            self._read[name] = _read(self.folder / name)
        return self._read[name]


def _file(number: int) -> str:
    return f"{number:04}.pem"


def _number(name: str) -> int:
    found = _NAME.fullmatch(name)
    assert found is not None
    return int(found[1])


def _read(path: Path) -> Key:
    try:
        private = path.read_text(encoding="ascii")
        key = serialization.load_pem_private_key(private.encode(), password=None)
    except OSError as error:
        raise _unusable(path.parent, error) from error
    except (ValueError, TypeError) as error:
        raise KeyFolderError(
            f"{path} holds no private key: put a backup of it there, or remove the file if it is "
            "not the newest"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyFolderError(f"{path} holds a key that is not RSA, which is all that LTI takes")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = LibraryRegistration.get_jwk(public.decode())["kid"]
    return Key(kid, private, public.decode())


def _write(path: Path) -> bool:
    """Make a key whole or not at all; whether this process made it and no other one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    return write_private(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _unusable(folder: Path, error: OSError) -> KeyFolderError:
    return KeyFolderError(
        f"the tool's keys in {folder} cannot be used: {error.strerror or error}. They belong to "
        "the user who runs the tool; another data folder is chosen with XDG_DATA_HOME"
    )
