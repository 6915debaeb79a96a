"""Every environment variable Souk reads, typed. Production refuses to start with unsafe values.

The names are the field names in capitals; `.env` is read too. `.env.example` is printed from this class
(`souk env-example`) and a test keeps the two equal.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from email.utils import parseaddr
from functools import cache, lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Literal

from babel.core import get_global
from babel.numbers import get_territory_currencies
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

STRIPE, RESEND, CLOUDINARY = "https://api.stripe.com", "https://api.resend.com", "https://api.cloudinary.com"
CLOUDINARYS_OWN = (CLOUDINARY, "https://api-eu.cloudinary.com", "https://api-ap.cloudinary.com")
LOCAL_STRIPE_KEY = "sk_test_souk_local"
LOCAL_STRIPE_SECRET = "whsec_souk_local_only"  # noqa: S105
"""Key and webhook secret of the stand-in that `souk up` starts without keys; production refuses both."""
DURATION = re.compile(r"(\d{1,8})\s*([smhdw]?)")
UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(value: Any) -> Any:
    """`7d`, `12h`, `30m`, `45s` or `2w` to a timedelta; plain digits are seconds."""
    if isinstance(value, str) and (match := DURATION.fullmatch(value.strip())):
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    return value


@cache
def currencies_in_use() -> frozenset[str]:
    """ISO 4217 codes of the money that some country pays with today: no funds, no metals, nothing of the past."""
    countries = get_global("territory_currencies")
    return frozenset(code for country in countries for code in get_territory_currencies(country))


def in_use(code: str) -> str:
    if code not in currencies_in_use():
        raise ValueError(f"{code!r} is no currency of ISO 4217 that a country pays with today")
    return code


Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s?#@]+/?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Code = Annotated[str, StringConstraints(to_upper=True), AfterValidator(in_use)]


def comma_separated(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", validate_default=True, hide_input_in_errors=True
    )

    environment: Literal["development", "test", "production"] = Field(
        "development", description="development, test or production; production refuses unsafe values."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 inside a container.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    data_dir: Path = Field(Path("var"), description="Folder of the local database, cache and files.")
    database_url: Annotated[str, StringConstraints(pattern=r"^postgres(ql)?(\+psycopg)?://")] | None = Field(
        None, description="PostgreSQL 14 or newer, as postgresql://…; empty: a local server under DATA_DIR."
    )
    database_pool: int = Field(
        10, ge=2, le=200, description="Connections each process may hold for writing, and as many for reading."
    )
    redis_url: Annotated[str, StringConstraints(pattern=r"^(rediss?|valkeys?|unix)://")] | None = Field(
        None, description="Valkey or Redis; empty: a local server under DATA_DIR."
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Signs tokens, at least 32 characters; empty in development: made once and kept in DATA_DIR."
    )
    jwt_expiration: Annotated[timedelta, BeforeValidator(duration)] = Field(
        timedelta(days=7), gt=timedelta(0), le=timedelta(days=3650), description="How long a token lives: 7d, 12h, 30m."
    )
    frontend_url: str = Field(
        "http://localhost:3000", description="The site that uses the API: allowed by CORS, and where mailed links lead."
    )
    public_url: Origin | None = Field(
        None,
        description="Where the world reaches this server, as https://host; pictures kept here are addressed below it.",
    )
    currencies: Annotated[list[Code], NoDecode, BeforeValidator(comma_separated)] = Field(
        ["USD", "EUR", "GBP", "CAD", "AED", "DZD", "JPY", "KWD"],
        description="Currencies that prices may have, by their ISO 4217 codes.",
    )
    phone_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$", to_upper=True)] = Field(
        "DZ", description="Country whose phone numbers may come without its code, as two letters of ISO 3166."
    )
    unpaid_order_expiration: Annotated[timedelta, BeforeValidator(duration)] = Field(
        timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=365),
        description="How long goods wait for a card to be paid; then they are for sale again.",
    )
    admin_email: str | None = Field(None, description="Creates the first admin, together with ADMIN_PASSWORD.")
    admin_password: SecretStr | None = Field(None, description="The first admin's password.")
    rate_limits: Literal["on", "off"] = Field("on", description="Limits of requests and wrong logins: on or off.")
    stripe_secret_key: SecretStr | None = Field(
        None, description="Stripe's secret key; empty: no card payments (`souk up` starts a local stand-in)."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None,
        description="Signs Stripe's webhooks; several, comma-separated, while one is replaced; empty: no webhooks.",
    )
    stripe_api_base: str = Field(STRIPE, description="Where Stripe's API is; another address is for development only.")
    reconcile_seconds: int = Field(
        120, ge=1, le=86_400, description="How often open payments, events and mails are looked after."
    )
    resend_api_key: SecretStr | None = Field(
        None, description="Sends mails by Resend; empty: mails are kept in the outbox only."
    )
    resend_api_base: str = Field(RESEND, description="Where Resend's API is; another address is for development only.")
    from_email: str = Field(
        "Souk <hello@souk.example>", description="Sender of mails, as `Name <address>`; the name signs them."
    )
    r2_account_id: Name | None = Field(
        None,
        description="Cloudflare account whose R2 keeps files; empty, and no R2_ENDPOINT: files are kept in DATA_DIR.",
    )
    r2_endpoint: Origin | None = Field(
        None, description="Another S3 server, as https://host without a path; empty: R2's, by R2_ACCOUNT_ID."
    )
    r2_access_key_id: SecretStr | None = Field(None, description="Access key of the bucket.")
    r2_secret_access_key: SecretStr | None = Field(None, description="Secret that belongs to the access key.")
    r2_bucket: BucketName | None = Field(
        None, description="Bucket of pictures, and of documents without one of their own."
    )
    r2_public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+$")] | None = Field(
        None, description="Where the world reads R2_BUCKET; documents then need a bucket of their own."
    )
    r2_private_bucket: BucketName | None = Field(
        None, description="Bucket of documents alone; needed with R2_PUBLIC_URL."
    )
    cloudinary_cloud_name: Name | None = Field(
        None,
        description="Cloudinary account that keeps documents, before any bucket; empty: documents are kept elsewhere.",
    )
    cloudinary_api_key: str | None = Field(None, description="Cloudinary's API key.")
    cloudinary_api_secret: SecretStr | None = Field(None, description="Cloudinary's API secret.")
    cloudinary_api_base: Origin = Field(
        CLOUDINARY, description="Where Cloudinary's API is; another address than its own is for development only."
    )
    clamav_socket: Annotated[str, StringConstraints(pattern=r"^(/.+|[^/\s]+:\d{1,5})$")] | None = Field(
        None, description="Scans documents by clamd, at a socket's path or host:port; empty: no virus scan."
    )
    document_quota_mb: int = Field(
        200, ge=1, le=1_000_000, description="How many megabytes of documents one customer may keep."
    )

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def webhook_secrets(self) -> list[str]:
        return [part.strip() for part in reveal(self.stripe_webhook_secret).split(",") if part.strip()]

    @property
    def r2_url(self) -> str:
        return self.r2_endpoint or f"https://{self.r2_account_id}.r2.cloudflarestorage.com"

    @property
    def media_url(self) -> str:
        """What the keys of pictures are put behind, with a slash between: at R2_PUBLIC_URL, else below /media here."""
        if self.r2_public_url:
            return f"{self.r2_public_url.rstrip('/')}/public"
        return f"{self.here}/media"

    @property
    def here(self) -> str:
        """Where this server is reached; nothing in production while PUBLIC_URL is not set."""
        return (self.public_url or ("" if self.production else f"http://127.0.0.1:{self.port}")).rstrip("/")

    @property
    def documents_are_public(self) -> bool:
        """Whether documents would go into a bucket that the world may read."""
        elsewhere = self.cloudinary_cloud_name or self.r2_private_bucket not in (None, self.r2_bucket)
        return self.r2_public_url is not None and not elsewhere

    @property
    def shop(self) -> str:
        """The name that signs mails and receipts."""
        return parseaddr(self.from_email)[0] or "Souk"

    @model_validator(mode="after")
    def refuse_half_a_store(self) -> "Settings":
        if wrong := list(half_set(self)):
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def refuse_public_passports(self) -> "Settings":
        if self.documents_are_public:
            raise ValueError(
                "R2_PUBLIC_URL opens R2_BUCKET to the world, and passports must not lie there: "
                "set R2_PRIVATE_BUCKET to another bucket, or Cloudinary"
            )
        return self

    @model_validator(mode="after")
    def refuse_unsafe_production(self) -> "Settings":
        if self.production and (wrong := list(unsafe(self))):
            raise ValueError("not safe for production: " + "; ".join(wrong))
        return self

    def signing_key(self) -> str:
        """The secret that signs tokens. In development it is made on first use and kept in DATA_DIR."""
        if self.jwt_secret:
            return self.jwt_secret.get_secret_value()
        kept = self.data_dir / "jwt_secret"
        if not kept.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self.data_dir) as made:  # only its owner may read it
                made.write(secrets.token_urlsafe(48))
                made.flush()
                with suppress(FileExistsError):  # another process was faster: its secret counts
                    os.link(made.name, kept)
        return kept.read_text()


def reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def half_set(settings: Settings) -> Iterator[str]:
    """What is missing where some variables of a store are set and others not, in sentences."""
    r2 = {name for name in Settings.model_fields if name.startswith("r2_")}
    needed = [*sorted(r2 - {"r2_account_id", "r2_endpoint", "r2_public_url", "r2_private_bucket"})]
    if not settings.r2_endpoint:
        needed.append("r2_account_id")
    cloudinary = ["cloudinary_cloud_name", "cloudinary_api_key", "cloudinary_api_secret"]
    for title, group, required in (("R2", r2, needed), ("Cloudinary", cloudinary, cloudinary)):
        missing = [name.upper() for name in required if getattr(settings, name) is None]
        if missing and any(getattr(settings, name) is not None for name in group):
            yield f"{title} is set up only half: set {' and '.join(missing)} too, or nothing of it"


def unsafe(settings: Settings) -> list[str]:
    """What keeps these settings out of production, in sentences."""
    secret = reveal(settings.jwt_secret)
    password = settings.admin_password.get_secret_value() if settings.admin_password else None
    checks = {
        "JWT_SECRET needs at least 32 characters of real randomness": len(secret) < 32 or len(set(secret)) < 10,
        "DATABASE_URL must be set": not settings.database_url,
        "REDIS_URL must be set": not settings.redis_url,
        "FRONTEND_URL must start with https://": not settings.frontend_url.startswith("https://"),
        "PUBLIC_URL must start with https://": not (settings.public_url or "https://").startswith("https://"),
        "RATE_LIMITS must be on": settings.rate_limits != "on",
        "ADMIN_PASSWORD needs at least 12 characters": password is not None and len(password) < 12,
        "STRIPE_API_BASE must be Stripe's own": settings.stripe_api_base.rstrip("/") != STRIPE,
        "RESEND_API_BASE must be Resend's own": settings.resend_api_base.rstrip("/") != RESEND,
        "STRIPE_WEBHOOK_SECRET is the local stand-in's": LOCAL_STRIPE_SECRET in settings.webhook_secrets,
        "STRIPE_SECRET_KEY is the local stand-in's": reveal(settings.stripe_secret_key) == LOCAL_STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET needs at least 16 characters": any(len(each) < 16 for each in settings.webhook_secrets),
        "FROM_EMAIL must be set when RESEND_API_KEY is": settings.resend_api_key is not None
        and "from_email" not in settings.model_fields_set,
        "R2_ENDPOINT must start with https://": not (settings.r2_endpoint or "https://").startswith("https://"),
        "R2_PUBLIC_URL must start with https://": not (settings.r2_public_url or "https://").startswith("https://"),
        "CLOUDINARY_API_BASE must be Cloudinary's own": settings.cloudinary_api_base.rstrip("/") not in CLOUDINARYS_OWN,
    }
    return [sentence for sentence, wrong in checks.items() if wrong]


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()


@lru_cache(maxsize=1)
def signing_key() -> str:
    """The secret that signs tokens, read once."""
    return get_settings().signing_key()


def env_example() -> str:
    """The text of `.env.example`: every variable with its meaning and default, commented out."""
    lines = ["# Every setting of Souk, with its default. Made by `souk env-example`; do not edit by hand.", ""]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"# {name.upper()}={shown_default(field.default)}", ""]
    return "\n".join(lines)


def shown_default(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.days}d" if value.days else f"{value.seconds // 3600}h"
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)
