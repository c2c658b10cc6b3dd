"""What callers, accounts and prefixes may use in an hour or a day: settings, and whom a call counts for. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from bridge.store.tallies import Use

Way = Literal["in", "out"]
Amount = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]

WITHHELD = "withheld"
"""The prefix of everybody who calls without a number, or with one that is none."""
_NUMBER = re.compile(r"(?:sips?:|tel:)?(?:\+|00)?([0-9]{3,15})(?:[@;]\S{0,200})?", re.IGNORECASE)
_SIP = re.compile(r"sips?:[!-~]{1,200}", re.IGNORECASE)
_NAMELESS = ("anonymous", "restricted", "blocked", "unknown", "unavailable")
_KEYS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999")
_SPELLED = frozenset(word.translate(_KEYS) for word in _NAMELESS)
"""What stands for a number that was withheld, as a keypad has the letters: a carrier's `+266696687` is `anonymous`."""
_NAMELESS_SIP = re.compile(rf"sips?:(?:(?:{'|'.join(_NAMELESS)})(?:@.*)?|.*@anonymous\.invalid\b.*)", re.IGNORECASE)
"""RFC 3323, 4.1.1.3."""
_PREFIX = re.compile(r"\+?[0-9]{1,15}|" + WITHHELD)
_SECONDS = {"hour": 3600, "day": 86_400}


class CallAllowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much each caller, account or prefix may use in an hour or a day; what is None has no limit."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,40}$")]
    """Its name on metrics and pages."""
    of: Literal["number", "account", "prefix"]
    """Each calling number, each of a carrier's accounts, or all numbers together that begin with one of `prefixes`."""
    prefixes: tuple[str, ...] = ()
    """Such as `+1900` or `withheld`; of a caller for calls that come in, of the number that is called for others."""
    way: Literal["in", "out", "both"] = "both"
    """Calls that come in, transfers that go out, or both."""
    per: Literal["hour", "day"] = "day"
    """Of Coordinated Universal Time, so that all machines begin at once."""
    calls: Count | None = None
    minutes: Count | None = None
    """Begun minutes, as carriers bill them."""
    money: Amount | None = None
    """In the currency of `prices`."""

    def __post_init__(self) -> None:
        if self.calls is None and self.minutes is None and self.money is None:
            raise ValueError(f"allowance {self.name}: expected one of calls, minutes and money")
        if (self.of == "prefix") != bool(self.prefixes):
            raise ValueError(f"allowance {self.name}: expected prefixes exactly where it is `of: prefix`")
        _check_prefixes(self.prefixes, f"allowance {self.name}")

    @property
    def window_s(self) -> int:
        """How long its window is."""
        return _SECONDS[self.per]

    def spent(self, used: Use, more: Use) -> str:
        """Which of calls, minutes and money would be more than is allowed; empty where none would."""
        after = used.plus(more)
        if self.calls is not None and more.calls and after.calls > self.calls:
            return "calls"
        if self.minutes is not None and more.minutes and after.minutes > self.minutes:
            return "minutes"
        return "money" if self.money is not None and more.money and after.money > self.money + 1e-6 else ""

    def share(self, used: Use) -> float:
        """0 (nothing used) .. 1 (all of it, of whichever there is least)."""
        return min(1.0, max(
            used.calls / self.calls if self.calls else 0.0,
            used.minutes / self.minutes if self.minutes else 0.0,
            used.money / self.money if self.money else 0.0,
        ))  # fmt: skip


class AllowanceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is allowed, what a minute costs, and what those hear who have used what they may."""

    limits: tuple[CallAllowance, ...] = ()
    prices_in: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    """Of a begun minute of a call that comes in, by the caller's prefix; of all others under an empty one."""
    prices_out: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    """Of a begun minute of a transfer, by the prefix of the number that is called."""
    busy_text: str = "You have used the calls that this number takes from you for now. Please try again later."
    """What a caller hears who has; `gateway.overflow_number` is not rung for them. Empty: a busy tone."""
    file: str = ""
    """Where counts outlive a restart of a service without Redis; without either they begin again with it."""

    def __post_init__(self) -> None:
        for name, number in Counter(limit.name for limit in self.limits).items():
            if number > 1:
                raise ValueError(f"two allowances are called {name}")
        for what, prices in (("prices_in", self.prices_in), ("prices_out", self.prices_out)):
            _check_prefixes(tuple(prefix for prefix in prices if prefix), what)
        if any(limit.money is not None for limit in self.limits) and not (self.prices_in or self.prices_out):
            raise ValueError("an allowance of money needs prices_in or prices_out")


class Party(msgspec.Struct, frozen=True):
    """Whom a call or a transfer counts for. `far` is the number at the other end: who calls, or who is called."""

    number: str
    account: str
    far: str


def plain_number(number: str) -> str:
    """The digits of a number however it is written, a SIP address in small letters, `withheld` of anything else."""
    found = _NUMBER.fullmatch(number)
    if found:
        return WITHHELD if found[1] in _SPELLED else found[1]
    return number.lower() if _SIP.fullmatch(number) and not _NAMELESS_SIP.fullmatch(number) else WITHHELD


def longest_prefix(number: str, prefixes: Iterator[str] | Mapping[str, object] | tuple[str, ...]) -> str | None:
    """The longest of these that a plain number begins with; None where there is none."""
    return max((one for one in prefixes if number.startswith(one.removeprefix("+"))), key=len, default=None)


def minute_price(prices: Mapping[str, float], number: str) -> float:
    """What a begun minute with this plain number costs."""
    prefix = longest_prefix(number, prices)
    return 0.0 if prefix is None else prices[prefix]


def counted(settings: AllowanceSettings, way: Way, party: Party) -> Iterator[tuple[CallAllowance, str]]:
    """Each allowance that a call this way counts for, and under whose name."""
    for limit in settings.limits:
        if limit.way not in (way, "both"):
            continue
        match limit.of:
            case "number":
                who = "" if party.number == WITHHELD else party.number
            case "account":
                who = party.account
            case "prefix":
                who = longest_prefix(party.far, limit.prefixes) or ""
        if who:
            yield limit, who


def _check_prefixes(prefixes: tuple[str, ...], what: str) -> None:
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{what}: {prefix!r}, expected the beginning of a number such as +1900, or {WITHHELD}")
