"""A recogniser elsewhere, whose protocol is a `RecogniserWire`: one WebSocket for each call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

from bridge import variables
from bridge.errors import ConfigError
from bridge.http import HttpClient, OpenClient
from bridge.listening.recognisers.base import Capabilities, ExpectedSpeech, StreamListener
from bridge.listening.recognisers.links import WebSocketLink
from bridge.listening.recognisers.wire import RecogniserWire
from bridge.listening.recognisers.wire_stream import WireStream


class LinkSettings(Protocol):
    """What the settings of every recogniser elsewhere have."""

    @property
    def key_env(self) -> str:
        """The environment variable that holds the key."""

    @property
    def connect_s(self) -> float:
        """The longest that connecting may take."""


class HostedRecogniser:
    """Follows the audio of each call over a connection of its own; `wire_of` makes the protocol of each."""

    name = "hosted"
    capabilities = Capabilities(live=True)

    def __init__(
        self,
        settings: LinkSettings,
        wire_of: Callable[[ExpectedSpeech], RecogniserWire],
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
        *,
        needs_key: bool = True,
    ) -> None:
        self.settings = settings
        self._environ = os.environ if environ is None else environ
        self._wire_of = wire_of
        self._open_client = open_client
        self._needs_key = needs_key
        self._key = variables.Secret()
        self._http: HttpClient | None = None

    async def load(self) -> None:
        """Have a client ready; each call connects when it starts. Raises ConfigError when there is no key."""
        variable = self.settings.key_env
        self._key = variables.header(variable, self._environ)
        if self._needs_key and variable and not self._key:
            raise ConfigError(
                f"environment variable {variable} is not set: it must hold the key of the recogniser {self.name}"
            )
        self._http = self._open_client()

    async def unload(self) -> None:
        """Close what is still open."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WireStream:
        """Begin to connect for one call; what is fed meanwhile is kept."""
        wire = self._wire_of(expected)
        return WireStream(WebSocketLink(self._http, wire.address(self._key), self.settings.connect_s), wire, listener)
