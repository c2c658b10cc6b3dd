"""How the carrier signs its requests: HMAC-SHA1 over the URL and the sorted form, base64.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping


def signature(auth_token: str, url: str, form: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> str:
    """The `X-Twilio-Signature` of a request to `url` with these form fields (none for GET and sockets)."""
    fields = form.items() if isinstance(form, Mapping) else form
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
