"""German as spoken in Germany."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn "
    "achtzehn neunzehn"
).split()
_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_LARGE = (("Million", "Millionen"), ("Milliarde", "Milliarden"), ("Billion", "Billionen"))
_MONTHS, _MONTH_NUMBERS = months(
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "jan feb mär|mrz apr mai jun jul aug sep|sept okt nov dez",
)


def _under_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    one = "ein" if ones == 1 else _SMALL[ones]
    return f"{one}und{_TENS[tens - 2]}" if ones else _TENS[tens - 2]


def _under_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    head = ("ein" if hundreds == 1 else _SMALL[hundreds]) + "hundert" if hundreds else ""
    return head + (_under_hundred(rest) if rest or not head else "")


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "") -> str:
    if number == 1:
        return {"": "eins", "m": "ein", "n": "ein", "f": "eine"}[gender]
    rest, below = divmod(number, 10**6)
    thousands, small = divmod(below, 1000)
    parts = []
    for scale, (one, many) in reversed(list(enumerate(_LARGE))):
        count = rest // 1000**scale % 1000
        if count:
            parts.append(f"eine {one}" if count == 1 else f"{_under_thousand(count)} {many}")
    word = ""
    if thousands:
        word = ("ein" if thousands == 1 else _under_thousand(thousands).removesuffix("s") if thousands % 100 == 1
                else _under_thousand(thousands)) + "tausend"  # fmt: skip
    if small or not (parts or word):
        word += _under_thousand(small)
    return " ".join([*parts, word] if word else parts)


@functools.lru_cache(maxsize=4096)
def _stem(number: int) -> str:
    known = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
    below = number % 100
    if below in known:
        return (_cardinal(number - below) if number > below else "") + known[below]
    return _cardinal(number) + ("t" if below < 20 and below else "st")


def _ordinal(number: int, gender: Gender = "") -> str:
    return _stem(number) + "e"


def _day(day: int) -> str:
    return _stem(day) + "er"


def _decade(number: int) -> str:
    """Say a decade, such as `90er` or `1990er`, from its number."""
    if number in (100, 1000):
        return _cardinal(number).removeprefix("ein") + "er"
    return (_year(number) if number > 999 else _cardinal(number)) + "er"


def _after(before: str, spoken: str) -> str:
    """The ending that an ordinal has after an article or a preposition: "am dritten Mai", "der dritte Mai"."""
    first, cut, rest = spoken.partition(" ")
    if first.endswith("te") and before in _ARTICLES:
        return first + "n" + cut + rest
    if not first.endswith("ter"):
        return spoken
    if before in ("der", "die", "das", "diese", "dieser", "jede"):
        return first[:-1] + cut + rest
    return first[:-1] + "n" + cut + rest if before in _DATIVE else spoken


_ARTICLES = words("am vom zum dem den beim im ihrem ihren meinem unserem einem zur zwischen zw")
_DATIVE = words(
    "des eines dieses am vom zum dem den bis ab seit im beim auf für und oder ihrem ihren meinem unserem einem nach "
    "vor zwischen zw"
)


@functools.lru_cache(maxsize=4096)
def _year(number: int) -> str:
    if 1100 <= number < 2000:
        century, rest = divmod(number, 100)
        return f"{_cardinal(century)}hundert{_cardinal(rest) if rest else ''}"
    return _cardinal(number)


def _fraction(numerator: int, denominator: int) -> str:
    if denominator == 2:
        return "ein halb" if numerator == 1 else f"{_cardinal(numerator)} halbe"
    part = _stem(denominator).capitalize() + "el" if denominator != 3 else "Drittel"
    return f"{_cardinal(numerator, 'n')} {part}"


def _noun_gender(noun: str) -> Gender:
    if not noun[0].isupper():
        return ""
    if noun.endswith(_NEUTER):
        return "n"
    return "f" if noun.endswith(_FEMININE) else "m"


_NEUTER = (
    "Ende",
    "Auge",
    "Gebäude",
    "Interesse",
    "Angebote",
    "Kind",
    "Zimmer",
    "Bett",
    "Konto",
    "Paket",
    "Stück",
    "Jahr",
    "Dutzend",
    "Pfund",
    "Kilo",
    "Glas",
)
_FEMININE = (
    "e", "ung", "heit", "keit", "ion", "tät", "schaft", "ei", "frau", "nacht", "Nacht", "stadt", "Stadt", "Person",
    "person", "nummer", "Nummer", "achricht", "sicht",
    "Sicht", "zahl", "Zahl", "fahrt", "Fahrt", "Antwort", "antwort", "Mail", "mail", "SMS", "Uhr",
    "Bank", "Tür", "Hand", "zeit", "Zeit", "kraft", "Schicht", "Auskunft", "Steuer", "Option",
)  # fmt: skip
"""Ends of nouns, by their gender; others are taken for masculine."""


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = f"{_cardinal(hours, 'n')} Uhr"
    if minutes or seconds is not None:
        said += f" {_cardinal(minutes)}"
    if seconds is not None:
        said += f" und {_cardinal(seconds, 'f')} Sekunde{'' if seconds == 1 else 'n'}"
    return said + {"am": " vormittags", "pm": " nachmittags"}.get(half, "")


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_day(day)} {_MONTHS[month - 1]}"
    return said if year is None else f"{said} {_year(year)}"


_UNITS = units("""
Zi Zimmer Zimmer n
mmHg Millimeter_Quecksilbersäule Millimeter_Quecksilbersäule m
km Kilometer Kilometer m
m Meter Meter m
cm Zentimeter Zentimeter m
mm Millimeter Millimeter m
kg Kilogramm Kilogramm n
g Gramm Gramm n
mg Milligramm Milligramm n
t Tonne Tonnen f
l|L Liter Liter m
ml|mL Milliliter Milliliter m
km/h Stundenkilometer Stundenkilometer m
h|Std Stunde Stunden f
Pers Person Personen f
min|Min Minute Minuten f
s|sek|Sek Sekunde Sekunden f
ms Millisekunde Millisekunden f
°|Grad Grad Grad n
°C|℃ Grad_Celsius Grad_Celsius n
°F|℉ Grad_Fahrenheit Grad_Fahrenheit n
W Watt Watt n
kW Kilowatt Kilowatt n
kWh Kilowattstunde Kilowattstunden f
V Volt Volt n
Hz Hertz Hertz n
MHz Megahertz Megahertz n
GHz Gigahertz Gigahertz n
KB|kB Kilobyte Kilobyte n
MB Megabyte Megabyte n
GB Gigabyte Gigabyte n
TB Terabyte Terabyte n
Mbit/s Megabit_pro_Sekunde Megabit_pro_Sekunde n
m²|qm Quadratmeter Quadratmeter m
km² Quadratkilometer Quadratkilometer m
m³ Kubikmeter Kubikmeter m
ha Hektar Hektar m
kcal Kilokalorie Kilokalorien f
Stk Stück Stück n
x mal mal m
""")

GERMAN = Language(
    code="de-DE",
    cardinal=_cardinal,
    ordinal=_ordinal,
    year=_year,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=". '’",
    point="Komma",
    fraction=_fraction,
    half_after_whole="und",
    ordinal_marks=(),
    ordinal_stop=True,
    inflected=_after,
    list_joiners=words("und oder bis sowie"),
    hour_marks="h",
    capital_nouns=True,
    noun_gender=_noun_gender,
    scales=scales("""
