"""Portuguese as spoken in Brazil and in Portugal."""

from __future__ import annotations

import dataclasses
import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis "
    "dezessete dezoito "
    "dezenove"
).split()
_EUROPEAN = {"quatorze": "catorze", "dezesseis": "dezasseis", "dezessete": "dezassete", "dezenove": "dezanove"}
_TENS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
_HUNDREDS = "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos".split()
_ORDINALS = "primeiro segundo terceiro quarto quinto sexto sétimo oitavo nono décimo".split()
_ORDINAL_TENS = "décimo vigésimo trigésimo quadragésimo quinquagésimo".split()
_MONTHS, _MONTH_NUMBERS = months(
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "jan fev mar abr mai jun jul ago set out nov dez",
)


def _ones(number: int, gender: Gender) -> str:
    if gender == "f" and number in (1, 2):
        return ("uma", "duas")[number - 1]
    return _SMALL[number]


def _under_thousand(number: int, gender: Gender) -> str:
    if number == 100:
        return "cem"
    hundreds, rest = divmod(number, 100)
    parts = []
    if hundreds:
        hundred = _HUNDREDS[hundreds - 1]
        parts.append(hundred[:-2] + "as" if gender == "f" and hundreds > 1 else hundred)
    if rest and rest < 20:
        parts.append(_ones(rest, gender))
    elif rest:
        tens, ones = divmod(rest, 10)
        parts.append(_TENS[tens - 2])
        if ones:
            parts.append(_ones(ones, gender))
    return " e ".join(parts)


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "", european: bool = False) -> str:
    if number == 0:
        return "zero"
    parts = []
    names = ((12, "trilhão", "trilhões"), (9, "bilhão", "bilhões"), (6, "milhão", "milhões"))
    for power, one, many in names:
        count = number // 10**power % 1000
        if count:
            parts.append(f"{_under_thousand(count, 'm')} {one if count == 1 else many}")
    thousands, rest = number // 1000 % 1000, number % 1000
    if thousands:
        parts.append("mil" if thousands == 1 else f"{_under_thousand(thousands, gender)} mil")
    if rest:
        joined = "e " if parts and (rest < 100 or rest % 100 == 0) else ""
        parts.append(joined + _under_thousand(rest, gender))
    said = " ".join(parts)
    if european:
        for brazilian, own in _EUROPEAN.items():
            said = said.replace(brazilian, own)
        said = said.replace("bilhão", "mil milhões").replace("bilhões", "mil milhões").replace("um mil mil", "mil mil")
        said = said.replace("trilhão", "bilião").replace("trilhões", "biliões")
    return said


def _brazilian(number: int, gender: Gender = "") -> str:
    return _cardinal(number, gender)


def _european(number: int, gender: Gender = "") -> str:
    return _cardinal(number, gender, european=True)


def _ordinal(number: int, gender: Gender = "") -> str:
    if number > 59:
        return _cardinal(number, gender)
    tens, ones = divmod(number, 10)
    parts = ([_ORDINAL_TENS[tens - 1]] if tens else []) + ([_ORDINALS[ones - 1]] if ones else [])
    return " ".join(part[:-1] + "a" if gender == "f" else part for part in parts)


def _fraction(numerator: int, denominator: int) -> str:
    part = {2: "meio", 3: "terço"}.get(denominator) or (
        _ORDINALS[denominator - 1] if denominator <= 10 else f"{_cardinal(denominator)} avos"
    )
    return f"{_cardinal(numerator)} {part if numerator == 1 or part.endswith('s') else part + 's'}"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = "meia-noite" if hours == 0 and not minutes and not half else _cardinal(hours, "f")
    if minutes:
        said += f" e {_cardinal(minutes)}"
    elif not half and hours:
        said += " hora" if hours == 1 else " horas"
    if seconds is not None:
        said += f" e {_cardinal(seconds, 'm')} segundo{'' if seconds == 1 else 's'}"
    return said + {"am": " da manhã", "pm": " da tarde" if hours < 7 or hours == 12 else " da noite"}.get(half, "")


def _day(day: int) -> str:
    return "primeiro" if day == 1 else _cardinal(day)


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_day(day)} de {_MONTHS[month - 1]}"
    return said if year is None else f"{said} de {_cardinal(year)}"


def _noun_gender(noun: str) -> Gender:
    one = noun.removesuffix("s")
    masculine = one.endswith(("dia", "programa", "problema", "sistema", "mapa", "idioma", "tema", "clima"))
    return "f" if not masculine and one.endswith(_FEMININE) else "m"


_FEMININE = (
    "a",
    "ção",
    "çõe",
    "são",
    "sõe",
    "dade",
    "gem",
    "gen",
    "noite",
    "vez",
    "veze",
    "parte",
    "chave",
    "classe",
    "tarde",
)


