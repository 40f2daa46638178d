"""The OpenAPI document: the header fields and the problems of each route's answers.

FastAPI knows neither. Both follow from what a route takes, so that routers stay short. A router
declares by `problem_responses` only what follows from its subject: 401, 403 and 409.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Literal

from pydantic import MISSING, BaseModel, Field
from pydantic.json_schema import models_json_schema

from chassis.problems import MEDIA_TYPE, TITLES

Document = dict[str, Any]

DEFAULT = "default"  # every status that a route does not list
MEANINGS: dict[int | str, str] = {
    400: "The body cannot be read.",
    401: "The request has no valid token or credentials.",
    403: "The caller may not do this.",
    404: "Nothing has this id, or nothing that the caller may see.",
    409: "This conflicts with what is stored.",
    412: "If-Match or If-None-Match rules out the version that is stored.",
    413: "The body is too large.",
    415: "The body has another media type.",
    422: "A field or a parameter is invalid; see errors.",
    429: "This client sent too many requests.",
    502: "The service sent no valid answer.",
    503: "The service does not answer at the moment.",
    504: "The service took too long. What was sent may have been done.",
    507: "The storage is full. Nothing was stored.",
    DEFAULT: "Any other error.",
}
CHANGES = {"put", "patch", "delete"}  # and what creates
FIELD_ERROR = {"loc": ["body", "title"], "msg": "Field required", "type": "missing"}


class FieldError(BaseModel):
    """The fault of one field, parameter or body."""

    loc: list[str | int] = Field(description="The place: body, query or path, then the names")
    msg: str
    type: str


class Problem(BaseModel):
    """An error (RFC 9457). It never repeats a value that was sent."""

    type: Literal["about:blank"]
    title: str = Field(description="The status in words")
    status: int
    detail: str = Field(description="The fault, in a sentence")
    instance: str = Field(description="The path of the request")
    request_id: str = Field(description="X-Request-ID, as in the logs")
    errors: list[FieldError] | MISSING = Field(MISSING, description="Only with 422")
    error: str | MISSING = Field(
        MISSING, description="Only with errors of OAuth2: RFC 6749, section 5.2"
    )


def _field(description: str, kind: str = "string") -> Document:
    return {"description": description, "schema": {"type": kind}}


EVERYWHERE = {  # also in problems, where listing them would hide the others
    "X-Request-ID": _field("The client's, or a new one. It is in every log line."),
    "Cache-Control": _field("Whether a cache may store the answer, and must revalidate it"),
    "Vary": _field("The request's header fields that the answer depends on"),
}
ETAG = {"ETag": _field("The version that is shown, as a strong tag (RFC 9110, section 8.8.3)")}
LOCATION = {"Location": _field("The path of what was created")}
LINK = {"Link": _field('`<path?query>; rel="next"` when there is more (RFC 8288)')}
REPLAYED = {"Idempotent-Replayed": _field("`true` if this repeats the first answer")}
TOTAL = {"X-Total-Count": _field("With `count=true`: the length of the whole list", "integer")}
RETRY_AFTER = {"Retry-After": _field("Seconds to wait", "integer")}
FIELDS_OF: dict[int | str, Document] = {
    401: {"WWW-Authenticate": _field("`Bearer`")},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
    DEFAULT: {"Allow": _field("With 405: the methods of this path")},
}


IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
PRECONDITIONS = {
    IF_MATCH: "The ETag that was read, or several. If none is the stored version's: 412.",
    IF_NONE_MATCH: "The ETag that was read, or several. If one is the stored version's: 304.",
}


def precondition(methods: Iterable[str]) -> Document:
    """Return the `openapi_extra` of a route that takes preconditions."""
    name = IF_NONE_MATCH if "GET" in methods else IF_MATCH
    return {"parameters": [{"name": name, "in": "header", **_field(PRECONDITIONS[name])}]}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route or a router that answers with these errors too."""
    return {status: {"description": MEANINGS[status]} for status in statuses}


