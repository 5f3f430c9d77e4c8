"""pylti1p3's classes for our database, without a web framework.

The library does the protocol. What it leaves open is closed here: a state is good for one browser
only, whatever was accepted before; keys are RS256's and read with a limit; times are checked by us,
with a tolerance and a clock that tests can set (``id_token.check``); a nonce is used up where the
launch is stored (``launch.finish``).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jwt.types import Options
from pylti1p3.cookie import CookieService
from pylti1p3.deployment import Deployment
from pylti1p3.message_launch import MessageLaunch
from pylti1p3.oidc_login import OIDCLogin
from pylti1p3.redirect import Redirect
from pylti1p3.registration import Registration as LibraryRegistration
from pylti1p3.request import Request
from pylti1p3.session import SessionService
from pylti1p3.tool_config.abstract import ToolConfAbstract

from autograder.lms import schema
from autograder.lms.lti.keys import Key
from autograder.lms.lti.platform_keys import ALGORITHM, PlatformKeys

_CHECKED_BY_US: Final[Options] = {
    "verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False,
}  # fmt: skip
"""Options of PyJWT's: it knows no clock but its own, and the library gives it no tolerance."""


def library_registration(row: schema.Registration, key: Key) -> LibraryRegistration:
    """A registration as the library knows it, with the tool's key to sign with."""
    found = LibraryRegistration()
    found.set_issuer(row.issuer).set_client_id(row.client_id)
    found.set_auth_login_url(row.auth_login_url).set_auth_token_url(row.auth_token_url)
    found.set_key_set_url(row.key_set_url)
    if row.auth_audience:
        found.set_auth_audience(row.auth_audience)
    return found.set_tool_private_key(key.private_pem).set_tool_public_key(key.public_pem)


class Params(Request):
    """What a request brought."""

    def __init__(self, params: Mapping[str, str], secure: bool) -> None:
        """Take what came in the query or a form."""
        self._params = params
        self._secure = secure

    @property
    def session(self) -> dict[str, Any]:
        """Nothing: what is kept is in the database."""
        return {}

    def is_secure(self) -> bool:
        """Whether it came over TLS."""
        return self._secure

    def get_param(self, key: str) -> str:
        """One parameter, empty where it did not come."""
        return self._params.get(key, "")


class Cookies(CookieService):
    """The one cookie of a login, in the browser's hands; the caller sets it."""

    def __init__(self, value: str | None = None) -> None:
        """Take the cookie that the browser sent."""
        self.value = value

    def get_cookie(self, name: str) -> str | None:
        """The cookie, whatever the library calls it."""
        return self.value

    def set_cookie(self, name: str, value: str | int, exp: int | None = 3600) -> None:
        """Keep what the caller is to set."""
        self.value = str(value)


class LoginMemory(SessionService):
    """The nonce of one login. Nothing that was accepted before opens a second way in."""

    def __init__(self, nonce: str = "") -> None:
        """Begin with a login's nonce, or with none yet."""
        self.nonce = nonce

    def save_nonce(self, nonce: str) -> None:
        """Keep the nonce of a login that begins."""
        self.nonce = nonce

    def check_nonce(self, nonce: str) -> bool:
        """Whether it is the login's; that it is the first time is checked where it is stored."""
        return secrets.compare_digest(nonce.encode(), self.nonce.encode())

    def check_state_is_valid(self, state: str, id_token_hash: str) -> bool:
        """Never: the browser's cookie decides each time."""
        return False

    def set_state_valid(self, state: str, id_token_hash: str) -> None:
        """Remember nothing."""

    def save_launch_data(self, key: str, jwt_body: Mapping[str, Any]) -> None:
        """Keep nothing: what a launch says is stored in tables of our own."""


class OneRegistration(ToolConfAbstract[Params]):
    """A tool with one registration: the one that a login is about."""

    def __init__(self, registration: LibraryRegistration, deployment: str | None = None) -> None:
        """Take a registration, and the deployment that a launch must be of."""
        self._registration = registration
        self._deployment = deployment

    def check_iss_has_one_client(self, iss: str) -> bool:
        """Never: an issuer may have many clients."""
        return False

    def check_iss_has_many_clients(self, iss: str) -> bool:
        """Always."""
        return True

    def find_registration_by_issuer(self, iss: str, *args: Any, **kwargs: Any) -> Any:
        """Never asked."""
        raise NotImplementedError

    def find_registration_by_params(
        self, iss: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        """The registration, if it is of this client; None if not."""
        mine = self._registration
        same = (iss, client_id or mine.get_client_id()) == (mine.get_issuer(), mine.get_client_id())
        return mine if same else None

    def find_deployment(self, iss: str, deployment_id: str) -> Deployment | None:
        """Never asked."""
        raise NotImplementedError

    def find_deployment_by_params(
        self, iss: str, deployment_id: str, client_id: str, *args: Any, **kwargs: Any
    ) -> Deployment | None:
        """The deployment, if it is the one that it must be."""
        if deployment_id != self._deployment:
            return None
        return Deployment().set_deployment_id(deployment_id)


@dataclass
class _Target(Redirect[str]):
    """An address to go to; the caller sends the browser there."""

    url: str

    def do_redirect(self) -> str:
        return self.url

    def do_js_redirect(self) -> str:
        return self.url

    def set_redirect_url(self, location: str) -> None:
        self.url = location

    def get_redirect_url(self) -> str:
        return self.url


class Login(OIDCLogin[Params, OneRegistration, LoginMemory, Cookies, str]):
    """The first step: the browser is sent to the platform with a state and a nonce."""

    def get_redirect(self, url: str) -> _Target:
        """The address to go to."""
        return _Target(url)

    def _get_uuid(self) -> str:
        return secrets.token_urlsafe(32)

    def _generate_nonce(self) -> str:
        return secrets.token_urlsafe(32)


class Message(MessageLaunch[Params, OneRegistration, LoginMemory, Cookies]):
    """The second step: the platform's message."""

    def __init__(
        self,
        form: Params,
        tool: OneRegistration,
        memory: LoginMemory,
        cookies: Cookies,
        platform_keys: PlatformKeys,
    ) -> None:
        """Take what the browser brought.

        Args:
            form: what was posted.
            tool: the login's registration.
            memory: the login's nonce.
            cookies: the browser's.
            platform_keys: where the platform's keys are read.
        """
        super().__init__(form, tool, session_service=memory, cookie_service=cookies)
        self._platform_keys = platform_keys
        self.set_jwt_verify_options(_CHECKED_BY_US)

    def _get_request_param(self, key: str) -> str:
        return self._request.get_param(key)

    def get_public_key(self) -> tuple[str, str]:
        """The key with which the message is signed, and the one algorithm that is taken.

        Raises:
            UnknownKeyError: the platform does not publish it.
            FetchError: the platform's keys cannot be read.
        """
        assert self._registration is not None
        url = self._registration.get_key_set_url()
        assert url is not None
        return self._platform_keys.find(url, self._jwt["header"]["kid"]), ALGORITHM
