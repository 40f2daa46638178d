"""One deployment for the whole run, and the clients and users that the tests call it with."""

from collections.abc import Generator, Iterator

import httpx
import pytest
from api import User, client, new_user
from deployment import Containers, Deployment, choose, running
from wire import Wire

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
    """Show what the parts logged last below each failure."""
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
    """The deployment, for tests that stop, restart or look into its containers."""
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
    """Somebody to act as, where a user of the test's own would make no difference."""
    return new_user(api)
