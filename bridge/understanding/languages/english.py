"""English, as callers say it and as recognisers write it, their mistakes included."""

from __future__ import annotations

from bridge.text.spoken.english import AMERICAN, BRITISH
from bridge.text.spoken.language import Language
from bridge.understanding.lexicon import Lexicon, phrases, table

_NATO = """a: alpha alfa, b: bravo, c: charlie, d: delta, e: echo, f: foxtrot, g: golf, h: hotel, i: india,
j: juliet juliett juliette, k: kilo, l: lima, m: mike, n: november, o: oscar, p: papa, q: quebec, r: romeo, s: sierra,
t: tango, u: uniform, v: victor, w: whiskey whisky, x: xray, y: yankee, z: zulu"""
_OLD_ALPHABET = """a: able, b: baker, d: dog, e: easy, f: fox, h: how, j: jig, l: love, n: nan, o: oboe, q: queen,
s: sugar, t: tare, u: uncle, z: zebra"""


def _english(spoken: Language) -> Lexicon:
    return Lexicon(
        spoken=spoken,
        # ---- agreement
        yes=phrases(
            "yes, yeah, yep, yup, yah, ya, yea, yes please, sure, sure thing, correct, exactly, absolutely,"
            "definitely,"
            "certainly, affirmative, of course, please do, go ahead, that is it, that is right, that is correct,"
            "sounds good, sounds great, sounds right, uh huh, mm hmm, mhm, mmhmm, aye, you bet, you got it, indeed,"
            "by all means, i do, i did, i am, i have, i would, i will, it is, they are, totally, for sure, yessir,"
            "that would be great, that would be fine, that would be good, that would be lovely, i would love to,"
            "i would like to, i would like that, let us do it, let us do that, do it, roger, true, no problem,"
            "no worries, not a problem, no objections, no objection, why not, works for me, that works, not wrong,"
            "you are right, you are correct, spot on, you have got it, not bad, could not be better,"
            "it is not wrong, that is not wrong, i guess so, i think so,"
            "i suppose so, i believe so, i hope so, i can, he is, she is, we are, we do"
        ),
        weak_yes=phrases(
            "right, ok, okay, okey, fine, good, great, perfect, lovely, wonderful, alright, all right, cool, awesome,"
            "please, excellent, brilliant"
        ),
        no=phrases(
            "no, nope, nah, naw, negative, wrong, incorrect, never, not, no thank you, no thanks, uh uh, nuh uh,"
            "no way,"
            "not really, not at all, not now, not yet, not today, not quite, not exactly, not right, not correct,"
            "no sir,"
            "of course not, certainly not, definitely not, absolutely not, please do not, do not, i do not, i am not,"
            "it is not, i did not, i have not, i would not, i would rather not, false, not that i know of, nay, none,"
            "i am good, i am fine, i am all set, not necessary, i do not think so, i do not believe so, hell no,"
            "that is not it, that is wrong, not interested, by no means, under no circumstances, far from it"
        ),
        neither=phrases(
            "not know, not sure, not certain, not quite sure, no idea, not understand, not hear, not catch,"
            "not a clue, no clue, not remember, not really sure, not really know, yes and no, yes or no,"
            "yes or a no, maybe,"
            "perhaps, possibly, it depends, depends, not entirely sure, not follow, not get that, not get it,"
            "not decided,"
            "not decide, not made up my mind, i have to think, right now, right away, right back, say no more,"
            "right there,"
            "no matter, a good question, i have a question, not a yes, not a no, do i have, do you have, i have no,"
            "i am not saying yes, i am not saying no, never mind, good morning, good afternoon, good evening, hold on"
        ),
        negations=frozenset({"not", "never", "hardly"}),
        misheard={"know": "no", "now": "no", "nose": "no", "knope": "no", "yas": "yes", "yess": "yes", "yet": "yes",
                  "yesh": "yes", "guess": "yes", "ja": "yes"},
        # ---- corrections and fillers
        fillers=frozenset("um uh er erm ah hmm mm well so like and then please okay ok right".split()),
        corrections=phrases(
            "no wait, wait no, oh wait, wait a minute, hang on, hold on, i meant, i mean, sorry i meant,"
            "sorry i mean,"
            "sorry no, no sorry, no i meant, no i mean, no i said, actually no, no actually, no actually it is,"
            "correction,"
            "make that, sorry make that, no make that, or rather, let me correct that, i take that back, no it is,"
            "that should be, it should be, no not, oh sorry, oh no, excuse me i meant, my mistake, my bad,"
            "i misspoke,"
            "wait sorry, sorry wait, no wait a minute, no wait sorry, oops, whoops, wait make that,"
            "actually make that"
        ),
        weak_corrections=phrases("no, sorry, actually, wait, rather, pardon, nope, pardon me, excuse me"),
        restarts=phrases(
            "scratch that, strike that, start over, let me start over, let me start again, start again, forget that,"
            "forget it, ignore that, from the beginning, let me try again, let me try that again, that's wrong,"
            "that's not right, no that's wrong, no scratch that, i will start over, delete that,"
            "let me say that again, let me repeat that, let me redo that, let us start over, cancel that,"
            "disregard that"
        ),
        # ---- numbers
        more_digits=table("0: zero nought naught zeros, 5: fife, 9: niner"),
        unsure_digits=table("0: oh o owe, 2: to too, 4: for fore, 8: ate, 1: won, 3: tree"),
        hundred=frozenset({"hundred", "hundreds"}),
        thousand=frozenset({"thousand", "thousands", "grand", "k"}),
        million=frozenset({"million", "millions"}),
        joiners=frozenset({"and"}),
        repeats={"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
        points=frozenset({"point", "dot", "decimal"}),
        minus=frozenset({"minus", "negative"}),
        not_numbers=phrases(
            "that one, this one, the one, which one, another one, no one, any one, one moment, one second,"
            "one sec, one of,"
            "one more, every one, one minute, new one, wrong one, right one, first one, second one, last one,"
            "other one,"
            "one day, one time, some one, one thing, one another, one way"
        ),
        halves={("and", "a", "half"): 0.5, ("and", "a", "quarter"): 0.25, ("and", "three", "quarters"): 0.75,
                ("and", "one", "half"): 0.5, ("and", "a", "third"): 1 / 3},
        amounts={("a", "dozen"): 12, ("one", "dozen"): 12, ("two", "dozen"): 24, ("half", "a", "dozen"): 6,
            ("none",): 0,
                 ("a", "couple"): 2, ("a", "pair"): 2, ("no", "one"): 0, ("nobody",): 0, ("just", "me"): 1,
                 ("a", "single"): 1, ("both", "of", "us"): 2, ("the", "two", "of", "us"): 2, ("nothing",): 0},
        links=frozenset(
            "the area code is number then and it by followed after that my next rest comes digits digit last "
            "first four "
            "three prefix country space dash hyphen slash with thats that's it's its okay ok got a in pause you "
            "have so "
            "here goes starts begins ends".split()
        ),
        extension=frozenset({"extension", "ext", "extention", "x", "ex"}),
        money=table(
            "USD: dollar dollars buck bucks usd, EUR: euro euros eur, GBP: pound pounds quid sterling gbp,"
            "cent: cent cents penny pennies pence p"
        ),
        # ---- letters
        letters=table(_NATO)
        | table(
            "a: ay ayy, b: bee, c: cee, d: dee, e: ee, f: eff ef, g: gee, h: aitch haitch, j: jay, k: kay, l: el ell,"
            "m: em, o: ohh, p: pee, q: cue, s: ess, t: tee, v: vee, w: dub dubya, x: ex, y: wye, z: zee zed"
        ),
        unsure_letters=table(_OLD_ALPHABET)
        | table(
            "a: a eh hey, b: be, c: see sea, e: he, g: jee, h: age, i: i eye aye, k: okay cay, n: en an and in,"
            "o: oh owe,"
            "p: pea, q: queue, r: are ar our, t: tea, u: you ewe u, v: we, y: why, s: as, m: am, l: elle, z: said"
        ),
        letter_phrases={
            ("double", "u"): "w", ("double", "you"): "w", ("x", "ray"): "x", ("ex", "ray"): "x", ("double", "ewe"): "w"
        },
        as_in=phrases("as in, for, like, as, like in, is for, is in, from, is as in, as for, like the word"),
        signs={
            ("dot",): ".", ("point",): ".", ("period",): ".", ("full", "stop"): ".", ("underscore",): "_",
            ("under", "score"): "_", ("dash",): "-", ("hyphen",): "-", ("minus",): "-", ("minus", "sign"): "-",
            ("plus",): "+", ("plus", "sign"): "+", ("apostrophe",): "'", ("slash",): "/",
        },
        passed_over=frozenset(
            "capital uppercase lowercase letter upper lower case with then big small and um uh er comma next "
            "again".split()
        ),
        # ---- dates and times
        weekdays={"monday": 0, "tuesday": 1, "wednesday": 2, "thursday": 3, "friday": 4, "saturday": 5, "sunday": 6},
        days={("today",): 0, ("tomorrow",): 1, ("the", "day", "after", "tomorrow"): 2, ("day", "after", "tomorrow"): 2,
              ("yesterday",): -1, ("the", "day", "before", "yesterday"): -2, ("tonight",): 0,
              ("a", "week", "from", "today"): 7,
              ("next", "week"): 7, ("a", "week", "from", "now"): 7, ("in", "a", "week"): 7, ("tomorrow", "week"): 8},
        next_words=frozenset({"next"}),
        spans={"day": 1, "days": 1, "week": 7, "weeks": 7, "fortnight": 14},
        span_before=phrases("in"),
        span_after=phrases("from now, from today, later"),
        clock={("noon",): (12, 0), ("midday",): (12, 0), ("midnight",): (0, 0), ("lunchtime",): (12, 0)},
        past=phrases("past, after, minutes past, minutes after"),
        to=phrases("to, till, until, before, of, minutes to, minutes before, minutes till"),
        quarter=frozenset({"quarter"}),
        half=frozenset({"half"}),
        after_hour=frozenset({"o'clock", "oclock", "sharp", "hours"}),
        morning=phrases("am, a m, a . m, in the morning, this morning, morning, tomorrow morning, before noon"),
        afternoon=phrases(
            "pm, p m, p . m, in the afternoon, in the evening, at night, tonight, this afternoon, this evening,"
            "afternoon, evening, after lunch, after work"
        ),
        # ---- names
        name_leads=phrases(
            "my name is, name is, my full name is, the name is, this is, i am, it is, that is, call me,"
            "you can call me,"
            "they call me, speaking with, you are speaking with, my name's, i'm, it's, this is just, the name's,"
            "name's,"
            "my first name is, my last name is, my surname is, under the name, under, for, my names, it would be,"
            "it should be under, the last name is, the first name is, last name is, first name is, surname is,"
            "first name, last name, family name, should be under, the booking is under, it's under, it is under,"
            "put it under, everyone calls me, mine is"
        ),
        name_parts=phrases("first name, last name, surname, family name, given name, middle name"),
        no_names=frozenset(
            "i you he she we they it do does did not don't doesn't didn't can't cannot won't want to what why "
            "when where who "
            "how which the a an my your his her our their is am are was were be been have has had would could "
            "should shall "
            "can may might must if or but because so that this these those there here of in on at for with "
            "without from about "
            "into out off over under up down no yes yeah nope please thanks thank sorry hello hi hey goodbye bye "
            "okay ok "
            "um uh well just only really very much many some any all none nothing something anything someone anyone "
            "need like know think say said tell told give get got going go come call calling called speak "
            "speaking talk "
            "help repeat again later now today tomorrow already still also too and name names phone number email "
            "address "
            "appointment account order question problem person human agent representative one two three four five "
            "six "
            "seven eight nine ten wait moment minute hold sure right wrong correct maybe spell spelled spelling "
            "letters "
            "letter rather private business never mind".split()
        ),
        ordinals={
            ("first",): 1, ("second",): 2, ("third",): 3, ("fourth",): 4, ("fifth",): 5, ("sixth",): 6, ("last",): -1,
            ("former",): 1, ("latter",): -1, ("final",): -1,
        },
        numbered=frozenset({"number", "option", "choice", "answer", "item", "press", "letter"}),
    )  # fmt: skip


ENGLISH_US, ENGLISH_GB = _english(AMERICAN), _english(BRITISH)
