"""What models write beside what they mean to say, as patterns: tags, tokens, tool calls, stage directions, marks. Pure.

Every pattern is bounded, and each has a partner ending in `_BEGUN` that says whether more text could still make it
match.
"""

from __future__ import annotations

import re

LONGEST_BRACKET = 202
"""Characters of the longest thing in brackets that is looked for, and its brackets."""
LONGEST_THOUGHT = 1500
"""Characters within which a thought in brackets must be closed: nobody waits longer for what may be an answer."""
LONGEST_CLOSER = 80
"""Characters of the longest sign that ends something unspoken."""

THOUGHTS = frozenset(
    "think thinking thought thoughts reasoning reflection scratchpad analysis internal inner_monologue monologue plan "
    "critique".split()
)
"""Tags around what a model tells itself."""
_THOUGHT = re.compile(r"(?:.*[_-])?(?:think|thought|reason|reflect|deliberat|monologue|scratchpad|cot\b).*")
"""The relatives of those tags: `inner_thoughts`, `chain_of_thought`."""
CALLS = frozenset(
    "tool_call tool_calls function_call function_calls function invoke tool tool_use tool_code tool_response "
    "tool_result function_results parameter script style".split()
)
"""Tags around calls of tools that were written as text, and around code of a page."""
PARTING = frozenset("br p li h1 h2 h3 h4 h5 h6 td tr div ul ol hr".split())
"""Tags of pages that part words."""
DIRECTIONS = frozenset(
    "laughs laugh laughing laughter chuckles chuckle chuckling giggles giggling sighs sigh sighing smiles smiling "
    "grins grinning nods nodding pauses pause pausing clears coughs coughing sniffs gasps gasping whispers "
    "whispering winks shrugs inhales exhales breathes hums humming yawns sobs crying typing softly cheerfully "
    "excitedly warmly gently applause inaudible".split()
)
"""First words of stage directions."""

BULLET = re.compile(r"(?:[-+*•‣◦]|#{1,6}|>{1,6})[ \t](?:\[[ xX]\][ \t])?")
BULLET_BEGUN = re.compile(r"(?:[-+*•‣◦]|#{1,6}|>{1,6})(?:[ \t](?:\[(?:[ xX]\]?)?)?)?\Z")
NUMBERED = re.compile(r"\d{1,2}[.)](?=[ \t])")
NUMBERED_BEGUN = re.compile(r"\d{1,2}[.)]?\Z")
FENCE = re.compile(r"(?:```|~~~)[^\n]{0,60}\n")
FENCE_BEGUN = re.compile(r"(?:`{1,2}|~{1,2}|(?:```|~~~)[^\n]{0,60})\Z")
OBJECT = re.compile(r"\{\s{0,4}[\"']|\[\s{0,4}\{\s{0,4}[\"']")
OBJECT_BEGUN = re.compile(r"\[?\s{0,4}\{\s{0,4}\Z|\[\s{0,4}\Z")
"""A tool call as bare JSON, or several in a list."""

LINK = re.compile(r"\[([^\]\n]{0,200}+)\]\([^)\n]{0,300}\)")
LINK_BEGUN = re.compile(r"\[[^\]\n]{0,200}+(?:\](?:\([^)\n]{0,300})?)?\Z")
_TARGET = r"\[([^\]\n]{0,200}+)\]\([^()\n]{0,200}+\([^()\s]{0,100}"
NESTED_LINK = re.compile(rf"{_TARGET}\)[^()\s]{{0,100}}\)")
NESTED_LINK_BEGUN = re.compile(rf"{_TARGET}(?:\)[^()\s]{{0,100}})?\Z")
"""A link to an address with a pair of brackets in it: `https://example.com/a_(b)`."""
CITATION = re.compile(
    r"\[(?!0\])(?:\^?\d{1,3}(?:[,–-] ?\d{1,3}){0,5}|\^[\w-]{1,20}|citation:\d{1,3}|source)\]|【[^】\n]{0,60}】"
)
CITATIONS = re.compile(r"(?:\[\d{1,3}\]){2,8}+")
CITATIONS_BEGUN = re.compile(r"(?:\[\d{1,3}\]){1,8}+(?:\[\d{0,3})?\Z")
"""Several marks of sources in a row, of which the first is no key even where it stands apart: `[1][2]`."""
CITATION_BEGUN = re.compile(r"【[^】\n]{0,60}+\Z")
CONTROL = re.compile(r"\[(?:/?INST|/?SYS|TOOL_CALLS|/?THINK|EOS|BOS)\]|<</?SYS>>")
"""Control signs of chat templates in brackets; `LINK_BEGUN` waits for them too."""
ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,6});")
ENTITY_BEGUN = re.compile(r"&(?:[a-zA-Z]{0,8}|#[xX]?[0-9a-fA-F]{0,6})\Z")
DIRECTION = re.compile(r"[*_(\[]([a-zA-Z]{1,12})(?:[ ,][a-z' ,-]{0,60})?([*_)\]])")
DIRECTION_BEGUN = re.compile(r"[*_(\[]([a-zA-Z]{0,12})([ ,][a-z' ,-]{0,60})?\Z")

