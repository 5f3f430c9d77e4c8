"""What students read, in the course's language, through gettext catalogs.

English texts are the message ids; ``locale/<language>/LC_MESSAGES/autograder.po`` translates
them. The language of a process is the course's, but for the submissions of students who have
another one (``Jail.languages``).
"""

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCALE_FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = ("es", "en")

_catalog: gettext.NullTranslations = gettext.NullTranslations()


def set_language(language: str) -> None:
    """Use the catalog of ``language``.

    Raises:
        ValueError: there is no such catalog.
    """
    global _catalog
    if language not in LANGUAGES:
        raise ValueError(f"no catalog for language {language!r}: choose one of {LANGUAGES}")
    _catalog = gettext.translation("autograder", LOCALE_FOLDER, [language], fallback=True)


@contextmanager
def in_language(language: str) -> Iterator[None]:
    """Use the catalog of ``language`` for a while, then the one that was used before.

    Raises:
        ValueError: there is no such catalog.
    """
    global _catalog
    before = _catalog
    try:
        set_language(language)
        yield
    finally:
        _catalog = before


def N_(text: str) -> str:
    """Mark a text for the catalogs, as gettext calls it; it is translated where it is shown."""
    return text


def translate(text: str, **values: object) -> str:
    """The text in the current language, with ``{name}`` replaced by ``values``."""
    translated = _catalog.gettext(text)
    return translated.format(**values) if values else translated


def refusal_texts() -> dict[str, str]:
    """What students read where something cannot work (keys: ``runner.refusals.TEXTS``)."""
    _ = translate
    return {
        "program": _("While it is graded, a notebook can start no other program."),
        "network": _("While it is graded, a notebook has no network."),
        "workers": _("While it is graded, a notebook can start no worker process; use 0 workers."),
    }
