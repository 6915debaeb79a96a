"""Resend: the only place that knows its library. A mail sent again with its key is the same mail, for a day.

What Resend cannot do now is `Unavailable`; what it will never take is `MailRefused`.
"""

import asyncio
import base64
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from app.errors import AppError, Unavailable

if TYPE_CHECKING:
    import resend
    from resend.exceptions import ResendError

log = logging.getLogger("souk.mail")
SECONDS = 10.0
"""For a whole call. The library's own time-out is for each read, so that a slow dripping answer would pass it."""
AGAIN = (408, 409, 429)
NOT_RESENDS = ("application_error", "InternalServerError")
"""What the library calls an answer that is not JSON, and one that does not name its error as Resend does."""


class MailRefused(AppError):
    """The mail provider does not take this mail."""

    status = 502


class Resend:
    """A door to Resend: `sender` is an address of a domain verified there, as `Name <address>`."""

    def __init__(self, key: str, api_base: str, sender: str) -> None:
        self.key, self.api_base, self.sender = key.strip(), api_base.rstrip("/"), sender

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
            give_up(error)
        except resend.exceptions.NoContentError as error:
            raise Unavailable("The mail provider sent an empty answer.") from error
        return id_of(answer)


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