hundert hundert hundert
tausend|Tsd|k tausend tausend
Million|Millionen|Mio|M Million Millionen
Milliarde|Milliarden|Mrd Milliarde Milliarden
"""),
    minus="minus",
    plus="plus",
    percent="Prozent",
    plus_or_minus="plus minus",
    times="mal",
    divided_by="geteilt durch",
    by="mal",
    equals="gleich",
    range_to="bis",
    ratio_to="zu",
    per="pro",
    out_of="von",
    symbols=pairs(
        "& und | @ at | % Prozent | ° Grad | § Paragraf | © Copyright | ® eingetragen | ± plus minus | × mal | "
        "÷ geteilt durch | = gleich | < kleiner als | > größer als | + plus | ~ etwa | / Schrägstrich | \\ Backslash | "
        "_ Unterstrich | ^ hoch | * Stern | # Raute | → bis | € Euro | $ Dollar | £ Pfund | ½ ein halb | ¼ ein "
        "Viertel | "
        "¾ drei Viertel | ² Quadrat | ³ hoch drei | − minus | ‰ Promille | ≈ etwa | ≤ höchstens | ≥ mindestens"
    ),
    address_signs=pairs(
        ". Punkt | - Bindestrich | _ Unterstrich | / Schrägstrich | @ at | + plus | : Doppelpunkt | # Raute | "
        "? Fragezeichen | = gleich | & und | % Prozent | ~ Tilde | ! Ausrufezeichen | ' Apostroph | * Stern"
    ),
    keys={"*": "Stern", "#": "Raute"},
    number_sign="Nummer",
    halves={"f": "eine halbe ", "m": "einen halben ", "n": "ein halbes "},
    letter_upper="groß",
    often=words("täglich tägl wöchentlich monatlich jährlich pro am im die in je"),
    hashtag="Hashtag",
    currencies=currencies("""