EMPHASIS = re.compile(r"\*(?=\d)[^*\n]{0,24}[a-zA-Z%][^*\n]{0,24}(?<!\s)\*(?![\w#*])")
EMPHASIS_BEGUN = re.compile(r"\*(?=\d)[^*\n]{0,48}\*?\Z")
"""Words that begin with a digit between stars, rather than the key before digits: `*5 days*`, not `*67`."""
HIDDEN = re.compile(r"\*{2,16}(?:[-. ]\*{2,16}){0,3}[-.]\d{2,6}(?![\d*])|\*{2,3}(?: \*{2,16}){1,3} \d{2,6}(?![\d*])")
HIDDEN_BEGUN = re.compile(r"\*{2,16}(?:[-. ]\*{0,16}){0,4}\d{0,6}\Z")
"""A number of which the last digits are shown: `***-**-6789`."""
HIGHLIGHT = re.compile(r"==(?=[^\s=])([^=\n]{1,80}+)(?<=\S)==(?!=)")
HIGHLIGHT_BEGUN = re.compile(r"=(?:=(?:(?=[^\s=])[^=\n]{1,80}+=?=?)?)?\Z")
EQUALS = re.compile(r"={3,}")
BRACKETED_THOUGHT = re.compile(r"\[([Tt]hink|[Tt]hinking|[Tt]houghts?|[Rr]easoning|[Ss]cratchpad)\]")
LINE_END = re.compile(r"(?=\n)")
COMMENT_END = re.compile(r"-->")
TOKEN = re.compile(
    r"<[|｜](?:im_start|start_header_id|start)[|｜]>(?:assistant|system|user|tool|model)?|<[|｜]([^|｜<>\n]{1,60})[|｜]>"
    r"|</?s>|<(?:bos|eos|pad|unk|end_of_turn|start_of_turn)>"
)
TOKEN_BEGUN = re.compile(r"<(?:[|｜](?:[^|｜<>\n]{0,60}(?:[|｜](?:>[a-z]{0,9})?)?)?)?\Z")
TOKEN_CALL = re.compile(r"python_tag|tool.{0,8}(?:begin|start)|tool_call")
"""Special tokens after which a tool call is written."""
TOKEN_THOUGHT = re.compile(r"(?:begin_of_|start_of_)?(?:think|thought|reason)[a-z]{0,8}(?:_start|_begin)?")
"""Special tokens after which a thought is written."""
TOKEN_THOUGHT_END = re.compile(r"<[|｜](?:end_of_[a-z]{1,12}|/[a-z]{1,12}|[a-z]{1,12}_end)[|｜]>")
TOKEN_CALL_END = re.compile(r"<[|｜][^|｜<>\n]{0,40}(?:end|eom_id|eot_id)[^|｜<>\n]{0,20}[|｜]>")
CHANNEL = re.compile(r"<\|channel\|>(?:(analysis|commentary)|final)(?:[^<\n]{0,40}<\|message\|>)?")
"""The channels of some open-weight models: only the last one is meant for the listener."""
CHANNEL_BEGUN = re.compile(r"<\|channel\|>[^<\n]{0,48}(?:<(?:\|[a-z]{0,7}\|?)?)?\Z")
CHANNEL_END = re.compile(r"<\|channel\|>final<\|message\|>")
POINTED = re.compile(r"◁(/?)([a-z_]{1,20})()()▷")
POINTED_BEGUN = re.compile(r"◁/?[a-z_]{0,20}\Z")
"""Tags between triangles, as some models write them around their thoughts; the groups are those of `TAG`."""
ADDRESS = re.compile(r"<((?:mailto:)?[^\s<>@]{1,64}@[^\s<>@]{1,255}|https?://[^\s<>]{1,300})>")
ADDRESS_BEGUN = re.compile(r"<(?:[^\s<>@]{1,64}(?:@[^\s<>@]{0,255})?|https?:/?/?[^\s<>]{0,300})\Z")
TAG = re.compile(r"<(/?)([a-zA-Z][\w:.-]{0,30})((?:[=\s][^<>\n]{0,200})?)(/?)>")
TAG_BEGUN = re.compile(r"</?(?:[a-zA-Z][\w:.-]{0,30}(?:[=\s][^<>\n]{0,200})?/?)?\Z")
COMMENT_BEGUN = re.compile(r"<(?:!-{0,2})?\Z")
SYSTEM_BEGUN = re.compile(r"<(?:<(?:/?S?Y?S?>?)?)?\Z")


ANGLE_BEGUN = (COMMENT_BEGUN, CHANNEL_BEGUN, TOKEN_BEGUN, SYSTEM_BEGUN, ADDRESS_BEGUN, TAG_BEGUN, POINTED_BEGUN)


def is_unspoken(name: str) -> bool:
    """Whether what stands within a tag of this name in lower case is nobody's to hear."""
    return name in THOUGHTS or name in CALLS or _THOUGHT.fullmatch(name) is not None


def closer(name: str) -> re.Pattern[str]:
    """What ends the text inside a tag of this name."""
    return re.compile(rf"[<◁]/{re.escape(name)}\s{{0,4}}[>▷]", re.IGNORECASE)


def is_said(sign: str, length: int, *, before: str, following: str) -> bool:
    """Whether a run of `*`, `_`, `~`, `-` or a back tick is a sign that is read, and no emphasis, rule or code.

    `before` and `following` are the characters that touch it; empty where none does, or white space.
    """
    joined_after = bool(following) and not following.isspace()
    match sign:
        case "-":
            return length < 3
        case "~":
            return length == 1
        case "_":
            return bool(before) and before.isalnum() and joined_after and following.isalnum()
        case "*" if length == 1 and before:
            quoted = before in "'\"([„“‘«" and following in "'\")]”’»" and joined_after
            return quoted or (before.isdigit() and following.isdigit())
        case "*" if length == 1:
            # "press *", "dial *67" and "3 * 4" mean the sign; next to a letter it is emphasis.
            return not joined_after or following in ".,;:!?#-/)" or following.isdigit()
        case "*":
            # "**** 4242" is a hidden number.
            return length >= 4 and not before and (not joined_after or following.isdigit())
    return False
