"""What is said for what is written, class by class, in American English where nothing else is said."""

from __future__ import annotations

import pytest

from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language


def said(text: str, code: str = "en-US") -> str:
    return spoken_form(text, language(code)).text


TABLES: dict[str, dict[str, str]] = {
    "signs and spaces in odd places": {
        "Open Mon - Fri, 5 - 7 p.m.": "Open Monday to Friday, five to seven P M.",
        "Add 1/2 cup, then 3 1/2 cups.": "Add one half cup, then three and a half cups.",
        "Louis XIV and the I/O card.": "Louis the fourteenth and the I O card.",
        "We are here 24/7.": "We are here twenty-four seven.",
        "It raised $3M and £1.5bn.": "It raised three million dollars and one point five billion pounds.",
        "It is €5/month, 10%-15% off.": "It is five euros per month, ten to fifteen percent off.",
        "Call +44 20 7946 0958 ext. 12": "Call plus four four, two zero, seven nine "
        "four six, zero nine five eight extension one two",
        "Please call 911 now.": "Please call nine one one now.",
        "Take Rte 66 to exit A1.": "Take Route sixty-six to exit A one.",
        "On 3rd St. please.": "On third Street please.",
        "Dr. Smith lives on Smith Dr.": "Doctor Smith lives on Smith Drive.",
        "Install v2.10.3 today.": "Install version two point ten point three today.",
        "You are #42 in line.": "You are number forty-two in line.",
        "Ask @anna for help.": "Ask at anna for help.",
        "Open C:\\temp first.": "Open C colon backslash temp first.",
        "The odds are 3:1.": "The odds are three to one.",
        "Go to 7-Eleven.": "Go to seven Eleven.",
        "Drink H2O.": "Drink H two O.",
        "COVID-19 rules apply.": "covid nineteen rules apply.",
        "It is 1,234.5 or 1.234,5 €.": "It is one thousand two hundred thirty-four point five "
        "or one thousand two hundred thirty-four euros and fifty cents.",
        "Dial 0800 for help.": "Dial zero eight zero zero for help.",
        "Room 0107, gate B12.": "Room zero one zero seven, gate B one two.",
        "On 10.5.2026 or 2026-05-10.": "On May tenth, twenty twenty-six or May tenth, twenty twenty-six.",
        "He is 5'11\" tall.": "He is five feet eleven inches tall.",
        "It is -5 °C and 90 km/h.": "It is minus five degrees Celsius and ninety kilometers per hour.",
        "About 1e-3 of it.": "About one times ten to the power of minus three of it.",
        "½ of x² is a/b and/or c.": "one half of x squared is A slash B and or c.",
        "Coffee w/ milk, e.g. latte.": "Coffee with milk, for example latte.",
        "No. 5 is out. No. It is not.": "Number five is out. No. It is not.",
        "Your total is $1,234.56.": "Your total is one thousand two hundred thirty-four dollars and fifty-six cents.",
        "Flight AA100 at 6:05 a.m.": "Flight A A one zero zero at six oh five A M.",
        "Meet at 12:00 p.m. on 1/1.": "Meet at twelve P M on January first.",
        "She's in the 1st row, seat 12C.": "She's in the first row, seat one two C.",
        "ETA: 5-10 min.": "E T A: five to ten minutes.",
        "Buy 2 for $5.": "Buy two for five dollars.",
        "That's 2x faster.": "That's two times faster.",
        "Tel: 555.123.4567": "Telephone: five five five, one two three, four five six seven",
        "My SSN is 123-45-6789.": "My S S N is one two three, four five, six seven eight nine.",
        "It's 98.6°F.": "It's ninety-eight point six degrees Fahrenheit.",
        "Pay by 12/31/25.": "Pay by December thirty-first, twenty twenty-five.",
        "Highway I-95 exit 12B.": "Highway I dash nine five exit one two B.",
        "The ratio is 1.5:1.": "The ratio is one point five to one.",
        "Size 10 1/2.": "Size ten and a half.",
        "A 5% - 7% raise.": "A five to seven percent raise.",
        "$5 - $7 each.": "five to seven dollars each.",
        "from 9 - 5 daily": "from nine to five daily",
        "a 3-4 day wait": "a three to four day wait",
        "Order #A-1234-B": "Order number A dash one two three four dash B",
        "The 2020/21 season": "The twenty twenty to twenty-one season",
        "Mr. & Mrs. Lee": "Mister and Missus Lee",
        "10:30am-12pm": "ten thirty A M to twelve P M",
        "10K run, 5k steps": "ten thousand run, five thousand steps",
        "1st-3rd place": "first to third place",
        "50/50 chance, 9/11": "fifty-fifty chance, September eleventh",
        "U.S. vs. U.K.": "U S versus U K.",
        "it weighs 5 lbs 3 oz": "it weighs five pounds three ounces",
        "1600 Pennsylvania Ave NW, Washington, DC 20500": "sixteen hundred Pennsylvania Avenue Northwest, Washington, "
        "D C two zero five zero zero",
        "P.O. Box 123": "P O Box one two three",
        "1-800-555-0199": "one, eight zero zero, five five five, zero one nine nine",
        "$0.99 and 99¢": "ninety-nine cents and ninety-nine cents",
        "5th Ave & 42nd St.": "fifth Avenue and forty-second Street.",
        "1.5M users, 2.5x more": "one point five million users, two point five times more",
        "<3 or >5 items": "less than three or greater than five items",
        "100,000+ users": "one hundred thousand plus users",
        "$1-2 million": "one to two million dollars",
        "2-3 p.m.": "two to three P M.",
        "iPhone 15 Pro": "iPhone fifteen Pro",
        "Windows 11": "Windows eleven",
        "3D, 4K, MP3, B2B": "three D, four K, M P three, B two B",
        "401(k)": "four oh one K",
        "p. 5, pp. 5-7": "page five, pages five to seven",
        "Jan 1 - Feb 3": "January first to February third",
        "1 in 5": "one in five",
        "#1 rated": "number one rated",
        "10^6": "ten to the power of six",
        "5 % off": "five percent off",
    },
    "the trouble reports": {
        "Say yes or no.": "Say yes or no.",
        "your PIN is 0042": "your PIN is zero zero four two",
        "-$45.20": "minus forty-five dollars and twenty cents",
        "12,50 €": "twelve euros and fifty cents",
        "$12.5": "twelve dollars and fifty cents",
        "press * or #": "press star or pound",
        "555-123-4567": "five five five, one two three, four five six seven",
        "John <john@example.com>": "John john at example dot com",
        "3*4": "three times four",
        "12 Main St. Please ring": "twelve Main Street. Please ring",
        "9:00-17:00": "nine o'clock to seventeen hundred",
        "2024-0031": "two zero two four dash zero zero three one",
    },
    "what phone agents write": {
        "Your card expires 09/27.": "Your card expires September twenty twenty-seven.",
        "It is 40x30x20 cm.": "It is forty by thirty by twenty centimeters.",
        "Take 2 1/2 lbs or 2½ kg.": "Take two and a half pounds or two and a half kilograms.",
        "It ended in 1945.": "It ended in nineteen forty-five.",
        "The policy no. is 5, not no.": "The policy number is five, not no.",
        "That is $5 USD or -€ 5.": "That is five dollars or minus five euros.",
    },
    "no": {
        "No. 5": "Number five",
        "in room no. 12": "in room number one two",
        "No.7": "number seven",
        "No. I can't.": "No. I can't.",
        "Is it a no.": "Is it a no.",
        "The answer is no. 5 people came.": "The answer is number five people came.",
    },
    "numbers": {
        "0": "zero",
        "7": "seven",
        "42": "forty-two",
        "1,234,567": "one million two hundred thirty-four thousand five hundred sixty-seven",
        "12,000 points and 12000 points": "twelve thousand points and twelve thousand points",
        "0.5": "zero point five",
        ".5": "zero point five",
        "3.14159": "three point one four one five nine",
        "2,5": "two point five",
        "-5 degrees": "minus five degrees",
        "−5": "minus five",
        "+3": "plus three",
        "±5": "plus or minus five",
        "~5 minutes": "about five minutes",
        "1.5 million": "one point five million",
        "10k": "ten thousand",
        "100+ people": "one hundred plus people",
        "123456789012345678": "one two three, four five six, seven eight nine, zero one two, three four five, "
        "six seven eight",
    },
    "ordinals": {"1st, 22nd and 103rd": "first, twenty-second and one hundred third", "the 5th.": "the fifth."},
    "fractions": {
        "3/4 cup": "three quarters cup",
        "1/2": "one half",
        "1 1/2 cups": "one and a half cups",
        "2½ cups, ½ cup": "two and a half cups, one half cup",
        "1/3 or 2/3": "one third or two thirds",
        "22/7": "July twenty-second",
    },
    "years": {
        "in 1984": "in nineteen eighty-four",
        "in 2005": "in two thousand five",
        "It was 1905.": "It was nineteen oh five.",
        "1500 people": "one thousand five hundred people",
        "2019-2021": "twenty nineteen to twenty twenty-one",
        "2019-21": "twenty nineteen to twenty-one",
        "the 1990s and the '80s": "the nineteen nineties and the 'eighties",
    },
    "dates": {
        "3/14/2024": "March fourteenth, twenty twenty-four",
        "14/3/2024": "March fourteenth, twenty twenty-four",
        "12/25/24": "December twenty-fifth, twenty twenty-four",
        "2024-01-05": "January fifth, twenty twenty-four",
        "24.12.2024": "December twenty-fourth, twenty twenty-four",
        "on 3/4": "on March fourth",
        "Jan. 5th, 2024": "January fifth, twenty twenty-four",
        "January 5-7": "January fifth to seventh",
        "5 May 2024": "May fifth, twenty twenty-four",
        "Sept. 2024": "September twenty twenty-four",
        "May I help? In March, maybe.": "May I help? In March, maybe.",
        "Sat 5 May": "Saturday May fifth",
        "Mon. and Tue.": "Monday and Tuesday.",
        "Mon-Fri 9-5": "Monday to Friday nine to five",
        "The Sun shines.": "The Sun shines.",
    },
    "times": {
        "9:30 a.m. tomorrow": "nine thirty A M tomorrow",
        "Meet at 5 p.m. Please call.": "Meet at five P M. Please call.",
        "9am": "nine A M",
        "9 AM": "nine A M",
        "9-11 am": "nine to eleven A M",
        "1:30pm-2:45pm": "one thirty P M to two forty-five P M",
        "9 a.m.–5 p.m.": "nine A M to five P M.",
        "9:00 - 17:00": "nine o'clock to seventeen hundred",
        "10:05": "ten oh five",
        "14:30": "fourteen thirty",
        "0:00": "midnight",
        "I am 9 and I am here.": "I am nine and I am here.",
    },
    "money": {
        "$1,200.50": "one thousand two hundred dollars and fifty cents",
        "$1": "one dollar",
        "$0.99": "ninety-nine cents",
        "$.50": "fifty cents",
        "$0": "zero dollars",
        "$0.01": "one cent",
        "$5 million": "five million dollars",
        "$1.5m": "one point five million dollars",
        "$2bn": "two billion dollars",
        "€5/month": "five euros per month",
        "$3.99/lb": "three dollars and ninety-nine cents per pound",
        "12 € / h": "twelve euros per hour",
        "$5-$10": "five to ten dollars",
        "$5-10": "five to ten dollars",
        "5 USD": "five U S dollars",
        "USD 5.20": "five U S dollars and twenty cents",
        "1.200,50 €": "one thousand two hundred euros and fifty cents",
        "€1.200": "one thousand two hundred euros",
        "£3.50": "three pounds and fifty pence",
        "£1.01": "one pound and one penny",
        "¥500": "five hundred yen",
        "50¢": "fifty cents",
        "-€3": "minus three euros",
        "$-3": "minus three dollars",
        "Use $5 (about €4.60).": "Use five dollars (about four euros and sixty cents).",
    },
    "percent and measures": {
        "50% off": "fifty percent off",
        "-3.5%": "minus three point five percent",
        "5-10%": "five to ten percent",
        "5 %": "five percent",
        "5km, 5 km/h": "five kilometers, five kilometers per hour",
        "1 kg": "one kilogram",
        "70°F and 20 °C": "seventy degrees Fahrenheit and twenty degrees Celsius",
        "10-15 min": "ten to fifteen minutes",
        "He is 5'10\".": "He is five feet ten inches.",
        "10-year plan": "ten year plan",
        "come in at 5 in the evening": "come in at five in the evening",
        "60 m²": "sixty square meters",
    },
    "telephone": {
        "Call (555) 123-4567 ext. 12 now.": "Call five five five, one two three, four five six seven extension one two "
        "now.",
        "555-123-4567 x89": "five five five, one two three, four five six seven, extension eight nine",
        "+1 555 123 4567": "plus one, five five five, one two three, four five six seven",
        "+1-555-123-4567.": "plus one, five five five, one two three, four five six seven.",
        "+49 30 1234567": "plus four nine, three zero, one two three four five six seven",
        "+15551234567": "plus one, five five five, one two three, four five six seven",
        "5551234567": "five five five, one two three, four five six seven",
        "555.123.4567": "five five five, one two three, four five six seven",
        "555-1234": "five five five, one two three four",
        "call me on 020 7946 0958": "call me on zero two zero, seven nine four six, zero nine five eight",
        "06 12 34 56 78": "zero six, one two, three four, five six, seven eight",
        "call 911": "call nine one one",
        "Dial 1-800-FLOWERS.": "Dial one, eight zero zero, flowers.",
        "1-800-555-1212": "one, eight zero zero, five five five, one two one two",
    },
    "codes": {
        "room 305": "room three zero five",
        "Room 12.": "Room one two.",
        "zip 90210": "zip nine zero two one zero",
        "flight BA2490": "flight B A two four nine zero",
        "Your code is A1B2-C3D4.": "Your code is A one B two dash C three D four.",
        "Order #12345": "Order number one two three four five",
        "order 5 pizzas": "order five pizzas",
        "account 12345678": "account one two three, four five six, seven eight",
        "Your confirmation number is 48213.": "Your confirmation number is four eight two one three.",
        "#1 choice": "number one choice",
        "License plate ABC 1234": "License plate A B C one two three four",
        "007": "zero zero seven",
        "SSN 123-45-6789": "S S N one two three, four five, six seven eight nine",
        "MP3, Q3, 4K, COVID-19": "M P three, Q three, four K, covid nineteen",
        "a room with 12 beds": "a room with twelve beds",
        "the code expires in 10 minutes": "the code expires in ten minutes",
    },
    "cards and accounts": {
        "4111 1111 1111 1111": "four one one one, one one one one, one one one one, one one one one",
        "4111111111111111": "four one one one, one one one one, one one one one, one one one one",
        "4111-1111-1111-1111": "four one one one, one one one one, one one one one, one one one one",
        "IBAN DE89 3704 0044 0532 0130 00": "I B A N D E eight nine, three seven zero four, zero zero four four, "
        "zero five three two, zero one three zero, zero zero",
        "**** **** **** 4242": "ending in four two four two",
        "xxxx-4242": "ending in four two four two",
        "DE89 3704 0044 0532 0130 00": "D E eight nine, three seven zero four, zero zero four four, "
        "zero five three two, zero one three zero, zero zero",
    },
    "addresses": {
        "john.smith@example.com": "john dot smith at example dot com",
        "a_b-c+d@mail.example.co.uk": "A underscore B dash C plus D at mail dot example dot co dot U K",
        "john42@example.com": "john four two at example dot com",
        "https://www.example.com/menu?x=1": "example dot com slash menu",
        "www.example.org": "example dot org",
        "Visit example.com.": "Visit example dot com.",
        "example.com:8080": "example dot com colon eight zero eight zero",
        "http://example.com/a/very/long/path/that/nobody/wants/to/hear": "example dot com",
        "192.168.0.1": "one nine two dot one six eight dot zero dot one",
        "@alice": "at alice",
        "#OpenDay": "hashtag open day",
        "node.js": "node dot js",
    },
    "keys": {
        "*67": "star six seven",
        "#31#": "pound three one pound",
        "press 1#": "press one pound",
        "dial *69 or press #.": "dial star six nine or press pound.",
        "Press 1 for sales.": "Press one for sales.",
        "*": "star",
    },
    "streets and titles": {
        "Dr. Smith lives on Elm Dr. near St. Paul St. in St. Louis.": "Doctor Smith lives on Elm Drive near Saint Paul "
        "Street in Saint Louis.",
        "123 N. Main St. Apt. 4B": "one hundred twenty-three North Main Street Apartment four B",
        "Go to Main St, then 5th Ave. and turn.": "Go to Main Street, then fifth Avenue and turn.",
        "Mr. and Mrs. Jones": "Mister and Missus Jones",
        "1234 Oak Blvd.": "twelve thirty-four Oak Boulevard.",
        "221B Baker St., London": "two two one B Baker Street, London",
        "Mr. J. R. Smith": "Mister J R Smith",
        "P.O. Box 123": "P O Box one two three",
    },
    "abbreviations": {
        "(approx. 5 min.)": "(approximately five minutes.)",
        "e.g. John, i.e. me": "for example John, that is me",
        "U.S. citizens": "U S citizens",
        "and/or": "and or",
        "24/7": "twenty-four seven",
        "Ltd. and Inc. are here.": "Limited and Incorporated are here.",
    },
    "versions": {
        "v2.0.1": "version two point zero point one",
        "version 3.11": "version three point eleven",
        "2.0.1": "two point zero point one",
    },
    "arithmetic and ratios": {
        "2+2=4": "two plus two equals four",
        "3 * 4": "three times four",
        "10/2=5": "ten divided by two equals five",
        "7 - 3 = 4": "seven minus three equals four",
        "4x6": "four by six",
        "2x": "two times",
        "16:9": "sixteen to nine",
        "5 > 3": "five greater than three",
        "2 - 3 days": "two to three days",
    },
    "roman numerals": {
        "Chapter IV and Henry VIII, World War II": "Chapter four and Henry the eighth, World War two",
        "I, II and III": "I, two and three",
        "John I know": "John I know",
        "Elizabeth II.": "Elizabeth the second.",
    },
    "acronyms": {
        "The FBI and NASA": "The F B I and NASA",
        "STOP NOW": "stop now",
        "AT&T and R&D": "A T and T and R and D",
        "do NOT press": "do not press",
        "the USA.": "the U S A.",
    },
    "pictures": {"Hello 👋 there": "Hello there", "👍": "", "Done ✅.": "Done"},
}
ROWS = [(kind, written, spoken) for kind, rows in TABLES.items() for written, spoken in rows.items()]


