"""Hostile values, and how they are sent."""

from collections.abc import Iterator

from chassis_testing.problem import CANARY

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MEBIBYTE = 1024 * 1024

IDS = [
    *("0", "-0", "01", "0" * 5000 + "1", "-1", "+1", "%2B1", "1.", "1.0", "1e0", "0x1", "1_0"),
    *("%201", "1%20", "1%0A", "1%0D%0A", "%00", "1%00", "%FF", "%7F", "%5C", "1%5C", "%ED%A0%80"),
    *("%D9%A1", "%EF%BC%91", "%F0%9F%92%A9", "9223372036854775808", "18446744073709551616"),
    *("9" * 5000, "-" + "9" * 5000, "a" * 3000, "NaN", "null", "none", "undefined", "true", "mE"),
    *("*", "-", "1,2", "1;2", "[1]", "{1}", "'%20OR%201=1--", "%24%7B7*7%7D", "%25s"),
    *("%3Cscript%3E", CANARY),
]
NO_NUMBERS = [
    *("", "x", "01", "00", "-1", "+1", "1.0", "1.5", "1e1", "0x1", "1_0", "%201", "1%202"),
    *("%D9%A1", "%F0%9F%92%A9", "%00", "1%00", "%FF", "NaN", "Infinity", "null", "true", "[]", "'"),
    *("9223372036854775808", "9" * 26, "9" * 5000, CANARY),
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
NO_BOOLEANS = [
    *("", "x", "2", "-1", "-2", "null", "tru", "1.0", "%D9%A1", "%00", "%FF", "[]", "9" * 5000),
    CANARY,
]
NOT_JSON: list[bytes] = [
    *(b" ", b"{", b"}", b"{]", b"nul", b"<x/>", b"// x\n{}", b"title=x"),
    *(b'{"title": }', b"{'title': 'x'}", b'{"title": "x",}'),
    *(b'{"title": "x"} {}', b'{"title": NaN}', b'{"title": Infinity}', b'{"title": -Infinity}'),
    *(b"NaN", b'{"title": "a\nb"}', b'{"title": "a\x00b"}', b'{"title": "\\x41"}', b"\x00"),
    *(b'{"title": 01}', b'{"title": "\\ud8"}', b'{"title": "\xff"}', b'{"\xff": 1}'),
    *(b'{"title": "\xed\xa0\x80"}', b'{"title": "\xc0\x80"}', b'\xef\xbb\xbf{"title": "x"}'),
    *('{"title": "x"}'.encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    *("{}".encode(code) for code in ("utf-16", "utf-32")),
    *(b"[" * 900, b'{"title":' * 900, b"\x1f\x8b\x08\x00", CANARY.encode()),
]
# Documents of very many values, or bytes that would be such documents.
TOO_MANY_VALUES: list[bytes] = [
    *(b"[" * 100_000, b"[" * 5000 + b"]" * 5000, b'{"title":' * 50_000, b"," * 10**6),
    b"[" + b"[]," * 500_000 + b"[]]",
    *(b"[" + b"0," * 1000 + b"0]", b'{"text": [' + b'"a\\\\",' * 2000 + b"0]}"),
    b"{" + b",".join(b'"k%d":1' % number for number in range(100_000)) + b"}",
]
NO_OBJECTS: list[bytes] = [
    *(b"null", b"true", b"0", b'"x"', b"[]", b"[{}]", b"1e999", b"9" * 9999),
    *(f'"{CANARY}"'.encode(), b'[["title", "x"]]'),
]
# As JSON, for a field that must be a text.
NO_TEXTS = [
    *("null", "1", "-0.0", "-1.5", "1e999", "9" * 9999, "true", "[]", '["x"]', "{}"),
    *(f'{{"a": "{CANARY}"}}', r'"\u0000"', r'"a\u0000bcdefgh"', r'"\ud800"'),
    *(r'"a\udfffbcdefgh"', r'"\udc00\ud800"'),
    *("[" * 500 + "]" * 500, '{"title":' * 300 + "1" + "}" * 300),
]
NO_FLAGS = [
    *(value for value in NO_TEXTS if value != "true"),
    *("0", "2", "[true]", '"true"', f'"{CANARY}"'),
]
NAMES = [
    *("", "a", "Title", "k" * 50_000, "__proto__", "__class__", "self", "\x00", "\U0001f4a9", "é"),
]
MEDIA_TYPES = [
    *("", "/", "json", "application", "application/", "application/json/x", "application/jsonp"),
    *("application/merge-patch+json", "application/octet-stream", "application/xml"),
    *("application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary="),
    *("multipart/form-data; boundary=x", "text/html", "text/json", "text/plain", "a" * 5000),
    CANARY,
]


def short(value: object) -> str:
    """Return a value as a part of a test's name."""
    return ascii(value)[:30]


def chunks(content: bytes) -> Iterator[bytes]:
    """Yield the pieces of a body, which is then sent without its length."""
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]
