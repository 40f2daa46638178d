"""Words: one rule for both engines of how a text is split, and of which words are equal.

A word is a run of letters, digits and marks. Letter case does not count (ß is ss), nor do the
accents of Latin, Greek and Cyrillic letters. PostgreSQL does all that with functions of its own;
before 18 they leave letters `UNFOLDED`, and take no symbol for punctuation. SQLite's FTS5 does
most; `FOLDS` and `SYMBOLS` are what it lacks.
"""

import re
import sys
import unicodedata
from functools import cache

# Classes of characters, as they stand in the brackets of a regular expression.
ACCENTS = "\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331"
ACCENTED = f"\u00c0-\u024f{ACCENTS}\u0370-\u052f\u1e00-\u1eff"
# Blocks of symbols, which FTS5 takes for letters where they are younger than its tables of 2012.
SYMBOLS = (
    "\u061c\u2065-\u2069\u20a0-\u20cf\u2300-\u23ff\u2427-\u2429\u2700\u2b00-\u2bff\u2e00-\u2e7f"
    "\U0001f000-\U0001fbef"
)
# What separates words besides symbols, spaces, punctuation and control characters.
FORMATS = (
    "\u00ad\u0488\u0489\u0600-\u0605\u06dd\u070f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064"
    "\u206a-\u206f\u20dd-\u20e0\u20e2-\u20e4\u24b6-\u24e9\ua670-\ua672\ufeff\ufff9-\ufffb\ufffe"
    "\uffff\U000110bd\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
# Letters that are equal to others in any letter case, and the others in the same order.
UNFOLDED = "\u00b5\u017f\u0345\u03c2\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f5\u1e9b\u1fbe"
FOLDED = "\u03bcs\u03b9\u03c3\u03b2\u03b8\u03c6\u03c0\u03ba\u03c1\u03b5\u1e61\u03b9"


def characters(ranges: str) -> list[str]:
    """Return every character of a class."""
    found: list[str] = []
    for first, last in re.findall("(.)(?:-(.))?", ranges, re.DOTALL):
        found += map(chr, range(ord(first), ord(last or first) + 1))
    return found


@cache
def symbols() -> str:
    """Return the class of every symbol."""
    categories = "".join(unicodedata.category(chr(code))[0] for code in range(sys.maxunicode + 1))
    runs = re.finditer("S+", categories)
    return "".join(f"{chr(run.start())}-{chr(run.end() - 1)}" for run in runs)


def _without_accents(letter: str, marks: frozenset[str]) -> str:
    decomposed = unicodedata.normalize("NFD", letter.lower())
    return unicodedata.normalize("NFC", "".join(each for each in decomposed if each not in marks))


def _folds() -> dict[str, str]:
    marks, found = frozenset(characters(ACCENTS)), {"ß": "ss", "ẞ": "ss", "Ǡ": "a", "ǡ": "a"}
    for letter in characters(ACCENTED):
        plain = _without_accents(letter, marks)
        if not plain.isascii() and plain not in (letter, letter.lower()):
            found[letter] = plain
    return found


# Letters that FTS5 leaves as they are: their accents are not on a letter of ASCII.
FOLDS = _folds()

_FOLDS = str.maketrans(FOLDS)
_SEPARATORS = frozenset(characters(SYMBOLS + FORMATS))
_ACCENTS = "".join(characters(ACCENTS))


def words_of(query: str) -> list[str]:
    """Return the words of a query for FTS5, which folds them further by itself."""
    folded = query.translate(_FOLDS)
    parts = "".join(each if _is_in_words(each) else " " for each in folded).split()
    return [part for part in parts if part.strip(_ACCENTS)]


def _is_in_words(character: str) -> bool:
    """Return whether a character is a letter, a mark, a digit, or not assigned as yet."""
    category = unicodedata.category(character)
    return (category[0] in "LMN" or category in {"Co", "Cn"}) and character not in _SEPARATORS
