"""A page in a frame is opened in a window of its own, where browsers have no cookie for it yet."""

import hmac
import secrets
import threading
from typing import Final

_SECONDS: Final = 3600.0


class Windows:
    """Codes, each good once and for an hour, that say whose session a new window goes on with.

    A code is an HMAC (RFC 2104) with a key of this process. It stands in a page that is never
    kept, and leads, once it is used, nowhere.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def code(self, session: str, now: float) -> str:
        """A code for the session with this hash."""
        text = f"{session}.{int(now + _SECONDS)}.{secrets.token_hex(8)}"
        return f"{text}.{self._signature(text)}"

    def find(self, code: str, now: float, *, use: bool = False) -> str | None:
        """The hash of the session whose code it is; None if it is none, or no longer good.

        Args:
            code: the code.
            now: the time.
            use: whether it is used with that, and good no longer.
        """
        text, _, signature = code.rpartition(".")
        if not hmac.compare_digest(self._signature(text).encode(), signature.encode()):
            return None
        session, expires, nonce = text.split(".")
        with self._lock:
            if now >= int(expires) or nonce in self._used:
                return None
            if use:
                self._used = {one: end for one, end in self._used.items() if end > now}
                self._used[nonce] = int(expires)
        return session

    def _signature(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), "sha256").hex()
