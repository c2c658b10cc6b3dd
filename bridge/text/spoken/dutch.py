"""Dutch as spoken in the Netherlands."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
    "achttien negentien"
).split()
_TENS = "twintig dertig veertig vijftig zestig zeventig tachtig negentig".split()
_MONTHS, _MONTH_NUMBERS = months(
    "januari februari maart april mei juni juli augustus september oktober november december",
    "jan feb mrt apr mei jun jul aug sep|sept okt nov dec",
)


def _under_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    joiner = "ën" if ones in (2, 3) else "en"
    return f"{_SMALL[ones]}{joiner}{_TENS[tens - 2]}" if ones else _TENS[tens - 2]


def _under_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    head = ("" if hundreds == 1 else _SMALL[hundreds]) + "honderd" if hundreds else ""
    return head + (_under_hundred(rest) if rest or not head else "")


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "") -> str:
    if number == 1:
        return "een" if gender else "één"
    parts = []
    for power, name in ((12, "biljoen"), (9, "miljard"), (6, "miljoen")):
        count = number // 10**power % 1000
        if count:
            parts.append(f"{_under_thousand(count)} {name}")
    thousands, rest = number // 1000 % 1000, number % 1000
    if thousands:
        parts.append("duizend" if thousands == 1 else f"{_under_thousand(thousands)}duizend")
    if rest or not parts:
        parts.append(_under_thousand(rest))
    return " ".join(parts)


def _ordinal(number: int, gender: Gender = "") -> str:
    irregular = {1: "eerste", 3: "derde", 8: "achtste"}
    below = number % 100
    if below in irregular:
        head = _cardinal(number - below) if number > below else ""
        return head + irregular[below]
    return _cardinal(number) + ("de" if below < 20 and below else "ste")


def _year(number: int) -> str:
    century, rest = divmod(number, 100)
    if 1100 <= number < 2000:
        return f"{_cardinal(century)}honderd" + (f" {_cardinal(rest)}" if rest else "")
    return _cardinal(number)


def _fraction(numerator: int, denominator: int) -> str:
    if denominator == 2:
        return "een half" if numerator == 1 else f"{_cardinal(numerator)} halve"
    part = "kwart" if denominator == 4 else _ordinal(denominator)
    return f"{_cardinal(numerator, 'n')} {part}"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = f"{_cardinal(hours, 'n')} uur"
    if minutes:
        said += f" {_cardinal(minutes)}"
    if seconds is not None:
        said += f" en {_cardinal(seconds, 'n')} seconde{'' if seconds == 1 else 'n'}"
    evening = "'s middags" if hours < 6 or hours == 12 else "'s avonds"
    return said + {"am": " 's ochtends", "pm": f" {evening}"}.get(half, "")


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_cardinal(day)} {_MONTHS[month - 1]}"
    return said if year is None else f"{said} {_year(year)}"


DUTCH = Language(
    code="nl-NL",
    cardinal=_cardinal,
    ordinal=_ordinal,
    year=_year,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=". '’",
    point="komma",
    fraction=_fraction,
    half_after_whole="en",
    noun_gender=lambda noun: "n",
    ordinal_marks=("ste", "de", "e"),
    scales=scales("""