@pytest.mark.parametrize(("kind", "written", "spoken"), ROWS)
def test_is_said(kind: str, written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("press * or #", "press star or hash"),
        ("120", "one hundred and twenty"),
        ("1,001", "one thousand and one"),
        ("3/4/2024", "the third of April, twenty twenty-four"),
        ("the 5th of May", "the fifth of May"),
        ("5 km", "five kilometres"),
        ("AZ12", "A Zed one two"),
    ],
)
def test_is_said_in_britain(written: str, spoken: str) -> None:
    assert said(written, "en-GB") == spoken


def test_what_was_said_before_counts_as_context() -> None:
    assert spoken_form("0042 or 42", language("en")).text == "zero zero four two or forty-two"
    assert spoken_form("42.", language("en"), before="Your PIN is").text == "four two."


def test_each_written_token_knows_its_words() -> None:
    form = spoken_form("It costs 12,50 € 👍 today.", language("en"))

    assert [tuple(token) for token in form.tokens] == [
        ("It", "It"),
        ("costs", "costs"),
        ("12,50 €", "twelve euros and fifty cents"),
        ("👍", ""),
        ("today.", "today."),
    ]
    assert form.written == ("It", "costs", "12,50 €", "today.")
    assert form.counts == (1, 1, 5, 1)


@pytest.mark.parametrize("around", ["{}", "{} it is", "well, {} then", "as I said: {}", "Right. {}. Anything else?"])
@pytest.mark.parametrize("written", [one for one in TABLES["the trouble reports"] if not one.endswith((".", "ring"))])
def test_the_start_and_the_end_of_a_sentence_are_not_special(written: str, around: str) -> None:
    said = TABLES["the trouble reports"][written]

    assert around.format(said) == spoken_form(around.format(written), language("en-US")).text
