"""Hostile values, and how they are sent."""

from collections.abc import Iterator

from chassis_testing.problem import CANARY

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MEBIBYTE = 1024 * 1024

IDS = [
    *("0", "01", "0" * 5000 + "1", "-1", "+1", "1.0", "1e0", "0x1", "1_0", "%201", "1%20", "1%0A"),
    *("%00", "1%00", "%FF", "%D9%A1", "%EF%BC%91", "%F0%9F%92%A9", "9223372036854775808"),
    *("9" * 5000, "-" + "9" * 5000, "NaN", "null", "true", "mE", "*", "'%20OR%201=1--"),
    *("%ED%A0%80", CANARY),
]
NO_NUMBERS = [
    *("", "x", "01", "00", "-1", "+1", "1.0", "1e1", "0x1", "1_0", "%201", "%D9%A1", "%00", "%FF"),
    *("NaN", "null", "true", "[]", "9223372036854775808", "9" * 5000, CANARY),
]
OUT_OF_BOUNDS = ["skip=1000001", "limit=0", "limit=101", "after=0"]
AT_BOUNDS = ["skip=0", "skip=1000000", "limit=1", "limit=100", "after=1", f"after={2**63 - 1}"]
PARAMETERS = {  # as they are sent, and as they are shown
    "Limit": "Limit",
    "limit[]": "limit[]",
    "offset": "offset",
    "x" * 5000: "x" * 100,
    "%00": "\0",
    "%F0%9F%92%A9": "\U0001f4a9",
}
NOT_UTF_8 = ["%FF", "a%FFb", "%C3", "%C0%80", "%ED%A0%80", "%ED%A0%BD%ED%B2%A9", "%F4%90%80%80"]
NO_BOOLEANS = ["", "x", "2", "-1", "null", "1.0", "%00", "%FF", "[]", "9" * 5000, CANARY]
NOT_JSON: list[bytes] = [
    *(b" ", b"{", b"nul", b'{"title": }', b"{'title': 'x'}", b'{"title": "x",}', b"title=x"),
    *(b'{"title": "x"} {}', b'{"title": NaN}', b'{"title": Infinity}', b'{"title": -Infinity}'),
    *(b"NaN", b'{"title": "a\nb"}', b'{"title": "a\x00b"}', b'{"title": "\\x41"}', b"\x00"),
    *(b'{"title": 01}', b'{"title": "\\ud8"}', b'{"title": "\xff"}', b'{"\xff": 1}'),
    *(b'{"title": "\xed\xa0\x80"}', b'{"title": "\xc0\x80"}', b'\xef\xbb\xbf{"title": "x"}'),
    *('{"title": "x"}'.encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    *(b"[" * 900, b'{"title":' * 900, b"\x1f\x8b\x08\x00", CANARY.encode()),
]
# Documents of very many values, or bytes that would be such documents.
TOO_MANY_VALUES: list[bytes] = [
    *(b"[" * 100_000, b'{"title":' * 50_000, b"[" + b"[]," * 500_000 + b"[]]", b"," * 10**6),
    *(b"[" + b"0," * 1000 + b"0]", b'{"text": [' + b'"a\\\\",' * 2000 + b"0]}"),
    b"{" + b",".join(b'"k%d":1' % number for number in range(100_000)) + b"}",
]
NO_OBJECTS: list[bytes] = [
    *(b"null", b"true", b"0", b'"x"', b"[]", b"[{}]", b"1e999", b"9" * 9999),
    *(f'"{CANARY}"'.encode(), b'[["title", "x"]]'),
]
# As JSON, for a field that must be a text.
NO_TEXTS = [
    *("null", "1", "-1.5", "1e999", "9" * 9999, "true", "[]", '["x"]', "{}"),
    *(f'{{"a": "{CANARY}"}}', r'"\u0000"', r'"a\u0000bcdefgh"', r'"\ud800"'),
    *(r'"a\udfffbcdefgh"', r'"\udc00\ud800"'),
    *("[" * 500 + "]" * 500, '{"title":' * 300 + "1" + "}" * 300),
]
NO_FLAGS = [*(value for value in NO_TEXTS if value != "true"), "0", '"true"', f'"{CANARY}"']
NAMES = ["", "a", "Title", "__proto__", "__class__", "self", "\x00", "\U0001f4a9", "é"]
MEDIA_TYPES = [
    *("text/plain", "text/json", "application/merge-patch+json", "application/xml"),
    *("application/jsonp", "application/", "/", "", "application/x-www-form-urlencoded"),
    *("multipart/form-data; boundary=x", "json", CANARY),
]


def short(value: object) -> str:
    """Return a value as a part of a test's name."""
    return ascii(value)[:30]


def chunks(content: bytes) -> Iterator[bytes]:
    """Yield the pieces of a body, which is then sent without its length."""
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]
