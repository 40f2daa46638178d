"""The home page, the docs and their files, without and with a browser."""

import json
import os
import resource
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from support.gateway import Start
from support.process import StartProcess
from support.services import PASSWORD, WRONG_PASSWORD, Inkwell, inkwell
from support.upstream import RawUpstream
from support.waiting import eventually
from support.wire import read_all, read_body, read_head

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OFFLINE = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --disable-quic"
)


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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("Chromium and ChromeDriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OFFLINE.split(), f"--user-data-dir={tmp_path}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(CHROMEDRIVER, log_output=os.devnull)
    driver = webdriver.Chrome(options, service)
    try:
        yield driver
    finally:
        driver.quit()


def shown(browser: webdriver.Chrome, selector: str) -> WebElement:
    """Wait until the element is there and return it."""
    wait: WebDriverWait[webdriver.Chrome] = WebDriverWait(browser, 60)
    return wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))


def click(browser: webdriver.Chrome, selector: str) -> None:
    browser.execute_script("arguments[0].click()", shown(browser, selector))


def enter(browser: webdriver.Chrome, password: str) -> None:
    """Enter a user and this password into the dialog of Authorize."""
    click(browser, ".btn.authorize")
    shown(browser, "#oauth_username").send_keys("ada@example.com")
    shown(browser, "#oauth_password").send_keys(password)
    click(browser, ".modal-ux .auth-btn-wrapper .authorize")


def sign_in(browser: webdriver.Chrome) -> None:
    enter(browser, PASSWORD)
    shown(browser, ".modal-ux [aria-label='Remove authorization']")
    click(browser, ".modal-ux .btn-done")


def try_out(browser: webdriver.Chrome, operation: str, body: object) -> str:
    """Send a request from Swagger UI and return the status that it shows."""
    click(browser, f"#operations-{operation} .opblock-summary-control")
    field = shown(browser, f"#operations-{operation} .body-param textarea")
    field.clear()
    field.send_keys(json.dumps(body))
    click(browser, f"#operations-{operation} .execute")
    answer = f"#operations-{operation} .live-responses-table tbody .response-col_status"
    return shown(browser, answer).text


@pytest.mark.browser
def test_a_person_signs_in_and_posts_in_swagger_ui(
    system: Inkwell, browser: webdriver.Chrome
) -> None:
    browser.get(f"{system.url}/docs")
    post, article = "posts-create_post", "articles-create_article"
    assert try_out(browser, post, {"title": "Before signing in"}).startswith("401")
    browser.get(f"{system.url}/docs")
    sign_in(browser)
    assert try_out(browser, post, {"title": "A post"}).startswith("201")
    assert try_out(browser, article, {"title": "News", "content": "Text"}).startswith("201")
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    errors = [line["message"] for line in log if line["level"] == "SEVERE"]
    assert [line for line in errors if "401" not in line] == []


@pytest.mark.browser
def test_a_route_on_the_home_page_leads_to_its_place_in_the_docs(
    system: Inkwell, browser: webdriver.Chrome
) -> None:
    browser.get(system.url)
    (link,) = browser.find_elements(By.CSS_SELECTOR, "a[href*='create_post']")
    link.click()
    assert shown(browser, ".opblock.is-open .opblock-summary-path").text == "/posts/"


def padlocks(browser: webdriver.Chrome) -> dict[str, str]:
    """Return the operations with a padlock, and what it says."""
    shown(browser, ".opblock")
    return {
        str(block.get_attribute("id")).removeprefix("operations-"): str(
            lock.get_attribute("aria-label")
        )
        for block in browser.find_elements(By.CSS_SELECTOR, ".opblock")
        for lock in block.find_elements(By.CSS_SELECTOR, ".authorization__btn")
    }


@pytest.mark.browser
def test_only_an_operation_that_needs_a_token_has_a_padlock(
    system: Inkwell, browser: webdriver.Chrome
) -> None:
    protected = ("posts-create_post", "articles-create_article")
    browser.get(f"{system.url}/docs")
    assert padlocks(browser) == dict.fromkeys(protected, "authorization button unlocked")
    sign_in(browser)
    assert padlocks(browser) == dict.fromkeys(protected, "authorization button locked")


@pytest.mark.browser
def test_signing_in_asks_for_user_and_password_alone_and_says_why_it_failed(
    system: Inkwell, browser: webdriver.Chrome
) -> None:
    browser.get(f"{system.url}/docs")
    enter(browser, "wrong")
    assert WRONG_PASSWORD.rstrip(".") in shown(browser, ".auth-container .errors").text
    fields = browser.find_elements(By.CSS_SELECTOR, ".auth-container :is(input, select)")
    asked = [field.get_attribute("id") for field in fields if field.is_displayed()]
    assert asked == ["oauth_username", "oauth_password"]
    assert "client" not in shown(browser, ".auth-container").text.lower()


CONTRAST = """
const luminance = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const opaque = (element) => {
  const color = getComputedStyle(element).backgroundColor;
  const isOpaque = !/^rgba/.test(color) || /, 1\\)$/.test(color);
  return isOpaque || !element.parentElement ? color : opaque(element.parentElement);
};
const contrast = (element) => {
  const pair = [luminance(getComputedStyle(element).color), luminance(opaque(element))];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
};
return [...document.querySelectorAll(arguments[0])].map(contrast);
"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_names_of_header_fields_and_what_went_wrong_are_readable(
    system: Inkwell, browser: webdriver.Chrome, scheme: str
) -> None:
    """WCAG 2.2, success criterion 1.4.3."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(f"{system.url}/docs")
    click(browser, "#operations-posts-list_posts .opblock-summary-control")
    assert shown(browser, "table.headers tbody td.header-col").text == "Link"
    enter(browser, "wrong")
    shown(browser, ".errors-wrapper")
    fields, dialog = "table.headers :is(th, td)", ".auth-container :is(label, span)"
    errors = ".errors-wrapper :is(h4, button, .message)"
    contrasts = browser.execute_script(CONTRAST, f"{fields}, {dialog}, {errors}")
    assert len(contrasts) > 10
    assert min(contrasts) >= 4.5, contrasts
