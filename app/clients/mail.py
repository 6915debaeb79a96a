"""Resend: the only place that knows its library. A mail sent again with its key is the same mail, for a day.

What Resend cannot do now is `Unavailable`, and `Busy` when it was not even looked at; what it will never take is
`MailRefused`.
"""

import asyncio
import base64
import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from app.errors import AppError, Unavailable
from app.settings import RESEND

if TYPE_CHECKING:
    import resend
    from resend.exceptions import ResendError

log = logging.getLogger("souk.mail")
SECONDS = 10.0
"""For a whole call. The library's own time-out is for each read, so that a slow dripping answer would pass it."""
PAUSE = 0.5
"""Resend takes two requests a second of an account (resend.com/docs/api-reference/rate-limit); another address, for
development, takes what comes."""
PATIENCE, LONGEST = 2.0, 600.0
"""Seconds that a mail waits here for its turn, and that we stay away at most before we ask again."""
AGAIN = (408, 409)
NOT_RESENDS = ("application_error", "InternalServerError")
"""What the library calls an answer that is not JSON, and one that does not name its error as Resend does."""


class MailRefused(AppError):
    """The mail provider does not take this mail."""

    status = 502


class Busy(Unavailable):
    """The mail provider takes no more mails right now."""

    def __init__(self, seconds: float, detail: str | None = None) -> None:
        super().__init__(detail)
        self.seconds = seconds
        """Until it is worth asking again."""


class Line:
    """Whose turn it is: `pause` seconds lie between two mails of this process, more when the account was refused."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.free_at = self.promised = self.closed_until = self.closed_for = 0.0

    async def turn(self) -> None:
        """Wait for it. Raises Busy when that takes long, with a later turn: the worker has other work, too."""
        moment = time.monotonic()
        at = max(moment, self.free_at, self.closed_until)
        if at - moment > PATIENCE:
            self.promised = max(self.promised, at) + self.pause
            raise Busy(self.promised - moment)
        self.free_at = at + self.pause
        await asyncio.sleep(at - moment)

    def close(self, asked: float) -> float:
        """Nobody's for as many seconds as were asked for, or twice as long as the last time when that was in vain. How
        long it still is: not quite the same for all processes, which would meet again."""
        moment = time.monotonic()
        if moment >= self.closed_until:
            self.closed_for = min(max(asked, 2 * self.closed_for), LONGEST)
            self.closed_until = moment + self.closed_for * random.uniform(1, 1.2)  # noqa: S311
        return self.closed_until - moment

    def open(self) -> None:
        self.closed_for = 0.0


class Resend:
    """A door to Resend: `sender` is an address of a domain verified there, as `Name <address>`; `pause` the seconds
    from one mail to the next."""

    def __init__(self, key: str, api_base: str, sender: str, pause: float | None = None) -> None:
        self.key, self.api_base, self.sender = key.strip(), api_base.rstrip("/"), sender
        own = PAUSE if self.api_base == RESEND else 0.0
        self.line = Line(own if pause is None else pause)

    async def send(
        self,
        recipient: str,
        subject: str,
        text: str,
        html: str,
        key: str,
        attachments: Sequence[tuple[str, str, bytes]] = (),
    ) -> str:
        """Resend's id of the mail. `key` makes it one mail however often it is sent; attachments are file name,
        content type and content."""
        # Imported here: with requests and httpx it takes 26 MB, which only the process that sends has to carry.
        import resend

        await self.line.turn()
        mail: resend.Emails.SendParams = {
            "from": self.sender,
            "to": [recipient],
            "subject": subject,
            "text": text,
            "html": html,
        }
        if attachments:
            mail["attachments"] = [encoded(*each) for each in attachments]
        # The library reads these globals before it first waits, so that no other task comes between.
        resend.api_key, resend.api_url = self.key, self.api_base
        resend.default_async_http_client = resend.HTTPXClient(timeout=int(SECONDS) + 1)
        try:
            async with asyncio.timeout(SECONDS):
                answer = await resend.Emails.send_async(mail, {"idempotency_key": key})
        except TimeoutError as error:
            raise Unavailable("The mail provider did not answer in time.") from error
        except resend.exceptions.ResendError as error:
            if str(error.code) == "429":
                pause = self.line.close(wait_of(error.headers))
                raise Busy(pause, f"{Busy.title()} It says: {error.message}") from error
            give_up(error)
        except resend.exceptions.NoContentError as error:
            raise Unavailable("The mail provider sent an empty answer.") from error
        self.line.open()
        return id_of(answer)


def wait_of(headers: Mapping[str, str]) -> float:
    """The seconds that an answer asks us to wait; one, if it does not say."""
    told = headers.get("retry-after") or headers.get("ratelimit-reset") or ""
    return float(told) if told.isascii() and told.isdigit() else 1.0


def encoded(filename: str, content_type: str, content: bytes) -> "resend.Attachment":
    return {"filename": filename, "content_type": content_type, "content": base64.b64encode(content).decode()}


def give_up(error: "ResendError") -> NoReturn:
    """Raise what an error of the library means to us."""
    if error.error_type == "HttpClientError":  # its message may quote our headers, and so our key
        raise Unavailable("The mail provider could not be reached.") from None
    status, message = int(error.code) if str(error.code).isdigit() else 500, str(error.message)
    if status in (401, 403) or "api key" in message.lower():  # a wrong key is answered with 400 these days
        log.error("Resend does not let us in: %s %s", status, message)
        raise Unavailable("The mail provider does not accept our key or our sender.") from error
    if 400 <= status < 500 and status not in AGAIN and error.error_type not in NOT_RESENDS:
        raise MailRefused(message) from error
    raise Unavailable(f"The mail provider cannot be used right now: {message}") from error


def id_of(answer: object) -> str:
    found = answer.get("id") if isinstance(answer, dict) else None
    if not found or not isinstance(found, str):
        raise Unavailable("The mail provider's answer was not understood.")
    return found