₹|INR Rupie Rupien - - f -
₽|RUB Rubel Rubel Kopeke Kopeken m f
₺|TRY Lira Lira Kuruş Kuruş f m
₩|KRW Won Won - - m -
₿|BTC Bitcoin Bitcoin - - m -
¢ Cent Cent - - m -
PLN|zł Zloty Zloty Grosz Groszy m m
SEK schwedische_Krone schwedische_Kronen Öre Öre f n
NOK norwegische_Krone norwegische_Kronen Öre Öre f n
DKK dänische_Krone dänische_Kronen Öre Öre f n
CZK|Kč tschechische_Krone tschechische_Kronen Heller Heller f m
€|EUR|Euro Euro Euro Cent Cent m m
$|USD|US$ Dollar Dollar Cent Cent m m
£|GBP Pfund Pfund Penny Pence n m
CHF|Fr Schweizer_Franken Schweizer_Franken Rappen Rappen m m
¥|JPY Yen Yen - - m -
SEK schwedische_Krone schwedische_Kronen Öre Öre f n
PLN Zloty Zloty Groszy Groszy m m
CAD kanadischer_Dollar kanadische_Dollar Cent Cent m m
"""),
    and_cents=" und ",
    units=_UNITS,
    per_units=pairs(
        "mtl Monat | Mon Monat | Pers Person | Stk Stück | Std Stunde | "
        "h Stunde | Std Stunde | Stunde Stunde | Tag Tag | Woche Woche | Monat Monat | Mon Monat | Jahr Jahr | J "
        "Jahr | "
        "Person Person | kg Kilogramm | m² Quadratmeter | km Kilometer | l Liter | kWh Kilowattstunde | "
        "Nacht Nacht | "
        "min Minute | Min Minute | s Sekunde | Stück Stück | Stk Stück"
    ),
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "mo Montag | di Dienstag | mi Mittwoch | do Donnerstag | fr Freitag | sa Samstag | so Sonntag"
    ),
    month_first=False,
    date=_date,
    day=_day,
    clock=_clock,
    clock_words=words("uhr"),
    letters={},
    abbreviations=pairs(
        "z.b zum Beispiel | zb zum Beispiel | d.h das heißt | usw und so weiter | etc et cetera | ca circa | "
        "bzw beziehungsweise | evtl eventuell | ggf gegebenenfalls | inkl inklusive | exkl exklusive | zzgl "
        "zuzüglich | "
        "u.a unter anderem | o.ä oder ähnlich | vgl vergleiche | mfg mit freundlichen Grüßen | mwst Mehrwertsteuer | "
        "s.o siehe oben | s.u siehe unten | v.a vor allem | i.d.r in der Regel | abs Absatz | tel Telefon | "
        "max maximal | min minimal | mind mindestens | zw zwischen | u und | bzgl bezüglich | jh Jahrhundert | "
        "jhs Jahrhunderts | tägl täglich | whg Wohnung | kü Küche | z.hd zu Händen | "
        "z.zt zur Zeit | "
        "ust-idnr Umsatzsteuer-Identifikationsnummer | "
        "kd.-nr Kundennummer | kd.nr Kundennummer | best.-nr Bestellnummer | rg.-nr Rechnungsnummer | "
        "re.-nr Rechnungsnummer | "
        "art.-nr Artikelnummer | tel.-nr Telefonnummer | vers.-nr Versicherungsnummer | dipl.-ing Diplom-Ingenieur | "
        "fa Firma | geb geboren | §§ Paragrafen | 3mal dreimal | 2mal zweimal | "
        "gmbh G M B H | kg K G | ag A G | plz Postleitzahl | und/oder und oder | 24/7 rund um die Uhr | str Straße"
    ),
    needs_stop=words("kü abs kg tel str ca max min u zw fa geb"),
    never_last=words(
        "fa geb kd.-nr kd.nr best.-nr rg.-nr re.-nr art.-nr tel.-nr vers.-nr dipl.-ing max min mind zw u bzgl z.b "
        "jh jhs tägl whg z.hd z.zt ust-idnr d.h ca bzw evtl ggf inkl exkl zzgl u.a vgl s.o s.u v.a i.d.r"
    ),
    titles=pairs("hr Herr | fr Frau | dr Doktor | prof Professor | st Sankt | ing Ingenieur | dipl Diplom"),
    always_titles=words("dr prof hr"),
    before_numbers=pairs(
        "nr Nummer | art Artikel | abs Absatz | s Seite | bd Band | kap Kapitel | abb Abbildung | tel Telefon | "
        "zi Zimmer | hausnr Hausnummer | v Version | ca circa"
    ),
    street_endings={"str": "straße", "nr": "nummer"},
    decade=_decade,
    decade_mark="er",
    endings=words_of(
        "der endung | endung auf | den endziffern | endziffern sind | endet auf | endend auf | enden auf | "
        "ziffern lauten | ziffern sind"
    ),
    roman_names=words(
        "ludwig friedrich wilhelm heinrich karl otto philipp paul benedikt pius georg johannes leopold franz rudolf "
        "leo max maximilian albert alexander nikolaus christian gustav napoleon"
    ),
    roman_ordinal="der",
    capitals=words(
        "ab am an auf aus bei bis das dem den der des die ein eine er es für hat ich im in ist ja jetzt kein mit "
        "nach "
        "nein neu nicht nie nur oder ohne per sie sind so stop stopp um und uns vom von vor was wer wie wir zu zum "
        "zur "
        "bitte heute hier kann alle alles auch mehr noch nun sehr sofort immer muss achtung wichtig halt los"
    ),
    spoken_acronyms=words("NATO NASA PIN TAN SIM IBAN BIC AIDS UNO IKEA LKA BAFÖG SCHUFA ELSTER"),
    roman_after=words("kapitel teil akt band stufe klasse weltkrieg artikel"),
    code_words=words(
        "code codes pin pins tan passwort kennwort plz postleitzahl zimmer flug flugnummer buchung buchungsnummer "
        "buchungscode bestellung bestellnummer auftrag auftragsnummer kundennummer kontonummer konto rechnung "
        "rechnungsnummer vertrag vertragsnummer referenz referenznummer seriennummer karte kartennummer iban ticket "
        "ticketnummer durchwahl sendungsnummer vorgang vorgangsnummer aktenzeichen versichertennummer gate kennung "
        "mitgliedsnummer bankleitzahl blz bestellnr kundennr auftragsnr rechnungsnr vertragsnr buchungsnr kontonr "
        "referenznr seriennr kd.-nr kd.nr best.-nr rg.-nr re.-nr art.-nr vers.-nr kennzeichen bic endziffern"
    ),
    weak_code_words=words("nummer nr linie postfach"),
    phone_words=words(
        "telefon tel telefonnummer rufen rufe rufnummer handy handynummer fax mobil mobilnummer hotline anruf wählen"
    ),
    link_words=words(
        "ist lautet war sind nummer nr nr. # : die der das ihre ihr ihren meine mein unsere und oder - – ="
    ),
    phone_links=words("uns mich unter auf an sie mir bitte jetzt ihm ihr"),
    year_words=words(
        "in im jahr jahre seit von bis ab vor nach um anno sommer winter herbst frühjahr frühling anfang ende"
    ),
    counted_stops=words(
        "ist sind war und oder zu bis wenn für von auf in um bei als aber dann so weil das die der bitte wird kann "
        "hat "
        "ich du sie wir er es ein eine jetzt heute morgen nicht mit an am"
    ),
    ending_in="endet auf",
    score_words=words(
        "gewann gewonnen gewinnt gewinnen verlor verloren verliert siegte siegt besiegte schlug führt führte endstand "
        "ergebnis spielstand unentschieden sieg niederlage halbzeitstand"
    ),
    score_to="zu",
    grade_words=words("bewertung bewertet note punkte wertung sehschärfe"),
    grade_nouns=words("sterne sternen punkte punkten"),
    pressure_words=words("blutdruck rr"),
    over="zu",
    ledger_words=words("saldo kontostand ergebnis gewinn jahresergebnis überschuss bilanz eigenkapital cashflow"),
    beside_sums=pairs(
        "KM Kaltmiete | WM Warmmiete | NK Nebenkosten | HK Heizkosten | OG Obergeschoss | UG Untergeschoss | "
        "EG Erdgeschoss | DG Dachgeschoss | TG Tiefgarage | EBK Einbauküche"
    ),
    expiry_words=words("gültig gültigkeit ablaufdatum läuft abläuft verfällt bis"),
    time_words=words("von um ab bis gegen zwischen und vor nach seit"),
    scale_gender="f",
    hyphened={"st": "Sankt"},
    half_suffix="einhalb",
    version_words=words("version v android ios windows python release"),
    press_words=words("drücken drücke taste tasten wählen wähle und oder dann"),
    date_words=words("am vom zum bis ab seit montag dienstag mittwoch donnerstag freitag samstag sonntag datum"),
    extension="Durchwahl",
    area_groups=(4, 3, 4),
)
