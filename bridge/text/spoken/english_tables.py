"""What English abbreviates, and the names of what it counts: units, currencies, titles, streets. Pure."""

from __future__ import annotations

from bridge.text.spoken.language import Currency, Unit


def _units(table: str) -> dict[str, Unit]:
    """Lines of `written one many`, the latter two with underscores for spaces."""
    units = {}
    for line in table.split("\n"):
        if line.strip():
            written, one, many = line.split()
            for form in written.split("|"):
                units[form] = Unit(one.replace("_", " "), many.replace("_", " "))
    return units


UNITS = _units("""
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
kg/m²|kg/m2 kilogram_per_square_meter kilograms_per_square_meter
km/h|kph|kmh kilometer_per_hour kilometers_per_hour
mph mile_per_hour miles_per_hour
m/s meter_per_second meters_per_second
m/s²|m/s2 meter_per_second_squared meters_per_second_squared
sqmi|mi² square_mile square_miles
sqin|in² square_inch square_inches
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
km²|km2|sqkm square_kilometer square_kilometers
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
mmHg millimeter_of_mercury millimeters_of_mercury
kPa kilopascal kilopascals
psi P_S_I P_S_I
kcal kilocalorie kilocalories
cal calorie calories
px pixel pixels
pct percent percent
x time times
""")

CURRENCIES = {
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
CURRENCIES |= {
    "kr": Currency("kroner", "kroner", "øre", "øre"),
    "CZK": Currency("Czech koruna", "Czech koruna", "heller", "heller"),
    "zł": CURRENCIES["PLN"], "Kč": Currency("Czech koruna", "Czech koruna", "heller", "heller"),
    "HUF": Currency("forint", "forint"), "THB": Currency("baht", "baht"), "AED": Currency("dirham", "dirhams"),
    "RUB": CURRENCIES["₽"], "BTC": CURRENCIES["₿"], "KRW": CURRENCIES["₩"], "TRY": CURRENCIES["₺"],
    "USD": Currency("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": CURRENCIES["€"], "GBP": CURRENCIES["£"], "JPY": CURRENCIES["¥"], "INR": CURRENCIES["₹"],
    "Rs": CURRENCIES["₹"], "US$": Currency("U S dollar", "U S dollars", "cent", "cents"),
    "C$": CURRENCIES["CAD"], "CA$": CURRENCIES["CAD"], "A$": CURRENCIES["AUD"], "AU$": CURRENCIES["AUD"],
    "NZ$": CURRENCIES["NZD"], "HK$": CURRENCIES["HKD"], "S$": CURRENCIES["SGD"], "R$": CURRENCIES["BRL"],
    "MX$": CURRENCIES["MXN"],
}  # fmt: skip

ABBREVIATIONS = {
    "401k": "four oh one K", "403b": "four oh three B", "wwi": "World War One", "wwii": "World War Two",
    "exp": "expires", "min": "minimum", "m-f": "Monday to Friday", "ref": "reference", "acct": "account",
    "approx": "approximately", "vs": "versus", "etc": "etcetera", "e.g": "for example", "eg": "for example",
    "i.e": "that is", "p.a": "per annum", "cf": "compare", "w/": "with", "w/o": "without", "dept": "department",
    "govt": "government",
    "assn": "association", "co": "company", "corp": "corporation", "inc": "incorporated", "ltd": "limited",
    "bros": "brothers",
    "appt": "appointment", "appts": "appointments", "incl": "including", "excl": "excluding", "attn": "attention",
    "mfg": "manufacturing", "mgmt": "management", "qty": "quantity", "temp": "temp", "asap": "A S A P", "eta": "E T A",
    "aka": "also known as", "a.k.a": "also known as", "btw": "by the way", "fyi": "F Y I", "tbd": "to be determined",
    "n/a": "not applicable", "p.o": "P O", "c/o": "care of", "et al": "and others", "et al.": "and others",
    "viz": "namely", "jr": "junior", "esq": "esquire", "p.s": "P S", "faq": "F A Q", "faqs": "F A Qs",
    "and/or": "and or", "i/o": "I O", "a/c": "A C", "50/50": "fifty-fifty", "401(k": "four oh one K",
    "403(b": "four oh three B",
    "24/7": "twenty-four seven", "20/20": "twenty twenty", "ph.d": "P H D", "phd": "P H D", "b.a": "B A", "m.d": "M D",
    "d.d.s": "D D S", "ok": "okay", "o.k": "okay", "blvd": "boulevard", "univ": "university",
    "bldg": "building", "apt": "apartment",
    "p/h": "per hour", "p/w": "per week", "p/m": "per month", "ppl": "people",
    "max": "maximum", "avg": "average", "wi-fi": "wi-fi", "covid-19": "covid nineteen",
    "o'clock": "o'clock",
}  # fmt: skip
TITLES = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "mx": "mix", "dr": "doctor", "prof": "professor", "st": "saint",
    "rev": "reverend", "hon": "honorable", "gen": "general", "col": "colonel", "capt": "captain", "lt": "lieutenant",
    "sgt": "sergeant", "maj": "major", "cmdr": "commander", "sen": "senator", "rep": "representative",
    "gov": "governor", "pres": "president", "supt": "superintendent", "fr": "father", "mt": "mount", "ft": "fort",
    "messrs": "messrs", "atty": "attorney", "cpl": "corporal", "adm": "admiral", "msgr": "monsignor", "sr": "senior",
}  # fmt: skip
BEFORE_NUMBERS = {
    "no": "number", "nos": "numbers", "nr": "number", "fig": "figure", "figs": "figures", "sec": "section",
    "vol": "volume", "ch": "chapter", "pp": "pages", "p": "page", "pg": "page", "art": "article", "ver": "version",
    "v": "version", "rm": "room", "apt": "apartment", "ste": "suite", "tel": "telephone", "ph": "phone",
    "ext": "extension", "x": "extension", "flr": "floor", "fl": "floor", "bldg": "building", "par": "paragraph",
    "ref": "reference", "acct": "account", "conf": "confirmation", "est": "established", "ca": "around",
    "c": "around", "hwy": "highway", "rte": "route", "rt": "route", "unit": "unit",
}  # fmt: skip
STREETS = {
    "st": "Street", "ave": "Avenue", "av": "Avenue", "blvd": "Boulevard", "rd": "Road", "ln": "Lane", "dr": "Drive",
    "ct": "Court", "pl": "Place", "sq": "Square", "hwy": "Highway", "pkwy": "Parkway", "ter": "Terrace",
    "cir": "Circle", "cres": "Crescent", "expy": "Expressway", "fwy": "Freeway", "trl": "Trail", "aly": "Alley",
    "bldg": "Building", "ste": "Suite", "apt": "Apartment", "hts": "Heights", "jct": "Junction", "tpke": "Turnpike",
    "n": "North", "s": "South", "e": "East", "w": "West", "ne": "Northeast", "nw": "Northwest", "se": "Southeast",
    "sw": "Southwest",
}  # fmt: skip
