"""Idempotency-Key: a request that is sent again gets its first answer, and creates nothing more."""

import re
from collections.abc import Callable
from functools import cache, partial, wraps
from hashlib import sha256
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from chassis import first_answers
from chassis.callers import known_caller_id
from chassis.first_answers import KEY_LENGTH, FirstAnswer
from chassis.schemas import OptionalParameter

T = TypeVar("T")

FIELD = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
NOBODY = 0  # stands for the caller of a request without a token

QUOTED = rf'"(?:[ !#-\[\]-~]|\\["\\]){{1,{KEY_LENGTH}}}"'  # a string of RFC 9651, section 3.3.3
BARE = rf"[!#-~](?:[ !#-~]{{0,{KEY_LENGTH - 2}}}[!#-~])?"
_KEY = re.compile(f"{QUOTED}|{BARE}")


def _text_of(sent: str) -> str:
    """Return the key without its quotes."""
    if not _KEY.fullmatch(sent):
        message = (
            "Input should be 1 to {limit} printable ASCII characters without a quotation mark, "
            "or a string in quotes (RFC 9651, section 3.3.3)"
        )
        raise PydanticCustomError("idempotency_key", message, {"limit": KEY_LENGTH})
    return re.sub(r"\\(.)", r"\1", sent[1:-1]) if sent.startswith('"') else sent


_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 2 * KEY_LENGTH + 2,  # in quotes, each a quotation mark that is escaped
    "pattern": f"^({QUOTED}|{BARE})$",
}
IdempotencyKey = Annotated[
    OptionalParameter[Annotated[str, AfterValidator(_text_of), WithJsonSchema(_SCHEMA)]],
    Header(
        alias=FIELD,
        description="A request that is sent again with the same key within 24 hours gets the "
        "first answer, and nothing is created twice. The key may be quoted; a backslash then "
        "stands before each quotation mark and backslash in it.",
    ),
]


class Replay(Response):
    """The first answer, given again."""

    def __init__(self, first: FirstAnswer) -> None:
        fields = {"Location": first.location, "ETag": first.etag, REPLAYED: "true"}
        headers = {name: value for name, value in fields.items() if value is not None}
        super().__init__(first.body, first.status or 200, headers, "application/json")
        self.secret = first.secret


class Attempt:
    """A request that may have a key, and its answer within a transaction."""

    def __init__(self, request: Request, key: str | None) -> None:
        if key is not None and len(request.headers.getlist(FIELD)) > 1:
            raise _invalid("There may be one field of this name")
        self._request = request
        self._key = key

    def answer(
        self,
        db: Session,
        response: Response,
        create: Callable[..., T],
        *inputs: BaseModel,
        secret: str | None = None,
    ) -> T | Response:
        """Return the result of a function, or the answer that its first call had.

        The inputs must be those of the first call. One that is left out of its dump, such as a
        password, is not compared here: `secret` is its slow hash, and a Replay has that of the
        first call.
        """
        if self._key is None:
            return create(db=db)
        route: APIRoute = self._request.scope["route"]
        key = first_answers.Key(
            caller_id=known_caller_id(self._request) or NOBODY,
            route=f"{self._request.method} {route.path}",
            key=self._key,
        )
        fingerprint = self._fingerprint(inputs)
        first = first_answers.claim(db, key, fingerprint)
        if first:
            return self._replay(db, first, fingerprint)
        answer = _rendered(route, create(db=db), response)
        first_answers.keep(
            db,
            key,
            status=answer.status_code,
            location=response.headers.get("Location"),
            etag=response.headers.get("ETag"),
            body=bytes(answer.body).decode(),
            secret=secret,
        )
        return answer

    def _fingerprint(self, inputs: tuple[BaseModel, ...]) -> str:
        parts = [self._request.url.path, *(one.model_dump_json() for one in inputs)]
        return sha256("\n".join(parts).encode()).hexdigest()

    def _replay(self, db: Session, first: FirstAnswer, fingerprint: str) -> Replay:
        look_up = self._request.app.state.look_up_caller
        if look_up and first.caller_id != NOBODY:
            look_up(db, first.caller_id)  # as the route did the first time
        if first.fingerprint != fingerprint:
            raise sent_otherwise()
        return Replay(first)


def _rendered(route: APIRoute, created: object, response: Response) -> Response:
    """Return the answer that FastAPI would make of what was created."""
    adapter = _adapter(route.response_model)
    body = adapter.dump_json(adapter.validate_python(created, from_attributes=True))
    status = response.status_code or route.status_code or 200
    return Response(body, status, response.headers, "application/json")


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def sent_otherwise() -> RequestValidationError:
    """Return the error of a key that was sent before with another body."""
    return _invalid("The same key was sent before with another body")


def _invalid(message: str) -> RequestValidationError:
    error = {"loc": ("header", FIELD), "msg": message, "type": "idempotency_key"}
    return RequestValidationError([error])


def idempotent(create: Callable[..., Any]) -> Callable[..., Any]:
    """Return the endpoint of a route that takes an Idempotency-Key.

    `create` is a `def` with the parameters `db` and `response`, and without `request`. It is called
    once for each key.
    """

    @wraps(create)
    def endpoint(
        db: Session,
        request: Request,
        response: Response,
        idempotency_key: str | None,
        **inputs: Any,
    ) -> Any:
        bodies = (value for value in inputs.values() if isinstance(value, BaseModel))
        bound = partial(create, response=response, **inputs)
        return Attempt(request, idempotency_key).answer(db, response, bound, *bodies)

    own = signature(create)
    kind = Parameter.KEYWORD_ONLY
    added = [
        Parameter("request", kind, annotation=Request),
        Parameter("idempotency_key", kind, annotation=IdempotencyKey, default=None),
    ]
    endpoint.__signature__ = own.replace(  # type: ignore[attr-defined] # FastAPI reads it
        parameters=[*own.parameters.values(), *added]
    )
    return endpoint
