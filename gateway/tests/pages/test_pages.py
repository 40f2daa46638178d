"""The home page, the docs and their files, as a client reads them."""

import resource
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
import pytest
from support.gateway import Start
from support.process import StartProcess
from support.services import Inkwell, inkwell
from support.upstream import RawUpstream
from support.waiting import eventually
from support.wire import read_all, read_body, read_head


@pytest.fixture(scope="module")
def system() -> Iterator[Inkwell]:
    with inkwell() as system:
        yield system


@pytest.fixture(scope="module")
def client(system: Inkwell) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url) as client:
        yield client


class Links(HTMLParser):
    """Collects what a page loads or links to, and whether it has script or style inside."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.targets += [values[name] for name in ("href", "src") if name in values]
        if tag == "style" or (tag == "script" and "src" not in values) or "style" in values:
            self.inline.append(tag)
        self.inline += [name for name in values if name.startswith("on")]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    links = Links(answer.text)
    assert links.inline == []
    assert len(links.targets) > 3
    for target in links.targets:
        assert urlsplit(target).netloc == ""
        assert client.get(target).status_code == 200, target


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_pages_content_security_policy_allows_only_this_host(
    client: httpx.Client, path: str
) -> None:
    answer = client.get(path)
    (policy,) = answer.headers.get_list("content-security-policy")
    sources = {word for rule in policy.split(";") for word in rule.split()[1:]}
    assert sources <= {"'none'", "'self'", "data:"}
    assert "default-src 'none'" in policy
    assert ("script-src" in policy) is (path == "/docs")


@pytest.mark.parametrize("path", ["/", "/docs", "/static/home.css", "/static/swagger-ui.css"])
def test_a_page_answers_head_as_get(client: httpx.Client, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
def test_a_cache_asks_again_for_a_page(client: httpx.Client, path: str) -> None:
    assert client.get(path).headers.get_list("Cache-Control") == ["public, no-cache"]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/static/home.css"])
def test_another_method_on_a_page_is_405(client: httpx.Client, path: str) -> None:
    answer = client.post(path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("asked", ["bytes=x", "bytes=5-2", "bytes=99999999-", "bytes=0-1"])
def test_a_range_is_answered_with_the_whole_file(client: httpx.Client, asked: str) -> None:
    """RFC 9110, section 14.2."""
    answer = client.get("/static/home.css", headers={"Range": asked})
    assert (answer.status_code, answer.text) == (200, client.get("/static/home.css").text)
    assert answer.headers["accept-ranges"] == "none"


@pytest.mark.parametrize("path", ["/static/none.css", "/static/", "/static", "/docs/"])
def test_a_missing_file_is_a_problem(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["instance"] == path


def test_a_file_that_cannot_be_opened_is_503(start: StartProcess) -> None:
    it = start()
    it.wait_until_up()
    asked = b"GET /static/home.css HTTP/1.1\r\nHost: a\r\n%b\r\n"
    with it.connect() as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")  # so that it is accepted
        assert b" 200 " in read_head(sock)[0]
        _, most = resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (0, most))
        sock.sendall(asked % b"")
        head, rest = read_head(sock)
        read_body(sock, head, rest)
        assert b" 503 " in head
        resource.prlimit(it.process.pid, resource.RLIMIT_NOFILE, (most, most))
        sock.sendall(asked % b"Connection: close\r\n")
        assert b" 200 " in read_all(sock)


def test_the_home_page_lists_services_and_routes(client: httpx.Client) -> None:
    page = client.get("/").text
    for service in ("blog-service", "platform-service"):
        assert f'<li class="up"><span>{service}</span> <b>up</b></li>' in page
    assert page.index("<code>/posts/</code>") < page.index("<code>/articles/</code>")
    assert page.count("signed in") == 2


def test_the_home_page_shows_which_service_is_down() -> None:
    with inkwell() as system:
        system.platform.stop()
        down = '<li class="down"><span>platform-service</span> <b>down</b></li>'
        eventually(lambda: down in httpx.get(f"{system.url}/").text)
        page = httpx.get(f"{system.url}/").text
    assert '<li class="up"><span>blog-service</span> <b>up</b></li>' in page


def test_the_home_page_is_served_when_every_service_is_down() -> None:
    with inkwell() as system:
        system.platform.stop()
        system.blog.stop()
        answer = httpx.get(f"{system.url}/")
    assert answer.status_code == 200
    assert "No service has described its routes yet" in answer.text


@pytest.mark.parametrize("host", ["inkwell.example", "192.0.2.1:8080", "[2001:db8::1]:8000"])
def test_the_example_call_names_the_host_that_the_client_used(
    client: httpx.Client, host: str
) -> None:
    page = client.get("/", headers={"Host": host}).text
    assert f"curl 'http://{host}/articles/?limit=5'" in page


@pytest.mark.parametrize("host", ["a'b", "a&b", "a$(id)", "a;x", "a%3Cscript%3E", "a!b"])
def test_a_host_that_a_shell_would_interpret_never_reaches_the_example_call(
    client: httpx.Client, host: str
) -> None:
    assert (
        "curl 'http://localhost/articles/?limit=5'" in client.get("/", headers={"Host": host}).text
    )


def test_an_invalid_host_never_reaches_the_page(client: httpx.Client) -> None:
    assert "x<script>" not in client.get("/", headers={"Host": "x<script>"}).text


@pytest.mark.parametrize(
    "fields",
    [
        (b"X-Forwarded-Proto: https", b"X-Forwarded-Host: outer.example"),
        (b"Forwarded: for=192.0.2.9;proto=https;host=outer.example",),
    ],
)
def test_the_example_call_names_the_outer_url_from_a_trusted_proxy(
    gateway: Start, upstream: RawUpstream, fields: tuple[bytes, ...]
) -> None:
    for trusted, url in (("127.0.0.1", "https://outer.example"), ("192.0.2.1", "http://inkwell")):
        running = gateway(upstream.url, trusted_proxies=trusted)
        page = running.get("/", *fields).body.decode()
        assert f"curl '{url}/articles/?limit=5'" in page
