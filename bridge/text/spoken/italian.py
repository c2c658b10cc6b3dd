"""Italian as spoken in Italy."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove"
).split()
_TENS = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()
_ORDINALS = "primo secondo terzo quarto quinto sesto settimo ottavo nono decimo".split()
_MONTHS, _MONTH_NUMBERS = months(
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "gen feb mar apr mag giu lug ago set|sett ott nov dic",
)


def _under_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    word = _TENS[tens - 2]
    if ones in (1, 8):
        word = word[:-1]
    return word + ("tré" if ones == 3 else _SMALL[ones] if ones else "")


def _under_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    head = ("" if hundreds == 1 else _SMALL[hundreds]) + "cento" if hundreds else ""
    return head + (("tré" if rest == 3 and head else _under_hundred(rest)) if rest or not head else "")


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "") -> str:
    if number == 1 and gender:
        return "una" if gender == "f" else "un"
    parts = []
    for power, one, many in ((12, "bilione", "bilioni"), (9, "miliardo", "miliardi"), (6, "milione", "milioni")):
        count = number // 10**power % 1000
        if count:
            parts.append(f"un {one}" if count == 1 else f"{_under_thousand(count)} {many}")
    thousands, rest = number // 1000 % 1000, number % 1000
    word = ("mille" if thousands == 1 else _under_thousand(thousands) + "mila") if thousands else ""
    if rest or not (parts or word):
        word += _under_thousand(rest)
    return " ".join([*parts, word] if word else parts)


def _ordinal(number: int, gender: Gender = "") -> str:
    if number <= 10:
        word = _ORDINALS[number - 1]
    else:
        cardinal = _cardinal(number)
        keeps = cardinal.endswith(("tré", "sei"))
        word = (cardinal.replace("tré", "tre") if keeps else cardinal[:-1]) + "esimo"
    return word[:-1] + "a" if gender == "f" else word


def _fraction(numerator: int, denominator: int) -> str:
    part = "mezzo" if denominator == 2 else _ordinal(denominator)
    return f"un {part}" if numerator == 1 else f"{_cardinal(numerator)} {part[:-1]}i"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = "mezzanotte" if hours == 0 and not minutes and not half else "una" if hours == 1 else _cardinal(hours)
    if minutes:
        said += f" e {_cardinal(minutes)}"
    if seconds is not None:
        said += f" e {_cardinal(seconds, 'm')} second{'o' if seconds == 1 else 'i'}"
    return said + {"am": " di mattina", "pm": " di pomeriggio" if hours < 6 or hours == 12 else " di sera"}.get(
        half, ""
    )


def _day(day: int) -> str:
    return "primo" if day == 1 else _cardinal(day)


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_day(day)} {_MONTHS[month - 1]}"
    return said if year is None else f"{said} {_cardinal(year)}"


def _noun_gender(noun: str) -> Gender:
    masculine = noun.endswith(("programma", "problema", "sistema", "tema", "pigiama"))
    return "f" if not masculine and noun.endswith(_FEMININE) else "m"


_FEMININE = (
    "a", "zione", "zioni", "sione", "sioni", "tà", "gione", "notte", "notti", "parte", "parti", "classe", "classi",
    "chiave", "chiavi", "persone", "camere", "ore", "carte", "volte", "settimane", "stanze", "mele", "linee", "pagine",
    "lettere", "email", "mail",
)  # fmt: skip


ITALIAN = Language(
    code="it-IT",
    cardinal=_cardinal,
    ordinal=_ordinal,
    year=_cardinal,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=". '’",
    point="virgola",
    decimals_as_number=True,
    fraction=_fraction,
    half_after_whole="e",
    noun_gender=_noun_gender,
    ordinal_marks=("º", "ª", "°"),
    scales=scales("""
