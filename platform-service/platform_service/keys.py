"""The keys that sign tokens and the keys that verify them."""

import base64
import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import OKPAlgorithm

from chassis.tokens import ALGORITHM, TokenVerifier

logger = logging.getLogger(__name__)

TOKEN_SECONDS = 15 * 60
PEM_END = "-----END PRIVATE KEY-----"


class KeySet:
    """Signs with the first key. Every key verifies."""

    def __init__(self, issuer: str, audience: str, signing_key_file: Path | None) -> None:
        self._issuer = issuer
        self._audience = audience
        private_keys = _private_keys(signing_key_file)
        public_keys = [key.public_key() for key in private_keys]
        self._signing_key = private_keys[0]
        self._signing_kid = _thumbprint(public_keys[0])
        self._public_keys = {_thumbprint(key): key for key in public_keys}
        self.verifier = TokenVerifier(issuer, audience, self._public_keys)

    def sign(self, user_id: int) -> str:
        """Return a token that names the user and lives TOKEN_SECONDS."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        headers = {"kid": self._signing_kid}
        return jwt.encode(claims, self._signing_key, algorithm=ALGORITHM, headers=headers)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the public keys as a JWK Set (RFC 7517, section 5)."""
        return {
            "keys": [
                _jwk(key) | {"kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, key in self._public_keys.items()
            ]
        }


def read_private_keys(path: Path) -> list[Ed25519PrivateKey]:
    """Return the Ed25519 private keys of a file in PEM.

    Raises:
        ValueError: the file holds no key, or something else.
    """
    blocks = path.read_text().split(PEM_END)[:-1]
    try:
        keys = [load_pem_private_key((block + PEM_END).encode(), password=None) for block in blocks]
    except (TypeError, UnsupportedAlgorithm):
        keys = []
    ed25519_keys = [key for key in keys if isinstance(key, Ed25519PrivateKey)]
    if not keys or len(ed25519_keys) < len(keys):
        raise ValueError
    return ed25519_keys


def _private_keys(path: Path | None) -> list[Ed25519PrivateKey]:
    if path is None:
        logger.warning(
            "PLATFORM_SIGNING_KEY_FILE is not set: tokens are valid until this process ends"
        )
        return [Ed25519PrivateKey.generate()]
    return read_private_keys(path)


def _jwk(key: Ed25519PublicKey) -> dict[str, Any]:
    return OKPAlgorithm.to_jwk(key, as_dict=True)


def _thumbprint(key: Ed25519PublicKey) -> str:
    """Return the hash of the sorted members that make the key (RFC 7638, section 3)."""
    jwk = _jwk(key)
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