duizend|k duizend duizend
miljoen|mln|M miljoen miljoen
miljard|mld miljard miljard
"""),
    minus="min",
    plus="plus",
    percent="procent",
    plus_or_minus="plus of min",
    times="keer",
    divided_by="gedeeld door",
    by="bij",
    equals="is gelijk aan",
    range_to="tot",
    ratio_to="op",
    per="per",
    out_of="van",
    symbols=pairs(
        "& en | @ apenstaartje | % procent | ° graden | § paragraaf | © copyright | ® geregistreerd | "
        "± plus of min | "
        "× keer | ÷ gedeeld door | = is gelijk aan | < kleiner dan | > groter dan | + plus | ~ ongeveer | "
        "/ schuine streep | \\ backslash | _ laag streepje | ^ tot de macht | * sterretje | # hekje | → tot | € euro | "
        "$ dollar | £ pond | ½ een half | ¼ een kwart | ¾ drie kwart | ² kwadraat | ³ tot de derde | − min | "
        "‰ promille"
    ),
    address_signs=pairs(
        ". punt | - streepje | _ laag streepje | / schuine streep | @ apenstaartje | + plus | : dubbele punt | # "
        "hekje | "
        "? vraagteken | = is | & en | % procent | ~ tilde | ! uitroepteken | ' apostrof | * sterretje"
    ),
    keys={"*": "sterretje", "#": "hekje"},
    number_sign="nummer",
    halves={"f": "een half ", "m": "een half ", "n": "een half ", "": "een half "},
    letter_upper="hoofdletter",
    often=words("per daags dagelijks in"),
    hashtag="hashtag",
    hour_marks="hu",
    currencies=currencies("""
₹|INR roepie roepies - - m -
₽|RUB roebel roebel kopeke kopeken m m
₺|TRY lira lira - - m -
₩|KRW won won - - m -
₿|BTC bitcoin bitcoin - - m -
¢ cent cent - - m -
SRD Surinaamse_dollar Surinaamse_dollar cent cent m m
€|EUR|euro euro euro cent cent m m
$|USD|US$|dollar dollar dollar cent cent m m
£|GBP pond pond penny pence n m
CHF Zwitserse_frank Zwitserse_frank rappen rappen m m
¥|JPY yen yen - - m -
"""),
    and_cents=" en ",
    units=units("""
