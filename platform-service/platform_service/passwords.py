"""Password hashing: argon2id at the cost that OWASP recommends, 19 MiB and about 45 ms."""

import unicodedata

from anyio import CapacityLimiter, to_thread
from passlib.context import CryptContext

from chassis.affinity import use_any_processor

HASHES = 2  # at once: more than there are cores only starve other requests, and take memory

_context = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__memory_cost=19_456,  # KiB
    argon2__time_cost=2,
    argon2__parallelism=1,
)
_limiter = CapacityLimiter(HASHES)


async def hash_password(password: str) -> str:
    """Return the hash to store."""
    return await to_thread.run_sync(_hash, _normalized(password), limiter=_limiter)


def _hash(password: str) -> str:
    use_any_processor()  # a hash is computed without the interpreter
    return _context.hash(password)


def _normalized(password: str) -> str:
    """Return the password in the form NFKC, since keyboards encode some letters differently."""
    return unicodedata.normalize("NFKC", password)


async def verify_password(password: str, hashed_password: str | None) -> bool:
    """Return whether the password has this hash.

    Without a hash the check takes as long, so that nobody learns who has an account.
    """
    return await to_thread.run_sync(_verify, password, hashed_password, limiter=_limiter)


def _verify(password: str, hashed_password: str | None) -> bool:
    use_any_processor()
    forms = dict.fromkeys([_normalized(password), password])  # release 1.1 hashed it as it was sent
    if hashed_password is None:
        for _ in forms:
            _context.dummy_verify()
        return False
    return any(_context.verify(form, hashed_password) for form in forms)
