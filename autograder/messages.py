"""What students read, in the course's language, through gettext catalogs.

English texts are the message ids; ``locale/<language>/LC_MESSAGES/autograder.po`` translates
them. The language of a process is the course's, but while something is done for a student who has
another one (``Jail.languages``), in that thread or task.
"""

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("es", "en")

_of_process: gettext.NullTranslations = gettext.NullTranslations()
_for_a_while: ContextVar[gettext.NullTranslations | None] = ContextVar("catalog", default=None)


def set_language(language: str) -> None:
    """Use the catalog of ``language``.

    Raises:
        ValueError: there is no such catalog.
    """
    global _of_process
    _of_process = _catalog_of(language)


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Use the catalog of ``language`` for a while in this thread or task.

    Raises:
        ValueError: there is no such catalog.
    """
    token = _for_a_while.set(_catalog_of(language))
    try:
        yield
    finally:
        _for_a_while.reset(token)


@cache
def _catalog_of(language: str) -> gettext.NullTranslations:
    if language not in LANGUAGES:
        raise ValueError(f"no catalog for language {language!r}: choose one of {LANGUAGES}")
    return gettext.translation("autograder", LOCALE_FOLDER, [language], fallback=True)


def N_(text: str) -> str:
    """Mark a text for the catalogs, as gettext calls it; it is translated where it is shown."""
    return text


def translate(text: str, **values: object) -> str:
    """The text in the current language, with ``{name}`` replaced by ``values``."""
    translated = (_for_a_while.get() or _of_process).gettext(text)
    return translated.format(**values) if values else translated


def refusal_texts() -> dict[str, str]:
    """What students read where something cannot work (keys: ``runner.refusals.TEXTS``)."""
    _ = translate
    return {
        "program": _("While it is graded, a notebook can start no other program."),
        "network": _("While it is graded, a notebook has no network."),
        "workers": _("While it is graded, a notebook can start no worker process; use 0 workers."),
    }
