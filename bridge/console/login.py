"""Who may see the pages: one password, a signed cookie, and few attempts."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie

COOKIE = "bridge_console"
_PURPOSE = b"bridge console login 1"
_ATTEMPTS, _WITHIN_S = 5, 60.0
_REMEMBERED = 4096


class Logins:
    """Checks passwords and cookies; a cookie says until when it is good, signed under our secret and the password."""

    def __init__(self, password: str, secret: str, *, hours: float) -> None:
        if not password:
            raise ValueError("a console needs a password")
        self._password = hashlib.sha256(password.encode()).digest()
        self._key = hmac.digest(secret.encode(), _PURPOSE + self._password, hashlib.sha256)
        self.lifetime_s = round(hours * 3600)
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def may_try(self, address: str, now: float) -> bool:
        """Whether somebody from this address may try a password: few mistakes a minute are allowed."""
        return len(self._mistakes(address, now)) < _ATTEMPTS

    def try_password(self, password: str, address: str, now: float) -> str:
        """The value of a new cookie; empty when the password is wrong, which counts against the address."""
        if not hmac.compare_digest(hashlib.sha256(password.encode()).digest(), self._password):
            mistakes = [*self._mistakes(address, now), now]
            self._failed[address] = mistakes
            self._failed.move_to_end(address)
            if len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
            return ""
        self._failed.pop(address, None)
        until = str(int(now) + self.lifetime_s)
        return f"{until}.{self._sign(until)}"

    def logged_in(self, cookies: str, now: float) -> bool:
        """Whether this `Cookie` header holds a login that is good now (Unix time)."""
        try:
            morsel = SimpleCookie(cookies[:4096]).get(COOKIE)
        except CookieError:
            return False
        until, _, signature = (morsel.value if morsel is not None else "").partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 16):
            return False
        return hmac.compare_digest(self._sign(until).encode(), signature.encode()) and now < int(until)

    def _mistakes(self, address: str, now: float) -> list[float]:
        return [at for at in self._failed.get(address, ()) if at > now - _WITHIN_S]

    def _sign(self, until: str) -> str:
        return hmac.digest(self._key, until.encode(), hashlib.sha256).hex()
