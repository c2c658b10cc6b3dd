"""English as spoken in the United States and in Britain."""

from __future__ import annotations

import dataclasses
import functools

from bridge.text.spoken.english_numbers import (
    MONTHS,
    SMALL,
    american,
    american_date,
    american_ordinal,
    british,
    british_date,
    british_ordinal,
    clock,
    decade,
    fraction,
    spoken_year,
)
from bridge.text.spoken.english_tables import ABBREVIATIONS, BEFORE_NUMBERS, CURRENCIES, STREETS, TITLES, UNITS
from bridge.text.spoken.language import Currency, Language, Unit

AMERICAN = Language(
    code="en-US",
    cardinal=american,
    ordinal=american_ordinal,
    year=spoken_year,
    digits=tuple(SMALL[:10]),
    decimal_mark=".",
    group_marks=",",
    point="point",
    fraction=fraction,
    half_after_whole="and",
    ordinal_marks=("st", "nd", "rd", "th"),
    scales={
        word: (spoken, spoken)
        for spoken, words in {
            "hundred": "hundred",
            "thousand": "thousand k K",
            "million": "million m M MM mn mln Mio",
            "billion": "billion b B bn bln",
            "trillion": "trillion tn T",
            "dozen": "dozen",
        }.items()
        for word in words.split()
    },
    minus="minus",
    plus="plus",
    percent="percent",
    plus_or_minus="plus or minus",
    times="times",
    divided_by="divided by",
    by="by",
    equals="equals",
    range_to="to",
    ratio_to="to",
    per="per",
    out_of="out of",
    symbols={
        "&": "and",
        "@": "at",
        "%": "percent",
        "°": "degrees",
        "§": "section",
        "¶": "paragraph",
        "©": "copyright",
        "®": "registered",
        "™": "trademark",
        "±": "plus or minus",
        "×": "times",
        "÷": "divided by",
        "=": "equals",
        "<": "less than",
        ">": "greater than",
        "≤": "at most",
        "≥": "at least",
        "≠": "is not",
        "≈": "about",
        "+": "plus",
        "~": "about",
        "/": "slash",
        "\\": "backslash",
        "_": "underscore",
        "^": "to the power of",
        "|": "",
        "*": "star",
        "#": "pound",
        "→": "to",
        "µ": "micro",
        "√": "square root of",
        "∞": "infinity",
        "º": "degrees",
        "ª": "",
        "½": "one half",
        "¼": "one quarter",
        "¾": "three quarters",
        "⅓": "one third",
        "⅔": "two thirds",
        "⅛": "one eighth",
        "‰": "per mille",
        "{": "",
        "}": "",
        "[": "",
        "]": "",
        "`": "",
        "•": "",
        "²": "squared",
        "³": "cubed",
        "π": "pi",
        "Ω": "ohms",
        "$": "dollars",
        "€": "euros",
        "£": "pounds",
        "¥": "yen",
        "¢": "cents",
        "−": "minus",
        "№": "number",
    },
    address_signs={
        ".": "dot",
        "-": "dash",
        "_": "underscore",
        "/": "slash",
        "@": "at",
        "+": "plus",
        ":": "colon",
        "#": "hash",
        "?": "question mark",
        "=": "equals",
        "&": "and",
        "%": "percent",
        "~": "tilde",
        "*": "star",
        "!": "bang",
        "$": "dollar",
        "'": "apostrophe",
    },
    keys={"*": "star", "#": "pound"},
    number_sign="number",
    often=frozenset("daily weekly monthly a per each every".split()),
    hashtag="hashtag",
    currencies=CURRENCIES,
    home="$",
    and_cents=" and ",
    units=UNITS,
    per_units={
        "h": "hour",
        "hr": "hour",
        "hour": "hour",
        "s": "second",
        "sec": "second",
        "min": "minute",
        "minute": "minute",
        "d": "day",
        "day": "day",
        "wk": "week",
        "week": "week",
        "mo": "month",
        "mth": "month",
        "month": "month",
        "yr": "year",
        "y": "year",
        "year": "year",
        "night": "night",
        "person": "person",
        "user": "user",
        "kg": "kilogram",
        "lb": "pound",
        "oz": "ounce",
        "m": "meter",
        "m²": "square meter",
        "km": "kilometer",
        "mi": "mile",
        "l": "liter",
        "L": "liter",
        "gal": "gallon",
        "kWh": "kilowatt hour",
        "sqft": "square foot",
        "unit": "unit",
        "call": "call",
        "item": "item",
        "each": "each",
        "pp": "person",
        "GB": "gigabyte",
        "visit": "visit",
        "seat": "seat",
        "annum": "annum",
        "class": "class",
        "session": "session",
        "ticket": "ticket",
        "line": "line",
        "page": "page",
    },
    months=tuple(MONTHS),
    month_abbreviations={
        **{name.lower(): number for number, name in enumerate(MONTHS, 1)},
        **{name[:3].lower(): number for number, name in enumerate(MONTHS, 1)},
        "sept": 9,
    },
    weekday_abbreviations={
        "mon": "Monday",
        "tue": "Tuesday",
        "tues": "Tuesday",
        "wed": "Wednesday",
        "thu": "Thursday",
        "thur": "Thursday",
        "thurs": "Thursday",
        "fri": "Friday",
        "sat": "Saturday",
        "sun": "Sunday",
    },
    month_first=True,
    date=american_date,
    day=american_ordinal,
    day_month_joiner=" of ",
    clock=clock,
    clock_words=frozenset(("o'clock", "hrs")),
    abbreviations=ABBREVIATIONS,
    needs_stop=frozenset("co dept corp inc mfg temp viz jr esq univ bldg max min exp ref acct".split()),
    never_last=frozenset("approx vs e.g i.e cf viz c/o p.o w/ attn incl excl max min exp ref acct".split()),
    titles=TITLES,
    always_titles=frozenset(("mr", "mrs", "ms", "dr", "prof")),
    before_numbers=BEFORE_NUMBERS,
    streets=STREETS,
    spoken_acronyms=frozenset(
        "NASA NATO UNICEF UNESCO OPEC AIDS LASER RADAR SCUBA FEMA NAFTA PIN PINS SIM JPEG GIF RAM ROM ZIP SWAT VIN "
        "TOEFL SAT WIFI COVID IKEA LEGO NASDAQ INTERPOL GAAP HIPAA OSHA ASCII ROI".split()
    )
    - {"ROI", "SAT"},
    capitals=frozenset(
        "a an and any are as ask at be big both but buy by call can day did do does done dont end every exit fee few "
        "first for free from full get go good had has have he help her here him his hold how if in into is its just "
        "key last let like live long lost low make man many may me more most much must my need never new next no "
        "none "
        "not note now of off on once one only open or our out over own paid part pay per please press rate read ring "
        "said same save say see send set she so some stop such sure take tell than that the their them then there "
        "they "
        "this thank thanks time to today too top true try turn two under until up use very via wait want was way we "
        "well were what when where which who why will with within won word yes yet you your zero all also always am "
        "before after again about above account address answer back bank bill book box card care cash change check "
        "city class clear close code cold copy cost date dear deep delay dial door down easy emergency error even "
        "ever "
        "fact fast final find fire five four six seven eight nine ten three gate gift give great half happy hard "
        "hello "
        "high home hot hour hours important inside item keep kind know large late later left less life line list "
        "look "
        "main mind mine minute miss mode monday month move name near nice night number office old order other "
        "outside "
        "page park pass past person phone pick place plan point price private public quick quiet real really red "
        "refund right road room round rule safe sale second service shall ship shop short show side sign size slow "
        "small soon sorry sound start state stay step still store street strong sun tax team test text thing think "
        "ticket total town train trip type urgent user value visit voice wall warning water week weight welcome wide "
        "work world would wrong year yellow zone cannot confirm cancel cancelled closed agent sick six won't can't "
        "don't isn't".split()
    ),
    roman_after=frozenset(
        "chapter part act scene section volume book phase article war mark type level stage class grade bowl apollo "
        "gemini episode round rocky title appendix tier schedule figure table".split()
    ),
    roman_names=frozenset(
        "pope king queen henry louis edward george william charles james richard elizabeth napoleon pius benedict "
        "leo "
        "paul ramses frederick philip alexander nicholas peter catherine ivan gustav christian ferdinand john".split()
    ),
    roman_ordinal="the",
    code_words=frozenset(
        "code codes pin pins passcode password otp zip postcode zipcode room suite apartment apt flat gate flight "
        "seat "
        "confirmation booking reservation tracking ticket serial extension ext reference ref account acct card ssn "
        "iban policy invoice box member membership claim case vin imei sku license licence routing passport badge "
        "locker plate cvv cvc csc id login token key combination unit rm".split()
    ),
    weak_code_words=frozenset(
        "port order number no nr case digits visa mastercard amex bus route highway po box".split()
    )
    - {"in"},
    phone_words=frozenset(
        "call dial phone telephone tel fax mobile cell number ring text sms callback hotline helpline whatsapp".split()
    ),
    link_words=frozenset("is was are number numbers no nr # : the your my our of id code - – — = and or as".split()),
    phone_links=frozenset(
        "me us him her them at on back to free toll now please directly in it by under using".split()
    ),
    decade_words=frozenset("the her his my their our early late mid".split()),
    year_words=frozenset(
        "in since by of from until till before after during around circa to through year fall spring summer winter "
        "autumn early late mid class ca c © copyright established est".split()
    ),
    counted_stops=frozenset(
        "is was are were or and to if when for from at on in by as but then so because that which who please will "
        "can "
        "has have it i you we they he she the a an now today tomorrow again ending with not".split()
    ),
    ending_in="ending in",
    endings=frozenset(
        (
            "card ending",
            "account ending",
            "acct ending",
            "number ending",
            "visa ending",
            "mastercard ending",
            "amex ending",
            "cards ending",
            "phone ending",
            "ending in",
            "ends in",
            "end in",
            "ending with",
            "ends with",
            "digits are",
            "four digits",
        )
    ),
    expiry_words=frozenset("expires expire expiring expiry expiration exp valid thru through until".split()),
    counted_in_millions=frozenset(
        "people users customers subscribers followers members views viewers visitors downloads copies units households "
        "homes jobs residents patients students accounts shares votes voters passengers calls records".split()
    ),
    articles=frozenset(("a", "an")),
    described=frozenset(
        "bill bills note notes coin coins deposit fee discount voucher vouchers coupon coupons credit rebate refund "
        "copay minimum maximum limit fine ticket tickets tip bonus prize surcharge charge donation gift deal".split()
    ),
    forms=frozenset(("form", "forms")),
    score_words=frozenset(
        "won win wins winning lost lose loses losing beat beats beaten defeated defeat victory score scored "
        "tied draw drew lead leads led trail trails final result".split()
    ),
    score_to="to",
    grade_words=frozenset("rated rate rating score scored scores grade graded gave give gives review".split()),
    grade_nouns=frozenset("stars star points marks".split()),
    pressure_words=frozenset("bp pressure systolic".split()),
    over="over",
    ledger_words=frozenset("balance net income profit earnings ebitda equity flow result position".split()),
    hyphened={"st": "Saint", "ste": "Sainte", "mt": "Mount", "ft": "Fort"},
    version_words=frozenset("version v release python ios android macos ubuntu windows firmware build".split()),
    press_words=frozenset("press presses pressing dial hit push enter key keys use type or and then".split()),
    date_words=frozenset(
        "on by due until till since from before after dated of monday tuesday wednesday thursday friday saturday "
        "sunday mon tue wed thu fri sat sun date".split()
    ),
    decade=decade,
    feet_and_inches=True,
    extension="extension",
    zero_begins_phone=False,
)

_BRITISH_SPELLING = {
    "meter": "metre", "liter": "litre", "gram": "gram",
}  # fmt: skip


def _respelled(words: str) -> str:
    for there, here in _BRITISH_SPELLING.items():
        words = words.replace(there, here)
    return words


BRITISH = dataclasses.replace(
    AMERICAN,
    code="en-GB",
    home="£",
    cardinal=british,
    ordinal=british_ordinal,
    year=functools.partial(spoken_year, british=True),
    keys={"*": "star", "#": "hash"},
    symbols={**AMERICAN.symbols, "#": "hash"},
    abbreviations={**ABBREVIATIONS, "pcm": "per calendar month", "pw": "per week"},
    time_words=frozenset("at from between until till before after around".split()),
    units={form: Unit(_respelled(unit.one), _respelled(unit.many)) for form, unit in UNITS.items()}
    | {"st": Unit("stone", "stone")},
    month_first=False,
    date=british_date,
    day=british_ordinal,
    letters={"Z": "Zed"},
    currencies={**CURRENCIES, "p": Currency("penny", "pence")},
    area_groups=(5, 3, 3),
    zero_begins_phone=True,
    digit_groups=", ",
)
