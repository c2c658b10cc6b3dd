"""Spanish as spoken in Spain, and understood in America."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
).split()
_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_HUNDREDS = (
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
).split()
_ORDINALS = ("primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo undécimo duodécimo").split()
_MONTHS, _MONTH_NUMBERS = months(
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "ene feb mar abr may jun jul ago sep|sept oct nov dic",
)


def _one(word: str, gender: Gender) -> str:
    """The ending of a number that counts something: "veintiún", "treinta y una"."""
    if gender == "f" and word.endswith("uno"):
        return word[:-1] + "a"
    if gender == "m" and word.endswith("veintiuno"):
        return word[:-9] + "veintiún"
    return word[:-1] if gender == "m" and word.endswith("uno") else word


def _under_thousand(number: int, gender: Gender) -> str:
    if number == 100:
        return "cien"
    hundreds, rest = divmod(number, 100)
    parts = []
    if hundreds:
        hundred = _HUNDREDS[hundreds - 1]
        parts.append(hundred[:-2] + "as" if gender == "f" and hundreds > 1 else hundred)
    if rest and rest < 30:
        parts.append(_one(_SMALL[rest], gender))
    elif rest:
        tens, ones = divmod(rest, 10)
        parts.append(_TENS[tens - 3] + (f" y {_one(_SMALL[ones], gender)}" if ones else ""))
    return " ".join(parts)


def _under_million(number: int, gender: Gender) -> str:
    thousands, rest = divmod(number, 1000)
    parts = []
    if thousands:
        parts.append("mil" if thousands == 1 else f"{_under_thousand(thousands, 'f' if gender == 'f' else 'm')} mil")
    if rest:
        parts.append(_under_thousand(rest, gender))
    return " ".join(parts)


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "") -> str:
    if number == 0:
        return "cero"
    billions, rest = divmod(number, 10**12)
    millions, small = divmod(rest, 10**6)
    parts = []
    for count, one, many in ((billions, "un billón", "billones"), (millions, "un millón", "millones")):
        if count:
            parts.append(one if count == 1 else f"{_under_million(count, 'm')} {many}")
    if small:
        parts.append(_under_million(small, gender))
    return " ".join(parts)


def _ordinal(number: int, gender: Gender = "") -> str:
    word = _ORDINALS[number - 1] if number <= len(_ORDINALS) else _cardinal(number)
    return word[:-1] + "a" if gender == "f" and word.endswith("o") and number <= len(_ORDINALS) else word


def _fraction(numerator: int, denominator: int) -> str:
    parts = {2: "medio", 3: "tercio"}
    part = parts.get(denominator) or (
        _ORDINALS[denominator - 1] if denominator <= 10 else _cardinal(denominator) + "avo"
    )
    return f"un {part}" if numerator == 1 else f"{_cardinal(numerator)} {part}s"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = _cardinal(hours, "f")
    if minutes:
        said += f" y {_cardinal(minutes)}"
    elif not half and (hours > 12 or hours == 0):
        said += " horas"
    if seconds is not None:
        said += f" y {_cardinal(seconds, 'm')} segundo{'' if seconds == 1 else 's'}"
    if half == "am":
        return said + " de la mañana"
    return said + (" de la noche" if half and 8 <= hours < 12 else " de la tarde" if half else "")


def _day(day: int) -> str:
    return "primero" if day == 1 else _cardinal(day)


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_day(day)} de {_MONTHS[month - 1]}"
    return said if year is None else f"{said} de {_cardinal(year)}"


_MASCULINE = ("día", "mapa", "idioma", "programa", "problema", "sistema", "tema", "clima", "cajero", "planeta")
_FEMININE = (
    "a", "ión", "dad", "tud", "noche", "calle", "clase", "llave", "parte", "tarde", "fuente", "imagen", "vez", "ve",
)  # fmt: skip


def _noun_gender(noun: str) -> Gender:
    one = noun.removesuffix("es") if noun.endswith(("iones", "dades", "tudes")) else noun.removesuffix("s")
    one = one.replace("ion", "ión") if one.endswith("ion") else one
    return "f" if not one.endswith(_MASCULINE) and (one.endswith(_FEMININE) or noun == "veces") else "m"


SPANISH = Language(
    code="es-ES",
    cardinal=_cardinal,
    ordinal=_ordinal,
    year=_cardinal,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=". '’",
    point="coma",
    decimals_as_number=True,
    fraction=_fraction,
    half_after_whole="y",
    noun_gender=_noun_gender,
    ordinal_marks=("º", "ª", "er", "°"),
    scales=scales("""
