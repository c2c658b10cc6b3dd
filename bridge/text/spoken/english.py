"""English as spoken in the United States and in Britain."""

from __future__ import annotations

import dataclasses
import functools

from bridge.text.spoken.language import Currency, Gender, Language, Unit

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_MONTHS = ("January February March April May June July August September October November December").split()


def _under_thousand(number: int, british: bool) -> str:
    hundreds, rest = divmod(number, 100)
    words = f"{_SMALL[hundreds]} hundred" if hundreds else ""
    if not rest:
        return words
    tens, ones = divmod(rest, 10)
    small = _SMALL[rest] if rest < 20 else _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    return f"{words}{' and' if british else ''} {small}" if words else small


@functools.lru_cache(maxsize=4096)
def _cardinal(number: int, british: bool) -> str:
    if number < 1000:
        return _under_thousand(number, british) or "zero"
    parts, scale, rest = [], 0, number
    while rest:
        rest, group = divmod(rest, 1000)
        if group:
            joined = "and " if british and scale == 0 and group < 100 else ""
            parts.append(joined + f"{_under_thousand(group, british)} {_SCALES[scale]}".rstrip())
        scale += 1
    return " ".join(reversed(parts))


def _american(number: int, gender: Gender = "") -> str:
    return _cardinal(number, False)


def _british(number: int, gender: Gender = "") -> str:
    return _cardinal(number, True)


def _ordinal_of(cardinal: str) -> str:
    head, cut, last = cardinal.rpartition("-" if "-" in cardinal.rsplit(" ", 1)[-1] else " ")
    if last in _ORDINALS:
        last = _ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return head + cut + last


def _american_ordinal(number: int, gender: Gender = "") -> str:
    return _ordinal_of(_cardinal(number, False))


def _british_ordinal(number: int, gender: Gender = "") -> str:
    return _ordinal_of(_cardinal(number, True))


def _year(number: int, british: bool = False) -> str:
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or number < 1000 or number > 9999:
        return _cardinal(number, british)
    if not rest:
        return f"{_cardinal(century, british)} hundred"
    return f"{_cardinal(century, british)} {'oh ' if rest < 10 else ''}{_cardinal(rest, british)}"


def _fraction(numerator: int, denominator: int) -> str:
    one = numerator == 1
    match denominator:
        case 2:
            part = "half" if one else "halves"
        case 4:
            part = "quarter" if one else "quarters"
        case _:
            part = _american_ordinal(denominator) + ("" if one else "s")
    return f"{_american(numerator)} {part}"


def _decade(number: int) -> str:
    words = _year(number) if number > 999 else _american(number)
    head, cut, last = words.rpartition(" ")
    return f"{head}{cut}{last[:-1]}ies" if last.endswith("y") else f"{words}s"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    if half:
        words = _american(hours)
        if minutes:
            words += f" {'oh ' if minutes < 10 else ''}{_american(minutes)}"
    elif minutes == 0 and seconds is None:
        words = (
            "midnight"
            if hours in (0, 24)
            else f"{_american(hours)} {'hundred' if hours > 12 else chr(111) + chr(39) + 'clock'}"
        )
    else:
        words = f"{_american(hours)} {'oh ' if minutes < 10 else ''}{_american(minutes)}"
    if seconds is not None:
        words += f" and {_american(seconds)} second{'' if seconds == 1 else 's'}"
    return f"{words} {half[0].upper()} M" if half else words


def _american_date(day: int, month: int, year: int | None) -> str:
    words = f"{_MONTHS[month - 1]} {_american_ordinal(day)}"
    return words if year is None else f"{words}, {_year(year)}"


def _british_date(day: int, month: int, year: int | None) -> str:
    words = f"the {_british_ordinal(day)} of {_MONTHS[month - 1]}"
    return words if year is None else f"{words}, {_year(year, True)}"


def _units(table: str) -> dict[str, Unit]:
    """Lines of `written one many`, the latter two with underscores for spaces."""
    units = {}
    for line in table.split("\n"):
        if line.strip():
            written, one, many = line.split()
            for form in written.split("|"):
                units[form] = Unit(one.replace("_", " "), many.replace("_", " "))
    return units


