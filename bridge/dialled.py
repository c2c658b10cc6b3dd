"""The number that a caller dialled, in one spelling, so that two spellings of it are found to be one.

E.164 numbers lose spaces, brackets and hyphens. SIP addresses (RFC 3261, section 19.1) keep their user as it is, since
its case counts, and lose what does not name anybody: parameters, headers, the port, and capitals of the host.
"""

from __future__ import annotations

import re

import phonenumbers

_LONGEST = 200
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SIP = re.compile(
    r"<?(?P<scheme>sips?):(?P<user>[^\s@<>;?\"]+)@(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:[;?][^\s<>]*)?>?",
    re.ASCII | re.IGNORECASE,
)


def normalised(dialled: str) -> str | None:
    """Return `+15550100` or `sip:user@host`; None for what is neither a number with its plus nor a SIP address."""
    dialled = dialled.strip()
    if len(dialled) > _LONGEST:
        return None
    sip = _SIP.fullmatch(dialled)
    if sip is not None:
        return f"{sip['scheme'].lower()}:{sip['user']}@{sip['host'].lower()}"
    if not dialled.startswith("+"):
        return None  # without its country a number says nothing about who was called
    number, before = dialled, ""
    while number != before:  # of +31 00..., a zero is taken at a time for the one that is not dialled from abroad
        number, before = _e164(number), number
    return number if _E164.fullmatch(number) else None


def _e164(dialled: str) -> str:
    try:
        number = phonenumbers.parse(dialled, None)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