BRAZILIAN = Language(
    code="pt-BR",
    cardinal=_brazilian,
    ordinal=_ordinal,
    year=_cardinal,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=". '’",
    point="vírgula",
    decimals_as_number=True,
    fraction=_fraction,
    half_after_whole="e",
    noun_gender=_noun_gender,
    ordinal_marks=("º", "ª", "°"),
    scales=scales("""
mil|k mil mil
milhão|milhões|mi|M milhão milhões
bilhão|bilhões|bi bilhão bilhões
"""),
    scale_joins_noun="de",
    plain_scales=words("mil"),
    minus="menos",
    plus="mais",
    percent="por cento",
    plus_or_minus="mais ou menos",
    times="vezes",
    divided_by="dividido por",
    by="por",
    equals="igual a",
    range_to="a",
    ratio_to="a",
    per="por",
    out_of="de",
    symbols=pairs(
        "& e | @ arroba | % por cento | ° graus | § parágrafo | © copyright | ® registrado | ± mais ou menos | × "
        "vezes | "
        "÷ dividido por | = igual a | < menor que | > maior que | + mais | ~ cerca de | / barra | \\ barra invertida | "
        "_ sublinhado | ^ elevado a | * asterisco | # jogo da velha | → a | € euros | $ dólares | £ libras | "
        "½ um meio | ¼ um quarto | ¾ três quartos | ² ao quadrado | ³ ao cubo | − menos | ‰ por mil | º graus"
    ),
    address_signs=pairs(
        ". ponto | - hífen | _ sublinhado | / barra | @ arroba | + mais | : dois pontos | # jogo da velha | "
        "? interrogação | = igual | & e | % por cento | ~ til | ! exclamação | ' apóstrofo | * asterisco"
    ),
    keys={"*": "asterisco", "#": "jogo da velha"},
    number_sign="número",
    halves={"f": "meia ", "m": "meio "},
    letter_upper="maiúscula",
    often=words("por ao à diário cada"),
    hashtag="hashtag",
    currencies=currencies("""
₹|INR rupia rupias - - f -
₽|RUB rublo rublos copeque copeques m m
₺|TRY lira_turca liras_turcas - - f -
₩|KRW won wons - - m -
₿|BTC bitcoin bitcoins - - m -
¢ centavo centavos - - m -
AOA|Kz kwanza kwanzas cêntimo cêntimos m m
R$|BRL|reais real reais centavo centavos m m
€|EUR|euro|euros euro euros cêntimo cêntimos m m
$|USD|US$|dólar|dólares dólar dólares centavo centavos m m
£|GBP libra libras penny pence f m
CHF franco_suíço francos_suíços cêntimo cêntimos m m
¥|JPY iene ienes - - m -
"""),
    home="R$",
    and_cents=" e ",
    units=units("""
mmHg milímetro_de_mercúrio milímetros_de_mercúrio m
km quilômetro quilômetros m
m metro metros m
cm centímetro centímetros m
mm milímetro milímetros m
kg quilograma quilogramas m
g grama gramas m
mg miligrama miligramas m
t tonelada toneladas f
l|L litro litros m
ml|mL mililitro mililitros m
km/h quilômetro_por_hora quilômetros_por_hora m
h hora horas f
min minuto minutos m
s|seg segundo segundos m
° grau graus m
°C|℃ grau_Celsius graus_Celsius m
°F|℉ grau_Fahrenheit graus_Fahrenheit m
W watt watts m
kW quilowatt quilowatts m
kWh quilowatt-hora quilowatts-hora m
V volt volts m
MHz mega-hertz mega-hertz m
GHz giga-hertz giga-hertz m
MB megabyte megabytes m
GB gigabyte gigabytes m
m² metro_quadrado metros_quadrados m
km² quilômetro_quadrado quilômetros_quadrados m
m³ metro_cúbico metros_cúbicos m
ha hectare hectares m
x vez vezes f
"""),
    per_units=pairs(
        "h hora | hora hora | dia dia | semana semana | mês mês | mes mês | ano ano | pessoa pessoa | noite noite | "
        "kg quilograma | m² metro quadrado | km quilômetro | l litro | kWh quilowatt-hora | min minuto | s segundo"
    ),
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "seg segunda-feira | ter terça-feira | qua quarta-feira | qui quinta-feira | sex sexta-feira | sáb sábado | "
        "sab sábado | dom domingo"
    ),
    month_first=False,
    date=_date,
    day=_day,
    day_month_joiner=" de ",
    clock=_clock,
    hours_by_letter=True,
    hour_marks="h",
    clock_words=words("horas"),
    abbreviations=pairs(
        "cel celular | val validade | séc século | ref referência | máx máximo | mín mínimo | "
        "24/7 vinte e quatro horas por dia, sete dias por semana | "
        "24h/24 vinte e quatro horas por dia | covid-19 covid dezenove | "
        "2ª-feira segunda-feira | 3ª-feira terça-feira | 4ª-feira quarta-feira | 5ª-feira quinta-feira | "
        "6ª-feira sexta-feira | "
        "v.exa Vossa Excelência | exmo excelentíssimo | exma excelentíssima | "
        "p.ex por exemplo | ex exemplo | etc et cetera | aprox aproximadamente | tel telefone | av avenida | r rua | "
        "pça praça | apto apartamento | ltda limitada | incl incluído | desc desconto | "
        "s.a S A | cia companhia | obs observação | vc você | "
        "e/ou e ou"
    ),
    needs_stop=words("cel val ref máx mín ex tel av r obs"),
    never_last=words("cel val séc ref exmo exma v.exa máx mín p.ex ex aprox av r pça"),
    titles=pairs(
        "sr senhor | sra senhora | srta senhorita | dr doutor | dra doutora | prof professor | profa professora | "
        "d dom | eng engenheiro"
    ),
    always_titles=words("sr sra srta dr dra"),
    before_numbers=pairs(
        "n.º número | nº número | n° número | núm número | pág página | págs páginas | pp páginas | p página | "
        "art artigo | cap capítulo | "
        "vol volume | tel telefone | ramal ramal | v versão | fig figura | apto apartamento"
    ),
    capitals=words(
        "a agora ao as até com como da das de do dos e é ela ele em essa este eu foi há hoje já mais mas me meu "
        "muito na "
        "não no nos nossa nosso o os ou para pela pelo por qual que quem se sem seu sim só sua também te tem um "
        "uma vai "
        "você obrigado pare"
    ),
    spoken_acronyms=words("OTAN ONU NASA PIN SIM UNESCO AIDS CEP PIX SUS IBAN SEDEX IVA") - words("SUS"),
    roman_after=words("capítulo parte ato volume tomo fase século título nível"),
    code_words=words(
        "código códigos pin senha quarto voo reserva pedido conta cartão referência protocolo contrato apólice série "
        "bilhete confirmação cep cpf cnpj nif ramal sala cliente rastreamento iban placa fatura portão"
    ),
    weak_code_words=words("número nº n° linha ordem caixa"),
    phone_words=words("telefone tel cel ligue ligar ligue-nos disque celular telemóvel fax número whatsapp"),
    link_words=words("é são número nº n° # : o a os as seu sua meu minha do da de e ou - – ="),
    phone_links=words("para ao nos no agora pelo por favor"),
    year_words=words("em de desde até ano anos do no verão inverno outono primavera após antes"),
    counted_stops=words(
        "é são era e ou a para se quando por de desde em com mas então porque que será tem eu você o um uma hoje "
        "amanhã "
        "agora não ao à do"
    ),
    score_words=words(
        "ganhou ganharam ganha ganhamos perdeu perderam perde venceu venceram vence placar resultado empate empataram "
        "vitória derrota"
    ),
    score_to="a",
    grade_words=words("nota avaliação pontuação classificação"),
    grade_nouns=words("estrelas pontos"),
    pressure_words=words("pressão arterial tensão"),
    over="por",
    ledger_words=words("saldo resultado lucro balanço líquido"),
    ending_in="com final",
    endings=words_of("cartão final | final em | termina em | terminado em | terminada em | terminam em | com final"),
    roman_ordinals_to=10,
    roman_names=words("luís afonso manuel paulo pedro joão dom pio"),
    expiry_words=words("val validade válido válida vence vencimento expira até"),
    year_joiner="de",
    version_words=words("versão v android ios windows python"),
    press_words=words("pressione pressionar digite tecle tecla teclas disque aperte ou e depois"),
    date_words=words("em no dia até desde segunda-feira terça-feira quarta-feira quinta-feira sexta-feira data"),
    extension="ramal",
    area_groups=(2, 5, 4),
)


def _respelled(text: str) -> str:
    return text.replace("quilômetro", "quilómetro")


def _european_clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    words = BRAZILIAN.clock(hours, minutes, seconds, half)
    for brazilian, own in _EUROPEAN.items():
        words = words.replace(brazilian, own)
    return words


EUROPEAN = dataclasses.replace(
    BRAZILIAN,
    code="pt-PT",
    home="€",
    cardinal=_european,
    year=_european,
    clock=_european_clock,
    keys={"*": "asterisco", "#": "cardinal"},
    symbols={**BRAZILIAN.symbols, "#": "cardinal", "_": "traço inferior"},
    address_signs={**BRAZILIAN.address_signs, "#": "cardinal", "_": "traço inferior", "-": "hífen"},
    units={
        form: unit._replace(one=_respelled(unit.one), many=_respelled(unit.many))
        for form, unit in BRAZILIAN.units.items()
    },
    abbreviations={**BRAZILIAN.abbreviations, "covid-19": "covid dezanove"},
    extension="extensão",
    area_groups=(3, 3, 3),
    zero_begins_phone=False,
)
