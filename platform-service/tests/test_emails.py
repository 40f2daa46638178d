"""E-mails: what all ways of writing an address have in common."""

import unicodedata

import pytest

from chassis_testing.fixtures import Sql
from platform_service.emails import email_key

LETTERS = [
    letter
    for letter in map(chr, range(0x80, 0x110000))
    if unicodedata.category(letter)[0] == "L" and len({letter.upper(), letter.lower()}) > 1
]
LETTERS.remove("\u0131")  # the dotless i, whose capital is that of i


def test_letter_case_and_form_make_no_difference() -> None:
    for letter in LETTERS:
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            for written in (letter, letter.upper(), letter.lower(), letter.casefold()):
                assert email_key(unicodedata.normalize(form, written)) == email_key(letter)


def test_what_the_database_takes_for_the_same_address_has_one_key(sql: Sql) -> None:
    values = ", ".join(f"('{letter}')" for letter in LETTERS)
    lowered = sql(
        f"WITH letters (letter) AS (VALUES {values}) SELECT letter, lower(letter) FROM letters"
    )
    assert len(lowered) == len(LETTERS) > 1000
    for row in lowered:
        letter, lower = map(str, row)
        assert email_key(lower) == email_key(letter), letter


@pytest.mark.parametrize(
    ("one", "other"), [("i", "\u0131"), ("e", "é"), ("a", "\u03b1"), ("o", "0")]
)
def test_other_letters_have_other_keys(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)
