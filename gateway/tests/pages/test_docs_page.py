"""The docs in a browser: a person signs in and tries the routes."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from support.services import PASSWORD, WRONG_PASSWORD, Inkwell, inkwell

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OFFLINE = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync --disable-quic"
)


@pytest.fixture(scope="module")
def system() -> Iterator[Inkwell]:
    with inkwell() as system:
        yield system


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