mila|k mila mila
milione|milioni|mln|M milione milioni
miliardo|miliardi|mld miliardo miliardi
"""),
    scale_joins_noun="di",
    plain_scales=words("mila"),
    minus="meno",
    plus="più",
    percent="per cento",
    plus_or_minus="più o meno",
    times="per",
    divided_by="diviso",
    by="per",
    equals="uguale",
    range_to="a",
    ratio_to="a",
    per="al",
    out_of="su",
    symbols=pairs(
        "& e | @ chiocciola | % per cento | ° gradi | § paragrafo | © copyright | ® registrato | ± più o meno | × "
        "per | "
        "÷ diviso | = uguale | < minore di | > maggiore di | + più | ~ circa | / barra | \\ barra inversa | "
        "_ trattino basso | ^ elevato a | * asterisco | # cancelletto | → a | € euro | $ dollari | £ sterline | "
        "½ un mezzo | ¼ un quarto | ¾ tre quarti | ² al quadrato | ³ al cubo | − meno | ‰ per mille | º gradi"
    ),
    address_signs=pairs(
        ". punto | - trattino | _ trattino basso | / barra | @ chiocciola | + più | : due punti | # cancelletto | "
        "? punto interrogativo | = uguale | & e | % per cento | ~ tilde | ! punto esclamativo | ' apostrofo | * "
        "asterisco"
    ),
    keys={"*": "asterisco", "#": "cancelletto"},
    number_sign="numero",
    halves={"f": "mezza ", "m": "mezzo "},
    letter_upper="maiuscola",
    often=words("al alla per ogni"),
    hashtag="hashtag",
    hour_marks="h",
    currencies=currencies("""
₹|INR rupia rupie - - f -
₽|RUB rublo rubli copeco copechi m m
₺|TRY lira_turca lire_turche - - f -
₩|KRW won won - - m -
₿|BTC bitcoin bitcoin - - m -
¢ centesimo centesimi - - m -
€|EUR|euro euro euro centesimo centesimi m m
$|USD|US$|dollaro|dollari dollaro dollari centesimo centesimi m m
£|GBP sterlina sterline penny pence f m
CHF franco_svizzero franchi_svizzeri centesimo centesimi m m
¥|JPY yen yen - - m -
"""),
    and_cents=" e ",
    units=units("""