mmHg millimeter_kwik millimeter_kwik m
km kilometer kilometer m
m meter meter m
cm centimeter centimeter m
mm millimeter millimeter m
kg kilo kilo n
g gram gram n
mg milligram milligram n
t ton ton f
l|L liter liter m
ml|mL milliliter milliliter m
km/h|km/u kilometer_per_uur kilometer_per_uur m
u|uur|h uur uur n
min minuut minuten f
s|sec seconde seconden f
° graad graden m
°C|℃ graad_Celsius graden_Celsius m
°F|℉ graad_Fahrenheit graden_Fahrenheit m
W watt watt m
kW kilowatt kilowatt m
kWh kilowattuur kilowattuur n
V volt volt m
MHz megahertz megahertz m
GHz gigahertz gigahertz m
MB megabyte megabyte m
GB gigabyte gigabyte m
m² vierkante_meter vierkante_meter m
km² vierkante_kilometer vierkante_kilometer m
m³ kubieke_meter kubieke_meter m
ha hectare hectare m
x keer keer m
pers persoon personen m
"""),
    per_units=pairs(
        "u uur | uur uur | dag dag | week week | maand maand | mnd maand | jaar jaar | persoon persoon | "
        "pp persoon | "
        "nacht nacht | kg kilo | m² vierkante meter | km kilometer | l liter | kWh kilowattuur | min minuut | "
        "s seconde"
    ),
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "ma maandag | di dinsdag | wo woensdag | do donderdag | vr vrijdag | za zaterdag | zo zondag"
    ),
    month_first=False,
    date=_date,
    day=_cardinal,
    clock=_clock,
    clock_words=words("uur"),
    abbreviations=pairs(
        "24/7 vierentwintig uur per dag, zeven dagen per week | p/m per maand | p/p per persoon | p/u per uur | "
        "i.p.v in plaats van | covid-19 covid negentien | bijv bijvoorbeeld | bv bijvoorbeeld | "
        "d.w.z dat wil zeggen | enz enzovoort | etc et cetera | ca circa | "
        "o.a onder andere | m.b.t met betrekking tot | i.v.m in verband met | a.u.b alstublieft | tel telefoon | "
        "max maximaal | incl inclusief | excl exclusief | evt eventueel | "
        "t/m tot en met | n.v.t niet van toepassing | b.v B V | "
        "n.v N V | s.v.p alstublieft | en/of en of | str straat"
    ),
    needs_stop=words("bv tel str ca max"),
    never_last=words("bijv bv d.w.z ca o.a m.b.t i.v.m i.p.v incl excl evt t/m max"),
    titles=pairs(
        "dhr meneer | mw mevrouw | mevr mevrouw | dr dokter | drs doctorandus | prof professor | ir ingenieur"
    ),
    always_titles=words("dhr mw mevr dr drs ir prof"),
    before_numbers=pairs(
        "nr nummer | no nummer | art artikel | blz bladzijde | p pagina | pp pagina's | hfst hoofdstuk | "
        "afb afbeelding | "
        "tel telefoon | "
        "v versie | kmr kamer | tst toestel"
    ),
    street_endings={"str": "straat", "nr": "nummer"},
    capitals=words(
        "aan al als bij dan dat de die dit door een en er geen gij haar heb het hij hoe hun ik in is ja je kan "
        "meer met "
        "mij mijn naar nee niet nieuw niets nog nu of om ons ook op over per te tot uit uw van veel voor want was "
        "wat we "
        "wel wie wij ze zich zij zijn zo stop"
    ),
    spoken_acronyms=words("NAVO NASA PIN SIM UNESCO HEMA IKEA IBAN BIC"),
    roman_after=words("hoofdstuk deel akte fase band titel niveau"),
    code_words=words(
        "code codes pin pincode wachtwoord postcode kamer vlucht vluchtnummer boeking boekingsnummer bestelling "
        "bestelnummer ordernummer klantnummer rekeningnummer rekening factuur factuurnummer polis polisnummer "
        "contract "
        "referentie referentienummer serienummer kaart kaartnummer iban ticket toestel dossier dossiernummer bsn "
        "gate "
        "bestelnr ordernr klantnr factuurnr polisnr rekeningnr kenteken bevestiging lidnummer"
    ),
    weak_code_words=words("nummer nr lijn postbus"),
    phone_words=words("telefoon tel telefoonnummer mobiel bel bellen belt fax nummer gsm"),
    link_words=words("is zijn nummer nr nr. # : de het uw je jouw mijn onze van en of - – = luidt"),
    phone_links=words("ons mij naar op nu dan alstublieft u"),
    year_words=words("in sinds van tot jaar jaren voor na rond vanaf zomer winter herfst voorjaar begin eind"),
    counted_stops=words(
        "is zijn was en of tot te als voor van op in om bij maar dan zo want dat die de het wordt kan heeft ik u "
        "je wij "
        "een nu vandaag morgen niet met aan"
    ),
    score_words=words(
        "won wonnen wint winnen gewonnen verloor verloren verliest versloeg "
        "uitslag stand eindstand gelijkspel winst nederlaag"
    ),
    grade_words=words("cijfer beoordeling beoordeeld score"),
    grade_nouns=words("sterren punten"),
    pressure_words=words("bloeddruk"),
    over="over",
    ledger_words=words("saldo resultaat winst balans"),
    ending_in="eindigend op",
    endings=words_of("eindigt op | eindigend op | eindigen op"),
    roman_names=words("lodewijk willem karel hendrik filips frederik paulus johannes pius benedictus leopold albert"),
    roman_ordinal="de",
    expiry_words=words("geldig verloopt vervalt t/m tot"),
    time_words=words("om van tot vanaf rond tussen en"),
    postcode_letters=True,
    dates_with_dashes=True,
    version_words=words("versie v android ios windows python"),
    press_words=words("druk drukt toets toetsen kies kiest en of dan"),
    date_words=words("op van tot vanaf sinds maandag dinsdag woensdag donderdag vrijdag zaterdag zondag datum"),
    extension="toestel",
    area_groups=(3, 3, 4),
)