mil|k mil mil
millón|millones|M millón millones
"""),
    scale_joins_noun="de",
    plain_scales=words("mil"),
    minus="menos",
    plus="más",
    percent="por ciento",
    plus_or_minus="más menos",
    times="por",
    divided_by="entre",
    by="por",
    equals="igual a",
    range_to="a",
    ratio_to="a",
    per="por",
    out_of="de",
    symbols=pairs(
        "& y | @ arroba | % por ciento | ° grados | § sección | © copyright | ® registrado | ± más menos | × por | "
        "÷ entre | = igual a | < menor que | > mayor que | + más | ~ unos | / barra | \\ barra invertida | "
        "_ guion bajo | ^ elevado a | * asterisco | # almohadilla | → a | € euros | $ dólares | £ libras | "
        "½ un medio | ¼ un cuarto | ¾ tres cuartos | ² al cuadrado | ³ al cubo | − menos | º grados | ‰ por mil"
    ),
    address_signs=pairs(
        ". punto | - guion | _ guion bajo | / barra | @ arroba | + más | : dos puntos | # almohadilla | "
        "? interrogación | = igual | & y | % por ciento | ~ virgulilla | ! exclamación | ' apóstrofo | * asterisco"
    ),
    keys={"*": "asterisco", "#": "almohadilla"},
    number_sign="número",
    halves={"f": "media ", "m": "medio "},
    letter_upper="mayúscula",
    often=words("al por diario cada"),
    hashtag="hashtag",
    hour_marks="h",
    currencies=currencies("""
₹|INR rupia rupias - - f -
₽|RUB rublo rublos kopek kopeks m m
₺|TRY lira_turca liras_turcas - - f -
₩|KRW won wones - - m -
₿|BTC bitcoin bitcoines - - m -
¢ centavo centavos - - m -
PEN|S/ sol soles céntimo céntimos m m
COP peso_colombiano pesos_colombianos centavo centavos m m
ARS peso_argentino pesos_argentinos centavo centavos m m
CLP peso_chileno pesos_chilenos - - m -
BRL|R$ real reales centavo centavos m m
€|EUR|euro|euros euro euros céntimo céntimos m m
$|USD|US$|dólar|dólares dólar dólares centavo centavos m m
£|GBP libra libras penique peniques f m
MXN|MX$ peso_mexicano pesos_mexicanos centavo centavos m m
CHF franco_suizo francos_suizos céntimo céntimos m m
¥|JPY yen yenes - - m -
"""),
    and_cents=" con ",
    units=units("""
