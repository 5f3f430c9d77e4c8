"""Access tokens, with which the services of a platform are called.

IMS: Security Framework 1.0, section 4.1: OAuth 2 client credentials, with an assertion that the
tool's key signs (RFC 7523).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import requests
from pylti1p3.exception import LtiServiceException
from pylti1p3.registration import Registration as ToolRegistration
from pylti1p3.service_connector import ServiceConnector

from autograder.lms.lti.keys import Key, Keys
from autograder.lms.outgoing import reason_of
from autograder.lms.services.ags import Answer, NoAnswerError
from autograder.lms.services.replies import RefusedError, answer_of, number_in

_SECONDS: Final = 300.0
"""How long a token is used where the platform does not say how long it is good."""
_MARGIN_SECONDS: Final = 60.0
"""How long before its end a token is not used any more."""


class TokenRefusedError(RefusedError):
    """The platform gives no token of a scope."""

    @property
    def of_scope(self) -> bool:
        """Whether it gives others: this scope only is not offered (RFC 6749, section 5.2)."""
        return "invalid_scope" in self.answer.text


@dataclass(frozen=True)
class Client:
    """What this tool is at a platform: one client of one issuer."""

    registration: int
    client_id: str
    token_url: str
    audience: str = ""
    product: str = ""


@dataclass(frozen=True)
class Token:
    """An access token."""

    text: str
    is_new: bool
    """Whether it was asked for just now."""


class Tokens:
    """The tokens of one registration, one a scope; threads may share them."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        session: Callable[[], requests.Session],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask for none yet.

        Args:
            client: who this tool is.
            keys: the tool's keys.
            session: makes what requests are sent with.
            clock: a time that never goes back.
        """
        self._client = client
        self._keys = keys
        self._session = session
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}
        """Tokens by scope, each with when it is used no more."""
        self._lock = threading.Lock()

    def get(self, scope: str) -> Token:
        """A token of a scope.

        Scopes are asked for one by one, as some platforms refuse all if they refuse one.

        Raises:
            TokenRefusedError: the platform gives none.
            NoAnswerError: it does not answer.
        """
        with self._lock:
            known = self._known.get(scope)
            if known is not None and self._clock() < known[1]:
                return Token(known[0], is_new=False)
            text, seconds = self._new(scope)
            self._known[scope] = text, self._clock() + seconds
            return Token(text, is_new=True)

    def drop(self) -> None:
        """Forget all, so that new ones are asked for."""
        with self._lock:
            self._known.clear()

    def _new(self, scope: str) -> tuple[str, float]:
        """A new token, and for how many seconds it is used."""
        with self._session() as session:
            connector = _Connector(self._client, self._keys.current, session)
            try:
                token = connector.get_access_token([scope])
            except LtiServiceException as error:
                raise self._refused(scope, error.response) from error
            except (KeyError, TypeError) as error:  # JSON, but not the object with a token
                raise self._refused(scope, connector.response) from error
            except requests.RequestException as error:
                raise NoAnswerError(
                    f"no access token: {self._client.token_url}: {reason_of(error)}"
                ) from error
        told = connector.response.json()
        granted = told.get("scope")
        if isinstance(granted, str) and scope not in granted.split():
            raise TokenRefusedError(
                f"the platform gives access tokens of {granted or 'no scope'}, not of {scope}",
                Answer(400, "invalid_scope"),
            )
        seconds = number_in(told.get("expires_in")) or _SECONDS
        return token, max(seconds - _MARGIN_SECONDS, seconds / 2)

    def _refused(self, scope: str, response: requests.Response) -> TokenRefusedError:
        answer = answer_of(response)
        return TokenRefusedError(
            f"the platform gives no access token of {scope}: {self._client.token_url} answers "
            f"{answer.status}: {answer.text}",
            answer,
        )


class _Connector(ServiceConnector):
    """pylti1p3's way to a token, without its cache, which mixes up the clients of an issuer."""

    response: requests.Response
    """What the platform answered."""

    def __init__(self, client: Client, key: Key, session: requests.Session) -> None:
        tool = _Tool(key.kid)
        tool.set_client_id(client.client_id).set_auth_token_url(client.token_url)
        tool.set_auth_audience(client.audience).set_tool_private_key(key.private_pem)
        session.hooks["response"].append(self._keep)
        super().__init__(tool, session)

    def _keep(self, response: requests.Response, *_: Any, **_options: Any) -> None:
        self.response = response

    def _get_cached_access_token(self, scope_key: str) -> str | None:
        return None

    def _cache_access_token(self, scope_key: str, access_token: Any, expires_in: Any) -> None:
        if not isinstance(access_token, str):
            raise TypeError


class _Tool(ToolRegistration):
    """A registration whose key has the name that the tool's key set gives it."""

    def __init__(self, kid: str) -> None:
        self._kid = kid

    def get_kid(self) -> str:
        return self._kid
