"""Where pages of the back office have their pictures from: this site where they are kept here, else the open bucket."""

from functools import cache
from urllib.parse import urlsplit

from app.settings import get_settings


def source(url: str) -> str:
    """The `src` for a picture's URL. Pages may be open under another name of this site than PUBLIC_URL."""
    settings = get_settings()
    return url if settings.r2_public_url else f"/media{url.removeprefix(settings.media_url)}"


@cache
def origin() -> str:
    """What pages may load pictures from, besides this site: the origin of R2_PUBLIC_URL, or nothing."""
    parts = urlsplit(get_settings().r2_public_url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