def problem_components() -> Document:
    """Return the components that the problems of a document are made of."""
    _, schemas = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    responses = {_name(status): _response(status) for status in MEANINGS}
    return {"schemas": schemas["$defs"], "responses": responses}


def add_problems(operation: Document, statuses: Iterable[int]) -> None:
    """Add these errors to an operation, and any other error by default."""
    every: list[int | str] = [*statuses, DEFAULT]
    added = {str(it): {"$ref": f"#/components/responses/{_name(it)}"} for it in every}
    operation["responses"] = dict(sorted({**operation.get("responses", {}), **added}.items()))


def complete(document: Document) -> Document:
    """Add to each operation of a service the header fields and the problems of its answers."""
    operations = [each for item in document["paths"].values() for each in item.values()]
    for operation in operations:
        if IF_NONE_MATCH in _parameters(operation):
            operation["responses"]["304"] = {"description": "If-None-Match has the current ETag."}
    tagged = [_shape(each["responses"]["200"]) for each in operations if "304" in each["responses"]]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if status.startswith(("2", "3")):
                    is_tagged = status == "304" or _shape(response) in tagged
                    response["headers"] = _fields(status, operation) | (ETAG if is_tagged else {})
            add_problems(operation, _errors(method, path, operation))
    for section, entries in problem_components().items():
        document.setdefault("components", {}).setdefault(section, {}).update(entries)
    return document


def leave_sign_in_out(document: Document) -> None:
    """Take the sign-in out of the document of a service that knows no callers."""
    document.get("components", {}).pop("securitySchemes", None)
    for item in document["paths"].values():
        for operation in item.values():
            operation.pop("security", None)


def _errors(method: str, path: str, operation: Document) -> Iterator[int]:
    """Yield the errors that an operation declares, and those that follow from what it takes."""
    declared = [int(status) for status in operation["responses"] if status.isdigit()]
    yield from (status for status in declared if status >= HTTPStatus.BAD_REQUEST)
    yield from (422, 503)  # an unknown query parameter is invalid everywhere
    if "requestBody" in operation:
        yield from (400, 413, 415)
    if "security" in operation:
        yield 401
    if "{" in path:
        yield 404
    if method in CHANGES or HTTPStatus.CREATED in declared:
        yield from (504, 507)
    if _parameters(operation) & set(PRECONDITIONS):
        yield 412


def _fields(status: str, operation: Document) -> Document:
    """Return the header fields of an operation's success."""
    parameters = _parameters(operation)
    fields = dict(EVERYWHERE)
    if status == str(HTTPStatus.CREATED.value):
        fields |= LOCATION
    if "Idempotency-Key" in parameters:
        fields |= REPLAYED
    if "after" in parameters:
        fields |= LINK
    if "count" in parameters:
        fields |= TOTAL
    return fields


def _parameters(operation: Document) -> set[str]:
    """Return the names of what an operation takes beside a body."""
    return {parameter["name"] for parameter in operation.get("parameters", [])}


def _shape(response: Document) -> Document | None:
    """Return the schema of an answer. What has the schema of a tagged answer has a tag too."""
    content: Document = response.get("content", {})
    schema: Document | None = content.get("application/json", {}).get("schema")
    return schema


def _name(status: int | str) -> str:
    """Return the name of a component: NotFound, or Problem by default."""
    return "Problem" if isinstance(status, str) else TITLES[status].title().replace(" ", "")


def _response(status: int | str) -> Document:
    meaning = MEANINGS[status]
    content: Document = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if isinstance(status, int):
        content["example"] = {
            "type": "about:blank",
            "title": TITLES[status],
            "status": status,
            "detail": meaning,
            "instance": "/",
            "request_id": "5b2e6c0d9f7a4e0c8f3f3c1b7d4a9e21",
        }
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        content["example"]["errors"] = [FIELD_ERROR]
    fields = FIELDS_OF.get(status, {})
    return {"description": meaning, "headers": fields, "content": {MEDIA_TYPE: content}}
