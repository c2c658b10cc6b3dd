"""Whom a caller may be connected to: targets are made E.164, and what the operator did not allow is refused.

Toll fraud is somebody talking a phone agent into dialling a number that costs the operator money and earns them a
share. So a number counts by where it comes from: the operator wrote it (a script, `transfers.targets`), an agent
named it, or a caller did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

from bridge.agents.settings import COLLEAGUE, TransferSettings
from bridge.errors import BridgeError, ConfigError
from bridge.understanding.results import Hypothesis
from bridge.understanding.understand import understand

E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
SIP = re.compile(r"sips?:[^\s@<>\"]+@[^\s@<>\"]+", re.ASCII | re.IGNORECASE)
_LONGEST_TARGET = 200
_SHOWN = 40
_TELLING = 6
"""Digits that nobody has by chance in common with what a caller said."""
_MOST_SAID = 40
"""Of the caller's last turns: all that an agent is likely to remember a number from."""
_MOST_READ, _LONGEST_READ = 8, 300
"""Turns, and characters at the end of each, in which a number may be said in words: to read one takes 0.3 ms."""
_COSTLY = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a shared cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which may cost any price",
}
_SATELLITES = frozenset({870, 881, 882, 883, 979})
"""Country codes of satellites, international networks and international premium rates (ITU-T E.164, annex D)."""


class Origin(IntEnum):
    """Who named a number; what is made of several parts is as little trusted as its least trusted part."""

    OPERATOR = 0
    AGENT = 1
    """An agent's service, a model, or a parameter of the call."""
    CALLER = 2


class Refusal(StrEnum):
    """Why a target is not dialled."""

    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    """Neither a number, nor a name of `transfers.targets`."""
    NO_COUNTRY = "no_country"
    """A number without country code, and no `transfers.region`."""
    NOT_ALLOWED = "not_allowed"
    COSTLY = "costly"
    """Premium rates and the like, which only their full number in `transfers.allow` allows."""
    FROM_CALLER = "from_caller"
    """The caller named it."""


class TransferRefused(BridgeError):
    """A target that is not dialled, and why. The message does not hold the target."""

    def __init__(self, why: Refusal, message: str, target: str) -> None:
        super().__init__(message)
        self.why = why
        self.target = " ".join(target[:_SHOWN].split())