_UNITS = _units("""
km|kms kilometer kilometers
m meter meters
cm centimeter centimeters
mm millimeter millimeters
nm nanometer nanometers
µm|μm micrometer micrometers
kg|kgs kilogram kilograms
g gram grams
mg milligram milligrams
µg|μg|mcg microgram micrograms
t ton tons
lb|lbs pound pounds
oz ounce ounces
ft foot feet
in|inch inch inches
yd|yds yard yards
mi mile miles
l|L|ltr liter liters
ml|mL milliliter milliliters
cl centiliter centiliters
gal gallon gallons
pt pint pints
qt quart quarts
tsp teaspoon teaspoons
tbsp tablespoon tablespoons
km/h|kph|kmh kilometer_per_hour kilometers_per_hour
mph mile_per_hour miles_per_hour
m/s meter_per_second meters_per_second
h|hr|hrs hour hours
min|mins minute minutes
s|sec|secs second seconds
ms millisecond milliseconds
wk|wks week weeks
mo|mos month months
yr|yrs year years
Hz hertz hertz
kHz kilohertz kilohertz
MHz megahertz megahertz
GHz gigahertz gigahertz
KB|kB|kb kilobyte kilobytes
MB|mb megabyte megabytes
GB|gb gigabyte gigabytes
TB|tb terabyte terabytes
kbps|kbit/s kilobit_per_second kilobits_per_second
Mbps|Mbit/s|mbps megabit_per_second megabits_per_second
Gbps|Gbit/s|gbps gigabit_per_second gigabits_per_second
W watt watts
kW kilowatt kilowatts
MW megawatt megawatts
GW gigawatt gigawatts
kWh kilowatt_hour kilowatt_hours
MWh megawatt_hour megawatt_hours
Wh watt_hour watt_hours
V volt volts
mV millivolt millivolts
mA milliamp milliamps
mAh milliamp_hour milliamp_hours
dB decibel decibels
dBm d_B_m d_B_m
ha hectare hectares
sqft|ft²|ft2 square_foot square_feet
m²|m2|sqm square_meter square_meters
km²|km2 square_kilometer square_kilometers
cm² square_centimeter square_centimeters
m³|m3 cubic_meter cubic_meters
cm³|cc cubic_centimeter cubic_centimeters
°|deg degree degrees
°C|℃ degree_Celsius degrees_Celsius
°F|℉ degree_Fahrenheit degrees_Fahrenheit
bpm beat_per_minute beats_per_minute
rpm revolution_per_minute revolutions_per_minute
fps frame_per_second frames_per_second
hPa hectopascal hectopascals
kPa kilopascal kilopascals
psi P_S_I P_S_I
kcal kilocalorie kilocalories
cal calorie calories
px pixel pixels
pct percent percent
x times times
""")

