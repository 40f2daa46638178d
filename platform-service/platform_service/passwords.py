"""Password hashing: argon2id at the cost OWASP asks for, 19 MiB and about 45 ms."""

from passlib.context import CryptContext

_context = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__memory_cost=19_456,  # KiB
    argon2__time_cost=2,
    argon2__parallelism=1,
)


def hash_password(password: str) -> str:
    """Give the hash to store."""
    return str(_context.hash(password))


def verify_password(password: str, hashed_password: str | None) -> bool:
    """Compare; without a hash it takes as long, so that nobody learns who has an account."""
    if hashed_password is None:
        _context.dummy_verify()
        return False
    return bool(_context.verify(password, hashed_password))
