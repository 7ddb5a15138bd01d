"""Personal data in texts: e-mail addresses, phone numbers, bank accounts, payment cards, US social security numbers.

Covered: what has a form; account and card numbers by their check digits. What the standards reserve for examples is
none: addresses at example.com, numbers 555-0100 to 555-0199, the card numbers of payment providers' test pages.
Not covered: names, postal addresses and everything else that only a reader understands. Keys are found by
`amendment.keys`. A finding is a kind of data, and no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

EMAIL = "e-mail address"
PHONE = "phone number"
ACCOUNT = "bank account number"
CARD = "payment card number"
SOCIAL = "social security number"

_EMAIL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.){1,9}[A-Za-z]{2,24})(?![A-Za-z0-9])")
_RESERVED = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
"""Domains of examples (RFC 2606)."""
_PHONE = re.compile(
    r"(?<![\w.+-])(?<!\d )(?:"
    r"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # international
    r"|\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}|\d{3}[-.]\d{3}[-.]\d{4}"  # North America
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}"  # with a trunk prefix
    r")(?!\w|[.-]\d)"
)
_FICTION = re.compile(r"555\D?01\d\d$")
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])[3-6]\d{3}(?:[ -]?\d{2,6}){2,4}(?![\w-])")
_TEST_CARDS = frozenset({"4111111111111111", "4242424242424242", "4012888888881881", "4000056655665556"})
_TEST_CARDS |= {"5555555555554444", "5105105105105100", "378282246310005", "371449635398431"}
_TEST_CARDS |= {"6011111111111117", "30569309025904", "3530111333300000"}
_SOCIAL = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


def personal_data(text: str) -> list[str]:
    """Return the kinds of personal data that a text holds, each once."""
    found = {
        EMAIL: any(not _RESERVED.search(address[1]) for address in _EMAIL.finditer(text)),
        ACCOUNT: any(_is_account(start) for number in _ACCOUNT.findall(text) for start in _starts(number)),
        CARD: any(_is_card(start) for number in _CARD.findall(text) for start in _starts(number)),
        SOCIAL: _SOCIAL.search(text) is not None,
        PHONE: any(map(_is_phone, _PHONE.findall(text))),
    }
    return [kind for kind, is_found in found.items() if is_found]


def _is_phone(found: str) -> bool:
    return 7 <= sum(map(str.isdigit, found)) <= 15 and not _FICTION.search(found)


def _starts(number: str) -> Iterator[str]:
    """Return a number without its spaces and hyphens, and each start of it: a date, a code or a word may follow."""
    return accumulate(re.split("[ -]", number))


def _is_account(number: str) -> bool:
    """Return the remainder by 97 that ISO 13616 asks for."""
    return 15 <= len(number) <= 34 and int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def _is_card(digits: str) -> bool:
    """Return the check digit that ISO 7812 asks for."""
    if not 13 <= len(digits) <= 19 or digits in _TEST_CARDS:
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
