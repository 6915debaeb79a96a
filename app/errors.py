"""The error family, and the one shape in which every error leaves: RFC 9457 problem+json.

An error is a class named after the situation. Its docstring is the title, its name in snake_case the stable `code`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

PROBLEM_JSON = "application/problem+json"
SEND_JSON = "Send JSON, as Content-Type: application/json."


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class AppError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 400
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.headers = {**type(self).headers, **(headers or {})}
        self.extra = extra

    @classmethod
    def code(cls) -> str:
        return snake_case(cls.__name__)

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]

    def problem(self, request_id: str) -> bytes:
        return problem(self.status, self.code(), self.title(), self.detail, request_id, **self.extra)


def problem(status: int, code: str, title: str, detail: str, request_id: str, **extra: Any) -> bytes:
    """The body of a problem answer. ASCII-only JSON, so that nothing a caller sent can fail to encode."""
    body = {"type": f"urn:souk:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
    return json.dumps({**body, "request_id": request_id, **extra}, default=str).encode()


def in_words(error: BaseException) -> str:
    """An error as staff read it in a row that failed: our own sentence, or just the kind of what nobody foresaw."""
    return error.detail if isinstance(error, AppError) else f"Something failed on our side ({type(error).__name__})."


class BadRequest(AppError):
    """The request could not be understood."""


class ValidationError(AppError):
    """Some values are not valid."""

    status = 422

    def __init__(self, errors: Sequence[Mapping[str, Any]], detail: str | None = None) -> None:
        first = errors[0]
        super().__init__(detail or f"{first['pointer'] or 'body'}: {first['message']}", errors=list(errors))

    @classmethod
    def of(cls, pointer: str, code: str, message: str, allowed: Sequence[str] | None = None) -> "ValidationError":
        """One wrong value. `pointer` is a JSON pointer in the body, or `?name` for a query parameter."""
        extra = {} if allowed is None else {"allowed": list(allowed)}
        return cls([{"pointer": pointer, "code": code, "message": message, **extra}])


class NotAuthenticated(AppError):
    """You are not signed in."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class InvalidCredentials(NotAuthenticated):
    """E-mail or password is wrong."""


class Forbidden(AppError):
    """This action is not yours to take."""

    status = 403


class NotFound(AppError):
    """There is no such thing here."""

    status = 404


class MethodNotAllowed(AppError):
    """This address does not take that method."""

    status = 405


class Conflict(AppError):
    """The change does not fit the present state."""

    status = 409


class AlreadyExists(Conflict):
    """Something with this value exists already."""


class InUse(Conflict):
    """Other rows still refer to this one."""


class Stale(AppError):
    """Somebody changed this since you read it."""

    status = 412


class PayloadTooLarge(AppError):
    """The request is too large."""

    status = 413
    headers: Mapping[str, str] = {"Connection": "close"}


class UnsupportedMediaType(AppError):
    """This kind of content is not accepted here."""

    status = 415


class RateLimited(AppError):
    """Too many requests."""

    status = 429


class InternalError(AppError):
    """Something failed on our side."""

    status = 500


class Unavailable(AppError):
    """This cannot be done right now, try again in a moment."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "5"}


BY_STATUS: dict[int, type[AppError]] = {
    error.status: error
    for error in (
        BadRequest,
        NotAuthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        PayloadTooLarge,
        UnsupportedMediaType,
        RateLimited,
        InternalError,
        Unavailable,
    )
}
