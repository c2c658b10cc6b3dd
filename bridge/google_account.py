"""A Google account for one service: tokens signed here, without asking anybody.

Source: https://developers.google.com/identity/protocols/oauth2/service-account, "Service account authorization without
OAuth", as google-auth carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge import variables
from bridge.errors import ConfigError
from bridge.grpc_client import load


class GoogleAccount:
    """What a variable holds: the path of a service account's key file, that file's JSON, or a ready access token."""

    def __init__(self, variable: str, environ: Mapping[str, str], audience: str) -> None:
        """`audience` is the service's address. Raises ConfigError for a variable that holds none of these."""
        found = variables.value(variable, environ)
        self.project = ""
        self._token: variables.Secret = found
        self._signs = None
        if found.endswith(".json") or found.startswith("/"):
            try:
                found = variables.Secret(Path(str(found)).read_text("utf-8").strip())
            except (OSError, ValueError) as error:
                what = error.strerror if isinstance(error, OSError) else "no text"
                raise ConfigError(f"environment variable {variable}: a file that cannot be read: {what}") from None
        if not found.startswith("{"):
            if not found.isascii() or not found.isprintable():
                raise ConfigError(f"environment variable {variable}: expected a key file's path, its JSON, or a token")
            return
        try:
            info = msgspec.json.decode(str(found), type=dict[str, object])
            self.project = str(info.get("project_id", ""))
            self._signs = load("google.auth.jwt").Credentials.from_service_account_info(info, audience=audience)
        except (msgspec.MsgspecError, ValueError):
            raise ConfigError(f"environment variable {variable}: is no key file of a service account") from None

    def headers(self) -> dict[str, str]:
        """What a call carries to be let in; without an account nothing."""
        if self._signs is None:
            return {"authorization": f"Bearer {self._token}"} if self._token else {}
        if not self._signs.valid:
            self._signs.refresh(None)
        token = self._signs.token
        return {"authorization": f"Bearer {token.decode() if isinstance(token, bytes) else token}"}