class Transfers:
    """The rules for targets of one service. Raises ConfigError for rules that cannot be read."""

    def __init__(self, settings: TransferSettings | None = None, where: str = "agent.transfers") -> None:
        settings = TransferSettings() if settings is None else settings
        self._region = settings.region.upper()
        if self._region and self._region not in phonenumbers.SUPPORTED_REGIONS:
            raise ConfigError(f"{where}.region: {settings.region!r}: expected two letters of ISO 3166, such as US")
        self._from_caller = settings.from_caller
        self._targets = {
            _folded(name): self._written(target, f"{where}.targets.{name}") for name, target in settings.targets.items()
        }
        self.names = tuple(settings.targets)
        """Names that an agent may use."""
        self._allowed = [_Allowed(entry, f"{where}.allow") for entry in settings.allow]

    @property
    def open(self) -> bool:
        """Whether an agent may name numbers itself."""
        return bool(self._allowed)

    def dialled(self, target: str, origin: Origin = Origin.AGENT) -> str:
        """What to dial for this target: an E.164 number or a SIP address. Raises TransferRefused."""
        named = self._targets.get(_folded(target[:_LONGEST_TARGET]))
        if named is not None and origin is not Origin.CALLER:
            return named
        if origin is Origin.CALLER and not self._from_caller:
            raise TransferRefused(Refusal.FROM_CALLER, "the caller named it, and from_caller is not set", target)
        dialled, number = self._normalised(target)
        if origin is Origin.OPERATOR or any(one.exactly(dialled) for one in self._allowed):
            return dialled
        if number is not None and not phonenumbers.is_valid_number(number):
            # Prices are known for numbering plans alone: what is in none may cost anything.
            raise TransferRefused(Refusal.NOT_A_NUMBER, "no numbering plan has such a number", target)
        if number is not None and (cost := _cost(number)):
            raise TransferRefused(Refusal.COSTLY, f"{cost}, which is not written whole in allow", target)
        if not any(one.covers(dialled, number) for one in self._allowed):
            raise TransferRefused(Refusal.NOT_ALLOWED, "no entry of allow covers it", target)
        return dialled

    def origin(self, target: str, caller: str, said: Iterable[str], language: str) -> Origin:
        """Who named a target that an agent names: the caller, where it is the number that they said or call from.

        `said` are the texts and keys of the caller's turns, the last one last.
        """
        if self._from_caller or _folded(target[:_LONGEST_TARGET]) in self._targets:
            return Origin.AGENT
        try:
            dialled, number = self._normalised(target)
        except TransferRefused:
            return Origin.AGENT  # and refused for what it is
        if number is None:
            told = " ".join(list(said)[-_MOST_SAID:]).casefold()
            return Origin.CALLER if dialled.partition(":")[2].casefold() in told else Origin.AGENT
        digits = phonenumbers.national_significant_number(number)
        if len(digits) < _TELLING:
            return Origin.AGENT
        heard = list(said)[-_MOST_SAID:]
        if digits in _digits(caller) or digits in _digits("".join(heard)):
            return Origin.CALLER
        words = [one[-_LONGEST_READ:] for one in heard[-_MOST_READ:]]
        spoken = [understand([Hypothesis(one, 1.0)], "phone", language) for one in words]
        return Origin.CALLER if any(one and digits in _digits(str(one.value)) for one in spoken) else Origin.AGENT

    def _written(self, target: str, where: str) -> str:
        """A target of the operator's own, or a colleague in the team."""
        if target.startswith(COLLEAGUE):
            return target
        try:
            return self._normalised(target)[0]
        except TransferRefused as refused:
            expected = 'expected an E.164 number such as "+15550100" or a SIP address'
            raise ConfigError(f"{where}: {target[:80]!r}: {expected}; {refused}") from None

    def _normalised(self, target: str) -> tuple[str, PhoneNumber | None]:
        """As it is dialled, and as a number where it is one."""
        text = target.strip()
        if not text:
            raise TransferRefused(Refusal.EMPTY, "there is nothing to dial", target)
        if len(text) > _LONGEST_TARGET:
            raise TransferRefused(Refusal.NOT_A_NUMBER, f"longer than {_LONGEST_TARGET} characters", target)
        if SIP.fullmatch(text):
            return text, None
        written = E164.fullmatch(text) is not None
        number = self._parsed(text)
        if number.extension:
            raise TransferRefused(Refusal.NOT_A_NUMBER, "extensions cannot be dialled", target)
        if not written and not phonenumbers.is_possible_number(number):
            raise TransferRefused(Refusal.NOT_A_NUMBER, "no number of that country has so many digits", target)
        e164 = text if written else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if not E164.fullmatch(e164):
            raise TransferRefused(Refusal.NOT_A_NUMBER, "too few digits", target)
        return e164, number

    def _parsed(self, text: str) -> PhoneNumber:
        try:
            return phonenumbers.parse(text, self._region or None)
        except phonenumbers.NumberParseException as error:
            kind = phonenumbers.NumberParseException
            if error.error_type == kind.INVALID_COUNTRY_CODE and not text.startswith("+"):
                message = "a number without a country code, and no region is set"
                raise TransferRefused(Refusal.NO_COUNTRY, message, text) from None
            raise TransferRefused(Refusal.NOT_A_NUMBER, "neither a number nor a name on offer", text) from None


class _Allowed:
    """One entry of `allow`: whom it lets calls be put through to."""

    def __init__(self, entry: str, where: str) -> None:
        self._entry = entry.strip()
        self._is_sip = self._entry.lower().startswith(("sip:", "sips:"))
        self._is_region = self._entry.upper() in phonenumbers.SUPPORTED_REGIONS
        if not self._is_sip and not self._is_region and not re.fullmatch(r"\+[1-9]\d{0,14}", self._entry, re.ASCII):
            expected = 'expected a number or its beginning ("+4930"), a region (DE), or sip:*@example.com'
            raise ConfigError(f"{where}: {entry!r}: {expected}")

    def exactly(self, dialled: str) -> bool:
        """Whether this very target is written here."""
        return dialled == self._entry

    def covers(self, dialled: str, number: PhoneNumber | None) -> bool:
        """Whether the target is of this region, beginning or domain."""
        if self._is_sip:
            return number is None and fnmatchcase(dialled.lower(), self._entry.lower())
        if number is None:
            return False
        if self._is_region:
            return bool(phonenumbers.region_code_for_number(number) == self._entry.upper())
        return dialled.startswith(self._entry)


def _digits(text: str) -> str:
    return "".join(c for c in text if c in "0123456789")


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _cost(number: PhoneNumber) -> str:
    """Why a number may cost more than a call; empty where it does not."""
    if number.country_code in _SATELLITES:
        return "a number of satellites or international premium rates"
    return _COSTLY.get(phonenumbers.number_type(number), "")