mmHg millimetro_di_mercurio millimetri_di_mercurio m
km chilometro chilometri m
m metro metri m
cm centimetro centimetri m
mm millimetro millimetri m
kg chilogrammo chilogrammi m
g grammo grammi m
mg milligrammo milligrammi m
t tonnellata tonnellate f
l|L litro litri m
ml|mL millilitro millilitri m
km/h chilometro_orario chilometri_orari m
h ora ore f
min minuto minuti m
s|sec secondo secondi m
° grado gradi m
°C|℃ grado_Celsius gradi_Celsius m
°F|℉ grado_Fahrenheit gradi_Fahrenheit m
W watt watt m
kW chilowatt chilowatt m
kWh chilowattora chilowattora m
V volt volt m
MHz megahertz megahertz m
GHz gigahertz gigahertz m
MB megabyte megabyte m
GB gigabyte gigabyte m
m²|mq metro_quadrato metri_quadrati m
km² chilometro_quadrato chilometri_quadrati m
m³ metro_cubo metri_cubi m
ha ettaro ettari m
x volta volte f
"""),
    per_units=pairs(
        "h ora | ora ora | giorno giorno | g giorno | settimana settimana | mese mese | anno anno | "
        "persona persona | "
        "notte notte | kg chilogrammo | m² metro quadrato | km chilometro | l litro | kWh chilowattora | "
        "min minuto | "
        "s secondo"
    ),
    per_each={
        "ora": "all'ora",
        "anno": "all'anno",
        "settimana": "alla settimana",
        "notte": "a notte",
        "persona": "a persona",
    },
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "lun lunedì | mar martedì | mer mercoledì | gio giovedì | ven venerdì | sab sabato | dom domenica"
    ),
    month_first=False,
    date=_date,
    day=_day,
    clock=_clock,
    abbreviations=pairs(
        "24/7 ventiquattro ore su ventiquattro | 24h/24 ventiquattro ore su ventiquattro | "
        "rif riferimento | sec secolo | scad scadenza | cell cellulare | p.iva partita IVA | "
        "h24 ventiquattro ore su ventiquattro | 7/7 sette giorni su sette | "
        "covid-19 covid diciannove | pagg pagine | ecc eccetera | es esempio | p.es per esempio | "
        "ad.es ad esempio | ca circa | tel telefono | v.le viale | "
        "p.za piazza | p.zza piazza | v.lo vicolo | "
        "incl incluso | max massimo | min minimo | c.so corso | pag pagina | "
        " s.p.a S P A | spa S P A | s.r.l S R L | srl S R L | n.b nota bene | "
        "a.c avanti Cristo | d.c dopo Cristo | e/o e o | sig.ra signora | sig.na signorina | dott.ssa dottoressa"
    ),
    needs_stop=words("rif sec scad cell min es ca tel spa pag"),
    never_last=words("rif scad cell p.iva max min p.zza v.lo p.es ad.es es ca v.le p.za c.so sig.ra sig.na dott.ssa"),
    titles=pairs(
        "sig signor | sigg signori | dott dottor | dr dottor | prof professor | ing ingegner | avv avvocato | s san"
    ),
    always_titles=words("sig dott dr"),
    before_numbers=pairs(
        "nr numero | n numero | n° numero | nº numero | num numero | pag pagina | pp pagine | art articolo | "
        "cap capitolo | "
        "vol volume | "
        "tel telefono | int interno | v versione | fig figura"
    ),
    capitals=words(
        "a al anche che ci come con da dal dei del di dove e è ed gli ha ho i il in io la le lei lo ma mi mio nel "
        "no noi "
        "non o ogni oggi ora per più qui se si sì solo sono su sua suo tu tutti tutto un una uno va via vi voi "
        "grazie stop"
    ),
    spoken_acronyms=words("CAP NATO ONU NASA PIN SIM UNESCO FIAT IVA RAI INAIL INPS SPID ISTAT ANSA IBAN"),
    roman_after=words("capitolo parte atto volume tomo fase titolo livello"),
    roman_centuries=words("secolo sec"),
    roman_ordinal_first=True,
    roman_names=words(
        "luigi paolo pio benedetto carlo vittorio emanuele umberto enrico filippo federico giovanni leone clemente"
    ),
    endings=words_of(
        "con finale | finale carta | carta finale | termina con | terminano con | finisce con | termina in"
    ),
    code_words=words(
        "codice codici pin camera stanza volo prenotazione ordine conto carta riferimento pratica fattura contratto "
        "polizza serie biglietto conferma cap password interno cliente tessera spedizione iban targa fiscale"
    ),
    weak_code_words=words("numero n° nº linea casella"),
    phone_words=words("verde")
    | words("telefono tel cell chiami chiamate chiamare chiamaci componga comporre cellulare fax numero telefonare"),
    link_words=words("è sono numero n° nº # : il la lo i le suo sua mio mia del della di e o - – ="),
    phone_links=words("al allo a ci ora per favore noi il"),
    year_words=words("nel dal del al anno anni fino in verso estate inverno autunno primavera dopo prima"),
    counted_stops=words(
        "è sono era e o a per se quando di da in con ma poi perché che sarà ha io lei il la un una oggi domani "
        "ora non al dal"
    ),
    score_words=words(
        "vinto vince vincono vinse perso perde perdono perse battuto batte risultato "
        "punteggio pareggio vittoria sconfitta"
    ),
    score_to="a",
    grade_words=words("voto valutazione punteggio giudizio"),
    grade_nouns=words("stelle punti"),
    pressure_words=words("pressione arteriosa"),
    over="su",
    ledger_words=words("saldo risultato utile bilancio netto"),
    ending_in="che termina con",
    expiry_words=words("scad scade scadenza valida valido fino"),
    time_words=words("h alle dalle ore le fino"),
    version_words=words("versione v android ios windows python"),
    press_words=words("prema premere premi digiti digitare tasto tasti o poi e"),
    date_words=words("il del al dal lunedì martedì mercoledì giovedì venerdì sabato domenica data entro"),
    extension="interno",
    area_groups=(3, 3, 4),
)
