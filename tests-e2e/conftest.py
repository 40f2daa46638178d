"""Fixtures: one deployment for the whole run, and clients and users of it."""

from collections.abc import Generator, Iterator

import httpx
import pytest
from support.api import TLS, PatientTransport, User, client, new_user, write_article, write_post
from support.deployment import Containers, Deployment, choose, running
from support.wire import Wire

CHOSEN = pytest.StashKey[Deployment]()
RUNNING = pytest.StashKey[Deployment]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CHOSEN] = choose()


def pytest_report_header(config: pytest.Config) -> str:
    return f"end-to-end tests against {config.stash[CHOSEN].kind}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last log lines of every part below each failure."""
    report = yield
    if report.failed and RUNNING in item.config.stash:
        report.sections.append(("last log lines", item.config.stash[RUNNING].log()))
    return report


@pytest.fixture(scope="session")
def deployment(pytestconfig: pytest.Config) -> Iterator[Deployment]:
    with running(pytestconfig.stash[CHOSEN]) as deployment:
        pytestconfig.stash[RUNNING] = deployment
        yield deployment
        del pytestconfig.stash[RUNNING]


@pytest.fixture(scope="session")
def containers(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Containers:
    """The deployment, for tests that stop, restart or inspect its containers."""
    chosen = pytestconfig.stash[CHOSEN]
    if not isinstance(chosen, Containers):
        pytest.skip(f"needs containers of its own, and this is {chosen.kind}")
    request.getfixturevalue("deployment")
    return chosen


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Iterator[httpx.Client]:
    """A client without credentials."""
    with client(deployment) as api:
        yield api


@pytest.fixture(scope="session")
def crowd(deployment: Deployment) -> Iterator[httpx.Client]:
    """A client for many threads that write one row. It sends again what was 503."""
    with client(deployment, PatientTransport(verify=TLS)) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def wire(deployment: Deployment) -> Wire:
    return Wire(deployment.url)


@pytest.fixture
def ada(api: httpx.Client) -> User:
    return new_user(api)


@pytest.fixture
def bob(api: httpx.Client) -> User:
    return new_user(api)


@pytest.fixture(scope="module")
def author(api: httpx.Client) -> User:
    """A user for tests that do not need a user of their own."""
    return new_user(api)


@pytest.fixture
def ids(api: httpx.Client, author: User) -> dict[str, int]:
    """One id of each resource, to fill in the path of a route."""
    post, article = write_post(api, author), write_article(api, author, is_published=True)
    return {"post": post["id"], "article": article["id"], "user": author.id}
