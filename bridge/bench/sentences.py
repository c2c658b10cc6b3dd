"""What is said in the benchmarks: lines as an agent on the telephone says them."""

from __future__ import annotations

LINES = (
    "Thank you for calling Northside Dental, how can I help you today?",
    "I have an opening on Tuesday at half past three. Would that work for you?",
    "Okay, one moment please.",
    "Your total is $49.99, and your receipt will be sent to the address we have on file.",
    "I'm sorry, I didn't catch that. Could you say it again, please?",
    "Dr. Patel can see you at 9:30 a.m. on Thursday, or at noon on Friday. Which one do you prefer?",
    "Sure, I can help with that. May I have your date of birth first?",
    "Our office is open from Monday to Friday, from eight in the morning until five in the afternoon.",
    "You're all set. We will send you a text message the day before.",
    "If this is a medical emergency, please hang up and dial 911.",
    "Goodbye!",
)

SHORT = "Okay, one moment please."
LONG = " ".join((SHORT, *LINES[3:10], LINES[0], LINES[1]))
"""More than 500 characters that begin with the short line: its first sound need not come later."""

READ_BACK = (
    "Thank you for waiting, and I am sorry that it took so long. The doctor can see you on Tuesday morning, "
    "if that is not too early for you.",
    "Please bring your insurance card, a list of your medicines, and the letter from your family doctor. "
    "The parking lot is behind the building.",
    "We are closed for the holidays, but you can leave a message after the tone. Somebody will call you back "
    "on the next working day.",
    "Before we begin, let me tell you how this works: you ask a question, I look for the answer, and when I "
    "cannot find it, I connect you with one of my colleagues.",
    "Turn left at the second traffic light, drive past the school, and you will see our sign on the right. "
    "There is a bus stop in front of the door.",
    "I have moved your appointment to next Thursday, so please come without breakfast, because the nurse will "
    "take some blood. It does not hurt.",
    "Your order has left our warehouse, and the driver will ring the bell twice. If nobody is at home, he leaves "
    "it with your neighbor.",
    "Nothing is wrong with your line, but your telephone seems to be unplugged. Could you look behind the table, "
    "and tell me whether the light is green?",
)
"""Plain words without figures, so that what a recogniser writes can be compared."""