_CURRENCIES = {
    "$": Currency("dollar", "dollars", "cent", "cents"),
    "€": Currency("euro", "euros", "cent", "cents"),
    "£": Currency("pound", "pounds", "penny", "pence"),
    "¥": Currency("yen", "yen"),
    "₹": Currency("rupee", "rupees", "paisa", "paise"),
    "₩": Currency("won", "won"),
    "₽": Currency("ruble", "rubles", "kopeck", "kopecks"),
    "₪": Currency("shekel", "shekels", "agora", "agorot"),
    "₺": Currency("lira", "lira", "kurush", "kurush"),
    "₫": Currency("dong", "dong"),
    "₱": Currency("peso", "pesos", "centavo", "centavos"),
    "₿": Currency("bitcoin", "bitcoin"),
    "¢": Currency("cent", "cents"),
    "CHF": Currency("Swiss franc", "Swiss francs", "centime", "centimes"),
    "CNY": Currency("yuan", "yuan"),
    "SEK": Currency("Swedish krona", "Swedish kronor", "öre", "öre"),
    "NOK": Currency("Norwegian krone", "Norwegian kroner", "øre", "øre"),
    "DKK": Currency("Danish krone", "Danish kroner", "øre", "øre"),
    "PLN": Currency("zloty", "zloty", "grosz", "groszy"),
    "BRL": Currency("real", "reais", "centavo", "centavos"),
    "MXN": Currency("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": Currency("Australian dollar", "Australian dollars", "cent", "cents"),
    "NZD": Currency("New Zealand dollar", "New Zealand dollars", "cent", "cents"),
    "HKD": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents"),
    "SGD": Currency("Singapore dollar", "Singapore dollars", "cent", "cents"),
    "ZAR": Currency("rand", "rand", "cent", "cents"),
}
_CURRENCIES |= {
    "USD": Currency("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": _CURRENCIES["€"], "GBP": _CURRENCIES["£"], "JPY": _CURRENCIES["¥"], "INR": _CURRENCIES["₹"],
    "Rs": _CURRENCIES["₹"], "US$": Currency("U S dollar", "U S dollars", "cent", "cents"),
    "C$": _CURRENCIES["CAD"], "CA$": _CURRENCIES["CAD"], "A$": _CURRENCIES["AUD"], "AU$": _CURRENCIES["AUD"],
    "NZ$": _CURRENCIES["NZD"], "HK$": _CURRENCIES["HKD"], "S$": _CURRENCIES["SGD"], "R$": _CURRENCIES["BRL"],
    "MX$": _CURRENCIES["MXN"],
}  # fmt: skip

_ABBREVIATIONS = {
    "approx": "approximately", "vs": "versus", "etc": "etcetera", "e.g": "for example", "eg": "for example",
    "i.e": "that is", "cf": "compare", "w/": "with", "w/o": "without", "dept": "department", "govt": "government",
    "assn": "association", "corp": "corporation", "inc": "incorporated", "ltd": "limited", "bros": "brothers",
    "appt": "appointment", "appts": "appointments", "incl": "including", "excl": "excluding", "attn": "attention",
    "mfg": "manufacturing", "mgmt": "management", "qty": "quantity", "temp": "temp", "asap": "A S A P", "eta": "E T A",
    "aka": "also known as", "a.k.a": "also known as", "btw": "by the way", "fyi": "F Y I", "tbd": "to be determined",
    "n/a": "not applicable", "p.o": "P O", "c/o": "care of", "et al": "and others", "et al.": "and others",
    "viz": "namely", "jr": "junior", "esq": "esquire", "p.s": "P S", "faq": "F A Q", "faqs": "F A Qs",
    "and/or": "and or", "i/o": "I O", "a/c": "A C", "50/50": "fifty-fifty", "401(k": "four oh one K",
    "403(b": "four oh three B",
    "24/7": "twenty-four seven", "ph.d": "P H D", "phd": "P H D", "b.a": "B A", "m.d": "M D",
    "d.d.s": "D D S", "ok": "okay", "o.k": "okay", "blvd": "boulevard", "univ": "university",
    "bldg": "building", "apt": "apartment",
    "max.": "maximum", "min.": "minimum", "avg": "average", "wi-fi": "wi-fi", "covid-19": "covid nineteen",
    "o'clock": "o'clock",
}  # fmt: skip
_TITLES = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "mx": "mix", "dr": "doctor", "prof": "professor", "st": "saint",
    "rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel", "capt": "captain", "lt": "lieutenant",
    "sgt": "sergeant", "maj": "major", "cmdr": "commander", "sen": "senator", "rep": "representative",
    "gov": "governor", "pres": "president", "supt": "superintendent", "fr": "father", "mt": "mount", "ft": "fort",
    "messrs": "messrs", "atty": "attorney", "cpl": "corporal", "adm": "admiral", "msgr": "monsignor", "sr": "sister",
}  # fmt: skip
_BEFORE_NUMBERS = {
    "no": "number", "nos": "numbers", "nr": "number", "fig": "figure", "figs": "figures", "sec": "section",
    "vol": "volume", "ch": "chapter", "pp": "pages", "p": "page", "pg": "page", "art": "article", "ver": "version",
    "v": "version", "rm": "room", "apt": "apartment", "ste": "suite", "tel": "telephone", "ph": "phone",
    "ext": "extension", "x": "extension", "flr": "floor", "fl": "floor", "bldg": "building", "par": "paragraph",
    "ref": "reference", "acct": "account", "conf": "confirmation", "est": "established", "ca": "around",
    "c": "around", "hwy": "highway", "rte": "route", "rt": "route", "unit": "unit",
}  # fmt: skip
_STREETS = {
    "st": "Street", "ave": "Avenue", "av": "Avenue", "blvd": "Boulevard", "rd": "Road", "ln": "Lane", "dr": "Drive",
    "ct": "Court", "pl": "Place", "sq": "Square", "hwy": "Highway", "pkwy": "Parkway", "ter": "Terrace",
    "cir": "Circle", "cres": "Crescent", "expy": "Expressway", "fwy": "Freeway", "trl": "Trail", "aly": "Alley",
    "bldg": "Building", "ste": "Suite", "apt": "Apartment", "hts": "Heights", "jct": "Junction", "tpke": "Turnpike",
    "n": "North", "s": "South", "e": "East", "w": "West", "ne": "Northeast", "nw": "Northwest", "se": "Southeast",
    "sw": "Southwest",
}  # fmt: skip

_LETTERS = "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z".split()

AMERICAN = Language(
    code="en-US",
    cardinal=_american,
    ordinal=_american_ordinal,
    year=_year,
    digits=tuple(_SMALL[:10]),
    decimal_mark=".",
    group_marks=",",
    point="point",
    fraction=_fraction,
    half_after_whole="and",
    ordinal_marks=("st", "nd", "rd", "th"),
    scales={
        word: (spoken, spoken)
        for spoken, words in {
            "hundred": "hundred",
            "thousand": "thousand k K",
            "million": "million m M mn mln Mio",
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
    hashtag="hashtag",
    currencies=_CURRENCIES,
    and_cents=" and ",
    units=_UNITS,
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
    months=tuple(_MONTHS),
    month_abbreviations={
        **{name.lower(): number for number, name in enumerate(_MONTHS, 1)},
        **{name[:3].lower(): number for number, name in enumerate(_MONTHS, 1)},
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
    date=_american_date,
    day=_american_ordinal,
    day_month_joiner=" of ",
    clock=_clock,
    clock_words=frozenset(("o'clock", "hrs")),
    abbreviations=_ABBREVIATIONS,
    needs_stop=frozenset("dept corp inc mfg temp viz jr esq univ bldg".split()),
    never_last=frozenset("approx vs e.g i.e cf viz c/o p.o w/ attn incl excl".split()),
    titles=_TITLES,
    always_titles=frozenset(("mr", "mrs", "ms", "dr", "prof")),
    before_numbers=_BEFORE_NUMBERS,
    streets=_STREETS,
    spoken_acronyms=frozenset(
        "NASA NATO UNICEF UNESCO OPEC AIDS LASER RADAR SCUBA FEMA NAFTA PIN PINS SIM JPEG GIF RAM ROM ZIP SWAT VIN "
        "TOEFL SAT WIFI COVID IKEA LEGO NASDAQ INTERPOL GAAP HIPAA OSHA ASCII ROI".split()
    )
    - {"ROI", "SAT"},
    capitals=frozenset(
        "a an and any are as ask at be big both but buy by call can day did do does done dont end every exit fee few "
        "first for free from full get go good had has have he help her here him his hold how if in into is it its just "
        "key last let like live long lost low make man many may me more most much must my need never new next no none "
        "not note now of off on once one only open or our out over own paid part pay per please press rate read ring "
        "said same save say see send set she so some stop such sure take tell than that the their them then there they "
        "this thank thanks time to today too top true try turn two under until up use very via wait want was way we "
        "well were what when where which who why will with within won word yes yet you your zero all also always am "
        "before after again about above account address answer back bank bill book box card care cash change check "
        "city class clear close code cold copy cost date dear deep delay dial door down easy emergency error even ever "
        "fact fast final find fire five four six seven eight nine ten three gate gift give great half happy hard hello "
        "high home hot hour hours important inside item keep kind know large late later left less life line list look "
        "main mind mine minute miss mode monday month move name near nice night number office old order other outside "
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
        "pope king queen henry louis edward george william charles james richard elizabeth napoleon pius benedict leo "
        "paul ramses frederick philip alexander nicholas peter catherine ivan gustav christian ferdinand john".split()
    ),
    roman_ordinal="the",
    code_words=frozenset(
        "code codes pin pins passcode password otp zip postcode zipcode room suite apartment apt flat gate flight "
        "seat "
        "confirmation booking reservation tracking ticket serial extension ext reference ref account acct card ssn "
        "iban policy invoice box member membership claim case vin imei sku license licence routing passport badge "
        "locker plate id login token key combination unit rm".split()
    ),
    weak_code_words=frozenset("order number no nr case ending in digits bus route highway po box".split()) - {"in"},
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
        "autumn early late mid class © copyright established est".split()
    ),
    counted_stops=frozenset(
        "is was are were or and to if when for from at on in by as but then so because that which who please will can "
        "has have it i you we they he she the a an now today tomorrow again ending with not".split()
    ),
    ending_in="ending in",
    version_words=frozenset("version v release python ios android macos ubuntu windows firmware build".split()),
    press_words=frozenset("press presses pressing dial hit push enter key keys use type or and then".split()),
    date_words=frozenset(
        "on by due until till since from before after dated of monday tuesday wednesday thursday friday saturday "
        "sunday mon tue wed thu fri sat sun date".split()
    ),
    decade=_decade,
    feet_and_inches=True,
    extension="extension",
    zero_begins_phone=False,
)

_BRITISH_SPELLING = {
    "meter": "metre", "liter": "litre", "gram": "gram",
}  # fmt: skip


def _respelled(words: str) -> str:
    for american, british in _BRITISH_SPELLING.items():
        words = words.replace(american, british)
    return words


BRITISH = dataclasses.replace(
    AMERICAN,
    code="en-GB",
    cardinal=_british,
    ordinal=_british_ordinal,
    year=functools.partial(_year, british=True),
    keys={"*": "star", "#": "hash"},
    symbols={**AMERICAN.symbols, "#": "hash"},
    units={form: Unit(_respelled(unit.one), _respelled(unit.many)) for form, unit in _UNITS.items()},
    month_first=False,
    date=_british_date,
    day=_british_ordinal,
    letters={"Z": "Zed"},
    area_groups=(5, 3, 3),
    zero_begins_phone=True,
    digit_groups=", ",
)
