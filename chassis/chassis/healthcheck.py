"""`python -m chassis.healthcheck PORT` exits with 0 if the part on that port is ready, else with 1.

It asks directly, also where the environment names a proxy.
"""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

SECONDS = 3


def is_ready(port: int) -> bool:
    """Return whether /readyz answers with 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(sys.argv[1])) else 1)
