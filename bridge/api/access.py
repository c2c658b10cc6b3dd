"""Who may use the speech API, and how much of it: keys, a rate and a number of streams for each of them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from bridge import variables
from bridge.api.use import KeyUse, seconds_until
from bridge.errors import BridgeError, ConfigError
from bridge.gateway.settings import SpeechApiSettings

_SHORTEST_KEY = 16
_A_LITTLE = 0.01
"""A request that has all but faded does not keep the next one waiting."""


class ApiError(BridgeError):
    """A request that gets no speech: an HTTP status, and the fields of OpenAI's error object."""

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after_s = status, code, param, retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the answer: `{"error": {"message", "type", "param", "code"}}`."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(self.status)
        kind = kind or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> web.Response:
        """Build the HTTP answer that tells the client of this error."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return web.json_response(self.body, status=self.status, headers=headers, dumps=_json)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Account:
    """One key, and what it has in use."""

    def __init__(self, settings: SpeechApiSettings, clock: Callable[[], float], use: KeyUse, number: int) -> None:
        self._settings = settings
        self._clock = clock
        self._use = use
        self._number = number

    def take(self) -> None:
        """A stream begins; `give_back` must follow. Raises ApiError when it is one too many."""
        settings, use, now = self._settings, self._use, self._clock()
        if use.streams(self._number) >= settings.streams_per_key:
            raise ApiError(
                429,
                "too_many_streams",
                f"{settings.streams_per_key} streams of this key are being spoken already",
                retry_after_s=1.0,
            )
        most, level = settings.requests_per_minute, use.requests(self._number, now)
        if level > most - 1 + _A_LITTLE:
            wait_s = seconds_until(level, most - 1 + _A_LITTLE)
            raise ApiError(429, "rate_limit_exceeded", f"more than {most} requests a minute", retry_after_s=wait_s)
        use.request(self._number, now)
        use.stream(self._number, 1)

    def give_back(self) -> None:
        """Give back the place of a stream that is over."""
        self._use.stream(self._number, -1)

    @contextlib.contextmanager
    def socket(self) -> Iterator[None]:
        """A WebSocket of this key, for as long as it is open. Raises ApiError when it is one too many."""
        if self._use.sockets(self._number) >= self._settings.streams_per_key:
            raise ApiError(429, "too_many_sockets", "this key has too many sockets open", retry_after_s=1.0)
        self._use.socket(self._number, 1)
        try:
            yield
        finally:
            self._use.socket(self._number, -1)


def speech_keys(settings: SpeechApiSettings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys that the settings' variable holds. Raises ConfigError for one that could be guessed."""
    keys = variables.values(settings.keys_env, environ)
    if any(len(key) < _SHORTEST_KEY for key in keys):
        raise ConfigError(
            f"environment variable {settings.keys_env}: has a key that is too easy to guess, expected at least "
            f"{_SHORTEST_KEY} characters in each, and commas between them"
        )
    return keys


class Access:
    """All keys with their accounts. `clock` is in seconds; `use` is shared with other processes, if there are any."""

    def __init__(
        self,
        settings: SpeechApiSettings,
        keys: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        use: KeyUse | None = None,
    ) -> None:
        different = list(dict.fromkeys(keys))
        use = use or KeyUse(len(different))
        self._accounts = [(_digest(key), Account(settings, clock, use, number)) for number, key in enumerate(different)]

    @property
    def anybody(self) -> bool:
        """Whether there is any key at all; without one the API is off."""
        return bool(self._accounts)

    def account(self, authorization: str) -> Account:
        """The account of an `Authorization` header. Raises ApiError when it names no key of ours."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError(401, "missing_api_key", "no API key: send it as `Authorization: Bearer KEY`")
        # Digests have one length, and all are compared: the time taken tells nothing about the keys.
        sent, found = _digest(key.strip()), None
        for digest, account in self._accounts:
            if hmac.compare_digest(sent, digest):
                found = account
        if found is None:
            raise ApiError(401, "invalid_api_key", "this API key is not valid here")
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()
