"""Asking a platform's server for JSON."""

import json
from typing import Any, Final

import requests

from autograder.lms.addresses import require_safe
from autograder.lms.outgoing import Outgoing, reason_of, told_by

_SILENT_SECONDS: Final = 10.0
_ALL_SECONDS: Final = 20.0
LARGEST: Final = 1024 * 1024
_TOLD: Final = 200


class FetchError(Exception):
    """A server did not answer as it must; the message says which and how."""


def fetch_json(url: str, *, bearer: str = "", body: object = None) -> dict[str, Any]:
    """The JSON object that a server answers with.

    Args:
        url: where; https, or on this machine.
        bearer: a token to be sent.
        body: what is posted as JSON; None to get.

    Raises:
        FetchError: no answer came in time, or it is too large, no JSON object, a redirect or an
            error.
        AddressError: the address cannot be used.
    """
    require_safe("a platform's address", url)
    headers = {"Accept": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    with Outgoing(_SILENT_SECONDS, _ALL_SECONDS, LARGEST) as session:
        try:
            answer = session.request(
                "GET" if body is None else "POST", url, headers=headers, json=body
            )
        except requests.RequestException as error:
            raise FetchError(f"{url} cannot be read: {reason_of(error)}") from error
        except (ValueError, OSError) as error:  # an address or certificates that cannot be used
            raise FetchError(f"{url} cannot be read: {str(error)[:_TOLD]}") from error
    if not 200 <= answer.status_code < 300:
        raise FetchError(f"{url} answers {answer.status_code}: {told_by(answer)[:_TOLD]}")
    return _object(answer.content, url)


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FetchError(f"{url} does not answer with JSON: {content[:_TOLD]!r}") from error
    if not isinstance(told, dict):
        raise FetchError(f"{url} answers with JSON that is no object")
    return told