mmHg milímetro_de_mercurio milímetros_de_mercurio m
km kilómetro kilómetros m
m metro metros m
cm centímetro centímetros m
mm milímetro milímetros m
kg kilogramo kilogramos m
g gramo gramos m
mg miligramo miligramos m
t tonelada toneladas f
l|L litro litros m
ml|mL mililitro mililitros m
km/h kilómetro_por_hora kilómetros_por_hora m
h hora horas f
min minuto minutos m
s|seg segundo segundos m
° grado grados m
°C|℃ grado_Celsius grados_Celsius m
°F|℉ grado_Fahrenheit grados_Fahrenheit m
W vatio vatios m
kW kilovatio kilovatios m
kWh kilovatio_hora kilovatios_hora m
V voltio voltios m
MHz megahercio megahercios m
GHz gigahercio gigahercios m
MB megabyte megabytes m
GB gigabyte gigabytes m
m² metro_cuadrado metros_cuadrados m
km² kilómetro_cuadrado kilómetros_cuadrados m
m³ metro_cúbico metros_cúbicos m
ha hectárea hectáreas f
x vez veces f
"""),
    per_units=pairs(
        "h hora | hora hora | día día | semana semana | mes mes | año año | persona persona | kg kilogramo | noche "
        "noche | "
        "m² metro cuadrado | km kilómetro | l litro | kWh kilovatio hora | min minuto | s segundo | unidad unidad | "
        "ud unidad | uds unidades"
    ),
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "lun lunes | mar martes | mié miércoles | mie miércoles | jue jueves | vie viernes | sáb sábado | "
        "sab sábado | "
        "dom domingo"
    ),
    month_first=False,
    date=_date,
    day=_day,
    day_month_joiner=" de ",
    clock=_clock,
    clock_words=words("h"),
    abbreviations=pairs(
        "máx máximo | mín mínimo | 24/7 las veinticuatro horas, los siete días | l-v lunes a viernes | "
        "covid-19 covid diecinueve | tfno teléfono | tlf teléfono | s/n sin número | n.º número | nº número | "
        "ref referencia | cad caduca | "
        "p.ej por ejemplo | etc etcétera | aprox aproximadamente | tel teléfono | ud usted | uds ustedes | "
        "c/ calle | avda avenida | av avenida | pza plaza | dpto departamento | admón administración | "
        "cía compañía | incl incluido | dto descuento | izq izquierda | dcha derecha | "
        "s.a S A | s.l S L | ee.uu Estados Unidos | y/o y o | a.c antes de Cristo | d.c después de Cristo"
    ),
    needs_stop=words("ref cad tlf máx mín tel av"),
    never_last=words("tfno tlf ref cad n.º nº máx mín p.ej aprox c/ avda av pza"),
    titles=pairs(
        "sr señor | sra señora | srta señorita | sras señoras | sres señores | dr doctor | dra doctora | "
        "prof profesor | d don | dña doña"
    ),
    always_titles=words("sr sra srta sras sres dr dra"),
    before_numbers=pairs(
        "núms números | pp páginas | s siglo | n.º número | nº número | núm número | no número | pág página | "
        "págs páginas | art artículo | cap capítulo | "
        "vol volumen | tel teléfono | ext extensión | hab habitación | v versión | fig figura | piso piso"
    ),
    capitals=words(
        "a al ahora como con de del el en es esta este gracias hay hoy la las lo los más mi muy no nos o para pero "
        "por que "
        "se si sí sin solo son su sus todo todos tu un una urgente uno usted y ya yo alto pare"
    ),
    spoken_acronyms=words("OTAN ONU PIN UNESCO NASA SIM SIDA OVNI IVA NIF NIE RENFE AVE PYME ONG") - words("ONG"),
    roman_after=words("capítulo tomo siglo acto fase parte volumen título nivel"),
    code_words=words(
        "código codigo códigos pin clave contraseña postal habitación vuelo reserva pedido cuenta tarjeta referencia "
        "localizador confirmación expediente factura póliza contrato serie ticket billete extensión puerta socio "
        "cliente "
        "seguimiento iban dni nie nif matrícula"
    ),
    weak_code_words=words("número nº núm línea orden apartado"),
    phone_words=words("teléfono tel tfno tlf llame llamar llámenos llama marque marcar móvil fax número whatsapp"),
    link_words=words("es son número nº # : el la los las su sus mi tu de del y o - – = está fue"),
    phone_links=words("al a en nos nosotros me con ahora por favor"),
    year_words=words("en de desde hasta del año años para hacia verano invierno otoño primavera"),
    counted_stops=words(
        "es son era y o a para si cuando por de desde en con pero entonces porque que por se será tiene ha yo "
        "usted el la "
        "un una hoy mañana ahora no al del"
    ),
    score_words=words(
        "ganó ganaron gana ganan ganado perdió perdieron pierde perdido venció vencieron marcador resultado empate "
        "empataron empató derrotó victoria derrota"
    ),
    score_to="a",
    grade_words=words("nota calificación puntuación valoración valorado"),
    grade_nouns=words("estrellas puntos"),
    pressure_words=words("tensión presión arterial"),
    over="sobre",
    ledger_words=words("saldo resultado beneficio balance neto"),
    ending_in="terminada en",
    endings=words_of(
        "terminación en | tarjeta terminación | acabado en | termina en | terminada en | terminado en | "
        "terminan en | acaba en | acabada en"
    ),
    roman_ordinals_to=10,
    roman_names=words("juan alfonso pablo pío isabel juana felipe fernando carlos"),
    expiry_words=words("cad caduca caducidad vence vencimiento válida válido hasta expira"),
    year_joiner="de",
    time_words=words("las la"),
    hour_articles=words("las la"),
    version_words=words("versión v android ios windows python"),
    press_words=words("pulse pulsar pulsa marque marcar marca presione tecla teclas o y luego"),
    date_words=words("el al del hasta desde lunes martes miércoles jueves viernes sábado domingo fecha"),
    extension="extensión",
    area_groups=(3, 3, 3),
    zero_begins_phone=False,
)
