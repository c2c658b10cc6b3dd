"""What is to be typed as it stands: passwords, with their capitals and signs. Pure."""

from __future__ import annotations

from bridge.text.spoken.codes import letters, spelled
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.language import Language

SECRETS = frozenset("password passcode passphrase passwort kennwort contraseña passe password senha wachtwoord".split())
"""Words for what is spelled with all its signs."""
_STARTS = "*#$€£"


def password(c: Cursor) -> Reading | None:
    """Read a password sign by sign, such as `aB3x!` after "your password is"."""
    core, part, language = c.core(), c.part(), c.language
    if core[:1] in _STARTS or not any(map(str.isdecimal, core)) or not _is_secret(c):
        return None
    goes_on = c.core(1)[:1].islower() or part.trail[1:]
    written = core + part.trail.rstrip(".,;:?)\"'”’" if goes_on else ".,;:?)\"'”’!")
    return Reading(1, _words(written, language), trail=part.trail[len(written) - len(core) :])


def _words(text: str, language: Language) -> str:
    """Its signs one by one, the capitals told apart if there are small letters too; words in it stay words if not."""
    if not any(map(str.isupper, text)) or not any(map(str.islower, text)):
        return spelled(text, language)
    words = []
    for sign in text:
        if sign.isdecimal():
            words.append(language.digits[int(sign)])
        elif sign.isalpha():
            words.append(
                f"{language.letter_upper} {letters(sign, language)}" if sign.isupper() else letters(sign, language)
            )
        else:
            words.append(language.address_signs.get(sign) or language.symbols.get(sign, ""))
    return " ".join(filter(None, words))


def _is_secret(c: Cursor) -> bool:
    """Whether a word before says that this is to be typed as it stands: "your password is"."""
    for word in c.before(4):
        if word.rstrip(":") in SECRETS:
            return True
        if word not in c.language.link_words:
            return False
    return False
