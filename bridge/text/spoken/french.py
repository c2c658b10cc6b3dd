"""French as spoken in France."""

from __future__ import annotations

import functools

from bridge.text.spoken.language import Gender, Language
from bridge.text.spoken.tables import currencies, months, pairs, scales, units, words, words_of

_SMALL = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
).split()
_TENS = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante"}
_MONTHS, _MONTH_NUMBERS = months(
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janv|jan févr|fév mars avr mai juin juil aoû sept oct nov déc",
)


def _under_hundred(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    if tens in (7, 9):
        tens, ones = tens - 1, ones + 10
    if tens == 8:
        return f"quatre-vingt-{_SMALL[ones]}" if ones else "quatre-vingts"
    if ones in (1, 11):
        return f"{_TENS[tens]} et {_SMALL[ones]}"
    return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else _TENS[tens]


def _under_thousand(number: int, last: bool = True) -> str:
    hundreds, rest = divmod(number, 100)
    parts = []
    if hundreds > 1:
        parts.append(f"{_SMALL[hundreds]} cent{'s' if not rest and last else ''}")
    elif hundreds:
        parts.append("cent")
    if rest:
        word = _under_hundred(rest)
        parts.append(word if last else word.replace("vingts", "vingt"))
    return " ".join(parts)


@functools.lru_cache(maxsize=16_384)
def _cardinal(number: int, gender: Gender = "") -> str:
    if number == 0:
        return "zéro"
    parts = []
    for power, one, many in ((12, "billion", "billions"), (9, "milliard", "milliards"), (6, "million", "millions")):
        count = number // 10**power % 1000
        if count:
            parts.append(f"{_under_thousand(count)} {one if count == 1 else many}")
    thousands, rest = number // 1000 % 1000, number % 1000
    if thousands:
        parts.append("mille" if thousands == 1 else f"{_under_thousand(thousands, last=False)} mille")
    if rest:
        parts.append(_under_thousand(rest))
    said = " ".join(parts)
    return said + "e" if gender == "f" and rest % 10 == 1 and said.endswith("un") else said


def _ordinal(number: int, gender: Gender = "") -> str:
    if number == 1:
        return "première" if gender == "f" else "premier"
    said = _cardinal(number)
    said = said.removesuffix("s") if said.endswith(("cents", "vingts")) else said
    if said.endswith("cinq"):
        return said + "uième"
    if said.endswith("neuf"):
        return said[:-1] + "vième"
    return (said[:-1] if said.endswith("e") else said) + "ième"


def _fraction(numerator: int, denominator: int) -> str:
    parts = {2: "demi", 3: "tiers", 4: "quart"}
    part = parts.get(denominator) or _ordinal(denominator)
    return f"{_cardinal(numerator)} {part}{'' if numerator == 1 or part.endswith('s') else 's'}"


def _clock(hours: int, minutes: int, seconds: int | None, half: str) -> str:
    said = (
        "minuit"
        if hours == 0 and not minutes and not half
        else f"{_cardinal(hours, 'f')} heure{'s' if hours > 1 else ''}"
    )
    if minutes:
        said += f" {_cardinal(minutes)}"
    if seconds is not None:
        said += f" et {_cardinal(seconds, 'f')} seconde{'' if seconds == 1 else 's'}"
    return said + {"am": " du matin", "pm": " de l'après-midi" if hours < 6 or hours == 12 else " du soir"}.get(
        half, ""
    )


def _day(day: int) -> str:
    return "premier" if day == 1 else _cardinal(day)


def _date(day: int, month: int, year: int | None) -> str:
    said = f"{_day(day)} {_MONTHS[month - 1]}"
    return said if year is None else f"{said} {_cardinal(year)}"


_FEMININE = (
    "ion", "ée", "té", "ette", "nne", "ure", "chambre", "nuit", "heure", "minute", "seconde", "semaine", "carte",
    "commande", "fois", "page", "place", "pièce", "table", "adresse", "ligne", "voie", "porte", "touche", "lettre",
    "réponse", "offre", "remise", "demande", "personne", "date", "boîte", "ville", "rue", "valise", "tasse",
    "bouteille", "lampe", "salle", "classe", "étape", "douzaine", "vingtaine", "centaine", "dizaine", "aine",
)  # fmt: skip


def _noun_gender(noun: str) -> Gender:
    return "f" if noun.removesuffix("s").endswith(_FEMININE) or noun == "fois" else "m"


FRENCH = Language(
    code="fr-FR",
    cardinal=_cardinal,
    ordinal=_ordinal,
    year=_cardinal,
    digits=tuple(_SMALL[:10]),
    decimal_mark=",",
    group_marks=" .'’",
    point="virgule",
    decimals_as_number=True,
    fraction=_fraction,
    half_after_whole="et",
    noun_gender=_noun_gender,
    ordinal_marks=("ère", "re", "er", "ème", "e"),
    scales=scales("""
mille|k mille mille
million|millions|M million millions
milliard|milliards|Md|Mds milliard milliards
"""),
    scale_joins_noun="de",
    plain_scales=words("mille"),
    minus="moins",
    plus="plus",
    percent="pour cent",
    plus_or_minus="plus ou moins",
    times="fois",
    divided_by="divisé par",
    by="par",
    equals="égale",
    range_to="à",
    ratio_to="à",
    per="par",
    out_of="sur",
    symbols=pairs(
        "& et | @ arobase | % pour cent | ° degrés | § paragraphe | © copyright | ® déposé | ± plus ou moins | × "
        "fois | "
        "÷ divisé par | = égale | < inférieur à | > supérieur à | + plus | ~ environ | / barre oblique | "
        "\\ barre inverse | _ tiret bas | ^ puissance | * étoile | # dièse | → à | € euros | $ dollars | £ livres | "
        "½ un demi | ¼ un quart | ¾ trois quarts | ² au carré | ³ au cube | − moins | ‰ pour mille | º degrés"
    ),
    address_signs=pairs(
        ". point | - tiret | _ tiret bas | / barre oblique | @ arobase | + plus | : deux points | # dièse | "
        "? point d'interrogation | = égale | & et | % pour cent | ~ tilde | ! point d'exclamation | ' apostrophe | "
        "* étoile"
    ),
    keys={"*": "étoile", "#": "dièse"},
    number_sign="numéro",
    halves={"f": "une demi-", "m": "un demi-"},
    letter_upper="majuscule",
    often=words("par quotidiennement chaque"),
    hashtag="hashtag",
    currencies=currencies("""
₹|INR roupie roupies - - f -
₽|RUB rouble roubles kopeck kopecks m m
₺|TRY livre_turque livres_turques - - f -
₩|KRW won wons - - m -
₿|BTC bitcoin bitcoins - - m -
¢ cent cents - - m -
XOF|FCFA|XAF franc_CFA francs_CFA - - m -
MAD dirham dirhams centime centimes m m
€|EUR|euro|euros euro euros centime centimes m m
$|USD|US$|$US|dollar|dollars dollar dollars cent cents m m
£|GBP livre livres penny pence f m
CHF franc_suisse francs_suisses centime centimes m m
CAD|C$|$CA|$CAN|$CAD|CA$ dollar_canadien dollars_canadiens cent cents m m
¥|JPY yen yens - - m -
"""),
    and_cents=" et ",
    units=units("""
mmHg millimètre_de_mercure millimètres_de_mercure m
km kilomètre kilomètres m
m mètre mètres m
cm centimètre centimètres m
mm millimètre millimètres m
kg kilogramme kilogrammes m
g gramme grammes m
mg milligramme milligrammes m
t tonne tonnes f
l|L litre litres m
ml|mL millilitre millilitres m
km/h kilomètre_par_heure kilomètres_par_heure m
h heure heures f
min|mn minute minutes f
s|sec seconde secondes f
° degré degrés m
°C|℃ degré_Celsius degrés_Celsius m
°F|℉ degré_Fahrenheit degrés_Fahrenheit m
W watt watts m
kW kilowatt kilowatts m
kWh kilowatt_heure kilowatts_heure m
V volt volts m
MHz mégahertz mégahertz m
GHz gigahertz gigahertz m
Mo mégaoctet mégaoctets m
Go gigaoctet gigaoctets m
m² mètre_carré mètres_carrés m
km² kilomètre_carré kilomètres_carrés m
m³ mètre_cube mètres_cubes m
ha hectare hectares m
x fois fois f
"""),
    per_units=pairs(
        "h heure | heure heure | jour jour | j jour | semaine semaine | mois mois | an an | personne personne | "
        "nuit nuit | "
        "pers personne | kg kilogramme | m² mètre carré | km kilomètre | l litre | L litre | kWh kilowatt heure | "
        "min minute | s seconde"
    ),
    months=_MONTHS,
    month_abbreviations=_MONTH_NUMBERS,
    weekday_abbreviations=pairs(
        "lun lundi | mar mardi | mer mercredi | jeu jeudi | ven vendredi | sam samedi | dim dimanche"
    ),
    month_first=False,
    date=_date,
    day=_day,
    clock=_clock,
    hours_by_letter=True,
    hour_marks="h",
    clock_words=words("heures heure"),
    letters={"W": "double V"},
    abbreviations=pairs(
        "24/7 vingt-quatre heures sur vingt-quatre, sept jours sur sept | "
        "24h/24 vingt-quatre heures sur vingt-quatre | "
        "24h/24h vingt-quatre heures sur vingt-quatre | 7j/7 sept jours sur sept | 7/7 sept jours sur sept | "
        "n° numéro | covid-19 covid dix-neuf | p.ex par exemple | ex exemple | etc et cetera | env environ | "
        "tél téléphone | av avenue | bd boulevard | "
        "blvd boulevard | c.-à-d c'est-à-dire | cf voir | svp s'il vous plaît | rdv rendez-vous | "
        "qqch quelque chose | "
        "apt appartement | bât bâtiment | ét étage | st saint | ste sainte | s.a S A | sarl S A R L | ttc T T C | "
        "max maximum | min minimum | et/ou et ou | réf référence | exp expire | al alinéa"
    ),
    needs_stop=words("max min ex env av st ste apt exp al"),
    never_last=words("réf exp al max min bât ét p.ex ex env av bd c.-à-d cf st ste"),
    titles=pairs("m monsieur | mme madame | mlle mademoiselle | mm messieurs | dr docteur | pr professeur | me maître"),
    always_titles=words("mme mlle dr"),
    before_numbers=pairs(
        "n° numéro | nº numéro | no numéro | p page | pp pages | al alinéa | art article | chap chapitre | "
        "vol volume | tél téléphone | "
        "ch chambre | v version | fig figure | poste poste"
    ),
    capitals=words(
        "a au aux avec ce de des du elle en est et eu il ils je la le les ma mais me mes merci moi ne non nos nous "
        "on ou "
        "où oui par pas pour qui sa sans se si son sur ta tous tout très tu un une va vous y urgent stop"
    ),
    spoken_acronyms=words("OTAN ONU NASA PIN SIDA OVNI SIM UNESCO SMIC INSEE CAF FNAC") - words("ONU"),
    roman_after=words("chapitre tome acte partie phase titre louis henri napoléon charles françois"),
    roman_centuries=words("siècle"),
    roman_ordinal_first=True,
    code_words=words(
        "code codes pin chambre vol réservation commande compte carte référence dossier facture contrat police série "
        "billet confirmation postal passe porte client adhérent suivi iban siret siren colis identifiant"
    ),
    weak_code_words=words("numéro n° nº ligne bus"),
    phone_words=words(
        "téléphone tél appelez appeler composez composer rappelez mobile portable fax numéro joindre joignez faites"
    ),
    link_words=words("est sont numéro n° nº # : le la les votre vos mon ma notre de du et ou - – ="),
    phone_links=words("au nous moi à le maintenant s'il vous plaît"),
    year_words=words("en de depuis jusqu'en l'an an année années été hiver automne printemps vers avant après"),
    counted_stops=words(
        "est sont était et ou à pour si quand de depuis en avec mais alors parce qui que sera a ont je vous le la "
        "un une "
        "aujourd'hui demain maintenant ne pas s'il au aux du"
    ),
    score_words=words(
        "gagné gagne gagnent gagner perdu perd perdent battu bat battent score résultat mène "
        "mènent victoire défaite nul"
    ),
    score_to="à",
    grade_words=words("note noté notée noter moyenne acuité eu obtenu score avis"),
    grade_nouns=words("étoiles étoile points"),
    pressure_words=words("tension artérielle"),
    over="sur",
    ledger_words=words("solde résultat bénéfice bilan trésorerie"),
    ending_in="se terminant par",
    endings=words_of("terminant par | termine par | terminent par | finissant par | finit par"),
    expiry_words=words("exp expire expiration expirant valable jusqu'au jusqu'en"),
    elides=True,
    hyphened={"st": "Saint", "ste": "Sainte", "sts": "Saints", "stes": "Saintes"},
    version_words=words("version v android ios windows python"),
    press_words=words("appuyez tapez touche touches sur composez puis ou et faites"),
    date_words=words("le du au dès lundi mardi mercredi jeudi vendredi samedi dimanche date"),
    extension="poste",
    area_groups=(2, 2, 2, 2, 2),
)
