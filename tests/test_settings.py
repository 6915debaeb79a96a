"""Settings: production refuses what is unsafe, durations and lists are read, `.env.example` is always true."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import LOCAL_STRIPE_KEY, LOCAL_STRIPE_SECRET, Settings, env_example

SAFE = {
    "environment": "production",
    "database_url": "postgresql://db/souk",
    "redis_url": "redis://cache/0",
    "jwt_secret": "p3Yx9Qm2Vt7Lr4Ks8Wn5Bd1Hf6Jc0Za_",
    "frontend_url": "https://souk.example",
    "rate_limits": "on",
}
R2 = {"r2_account_id": "abc123", "r2_access_key_id": "key", "r2_secret_access_key": "secret", "r2_bucket": "souk"}
CLOUDINARY = {"cloudinary_cloud_name": "souk", "cloudinary_api_key": "1234", "cloudinary_api_secret": "shh"}


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


def test_safe_production_settings_are_accepted():
    assert settings(**SAFE).production
    assert settings(**SAFE, admin_email="a@b.cd", admin_password="a long passphrase").admin_email == "a@b.cd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("jwt_secret", value) for value in ("short", "a" * 40, "abababababababababababababababababab", "x" * 31)),
        ("database_url", None),
        ("redis_url", None),
        *(("frontend_url", value) for value in ("http://souk.example", "souk.example", "")),
        ("rate_limits", "off"),
        ("public_url", "http://api.souk.example"),
        ("stripe_secret_key", LOCAL_STRIPE_KEY),
        ("stripe_webhook_secret", LOCAL_STRIPE_SECRET),
        *(("stripe_api_base", value) for value in ("http://127.0.0.1:8001", "https://api.stripe.com.example")),
        ("admin_password", "short"),
        ("r2_endpoint", "http://files.souk.example"),
        ("r2_public_url", "http://pictures.souk.example"),
        *(
            ("cloudinary_api_base", value)
            for value in ("http://127.0.0.1:8001", "http://api.cloudinary.com", "https://api.cloudinary.com.example")
        ),
    ],
)
def test_production_refuses_to_start_with(name, value, monkeypatch):
    monkeypatch.delenv("JWT_SECRET", raising=False)
    more = {**R2, "r2_private_bucket": "souk-private"} if name.startswith("r2_") else {}
    with pytest.raises(ValidationError, match=f"not safe for production.*{name.upper()}"):
        settings(**{**SAFE, **more, name: value})


@pytest.mark.parametrize("environment", ["production", "development"])
def test_no_passports_go_into_a_bucket_that_is_open_to_the_world(environment):
    opened = {**SAFE, **R2, "r2_public_url": "https://pictures.souk.example", "environment": environment}
    for more in ({}, {"r2_private_bucket": "souk"}):
        with pytest.raises(ValidationError, match="passports must not lie there: set R2_PRIVATE_BUCKET"):
            settings(**opened, **more)
    for more in ({"r2_private_bucket": "souk-private"}, CLOUDINARY):
        assert settings(**opened, **more).r2_public_url
    assert settings(**SAFE, **R2).r2_url == "https://abc123.r2.cloudflarestorage.com"


@pytest.mark.parametrize("base", ["https://api.cloudinary.com", "https://api-eu.cloudinary.com/"])
def test_cloudinary_has_addresses_of_its_own(base):
    assert settings(**SAFE, **CLOUDINARY, cloudinary_api_base=base)


@pytest.mark.parametrize("group", [R2, {**R2, "r2_endpoint": "http://127.0.0.1:9000"}, CLOUDINARY])
def test_a_store_that_is_set_up_half_is_refused_with_what_is_missing(group):
    assert settings(**group)
    for name in group.keys() - {"r2_endpoint", "r2_account_id"}:
        with pytest.raises(ValidationError, match=f"only half: set {name.upper()} too"):
            settings(**{key: value for key, value in group.items() if key != name})


def test_every_variable_of_a_store_counts_as_a_half():
    missing = "R2_ACCESS_KEY_ID and R2_BUCKET and R2_SECRET_ACCESS_KEY"
    with pytest.raises(ValidationError, match=f"only half: set {missing} and R2_ACCOUNT_ID too"):
        settings(r2_public_url="https://pictures.souk.example")
    with pytest.raises(ValidationError, match=f"only half: set {missing} too"):
        settings(r2_endpoint="https://files.souk.example")
    with pytest.raises(ValidationError, match="set R2_ACCOUNT_ID too"):
        settings(**{name: value for name, value in R2.items() if name != "r2_account_id"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("r2_endpoint", "https://abc123.r2.cloudflarestorage.com/souk"),
        ("r2_endpoint", "files.souk.example"),
        ("r2_account_id", "abc/123"),
        ("r2_bucket", "souk/private"),
        ("r2_public_url", "pictures.souk.example"),
        ("cloudinary_cloud_name", "souk/../other"),
        ("clamav_socket", "clamd"),
        ("public_url", "https://souk.example/api"),
        ("document_quota_mb", 0),
    ],
)
def test_what_no_store_is_called_is_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        settings(**{**R2, **CLOUDINARY, name: value})


def test_pictures_are_addressed_where_the_world_reads_them():
    assert settings(port=8100).media_url == "http://127.0.0.1:8100/media"
    assert settings(**SAFE).media_url == "/media"
    assert settings(**SAFE, public_url="https://api.souk.example/").media_url == "https://api.souk.example/media"
    opened = {**R2, "r2_public_url": "https://pictures.souk.example/x/", "r2_private_bucket": "souk-private"}
    assert settings(**SAFE, **opened, public_url="https://api.souk.example").media_url == (
        "https://pictures.souk.example/x/public"
    )


def test_production_needs_a_secret_of_its_own(monkeypatch):
    monkeypatch.delenv("JWT_SECRET", raising=False)
    with pytest.raises(ValidationError, match="JWT_SECRET"):
        settings(**{name: value for name, value in SAFE.items() if name != "jwt_secret"})


def test_a_refusal_never_shows_a_secret(monkeypatch):
    with pytest.raises(ValidationError) as refused:
        settings(**{**SAFE, "admin_password": "hunter2", "database_url": "postgresql://souk:topsecret@db/souk"})
    assert "hunter2" not in str(refused.value)
    assert "topsecret" not in str(refused.value)
    assert SAFE["jwt_secret"] not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("2w", timedelta(weeks=2)),
        ("3600", timedelta(hours=1)),
    ],
)
def test_durations(text, meaning, monkeypatch):
    monkeypatch.setenv("JWT_EXPIRATION", text)
    assert settings().jwt_expiration == meaning


@pytest.mark.parametrize("text", ["soon", "7y", "-1d", "0", "0d", "1d2h x", "99999999999d"])
def test_what_is_no_duration_is_refused(text, monkeypatch):
    monkeypatch.setenv("JWT_EXPIRATION", text)
    with pytest.raises(ValidationError):
        settings()


def test_currencies_come_as_a_list(monkeypatch):
    monkeypatch.setenv("CURRENCIES", "usd, EUR,,KWD ")
    assert settings().currencies == ["USD", "EUR", "KWD"]


def test_every_currency_that_is_paid_with_today_may_be_set(monkeypatch):
    monkeypatch.setenv("CURRENCIES", "xpf,BIF,ISK,TWD,JOD")
    assert settings().currencies == ["XPF", "BIF", "ISK", "TWD", "JOD"]


@pytest.mark.parametrize("code", ["XYZ", "ABC", "DEM", "XXX", "XAU", "US", "DOLLAR", "U$D"])
def test_what_is_no_currency_is_refused_in_one_sentence(code, monkeypatch):
    monkeypatch.setenv("CURRENCIES", f"USD,{code}")
    with pytest.raises(ValidationError) as refused:
        settings()
    (error,) = refused.value.errors()
    assert error["loc"] == ("currencies", 1)
    assert error["msg"] == f"Value error, '{code}' is no currency of ISO 4217 that a country pays with today"


def test_empty_variables_count_as_absent(monkeypatch):
    monkeypatch.setenv("JWT_SECRET", "")
    monkeypatch.setenv("PORT", "")
    assert (settings().jwt_secret, settings().port) == (None, 8000)


def test_a_development_secret_is_made_once_and_kept_to_its_owner(tmp_path, monkeypatch):
    monkeypatch.delenv("JWT_SECRET", raising=False)
    first, second = (settings(data_dir=tmp_path / "var").signing_key() for _ in range(2))
    assert first == second
    assert len(first) >= 32
    assert (tmp_path / "var" / "jwt_secret").stat().st_mode & 0o077 == 0


def test_secrets_do_not_show():
    shown = repr(settings(**SAFE, admin_password="a long passphrase"))
    assert SAFE["jwt_secret"] not in shown
    assert "passphrase" not in shown


def test_env_example_is_what_the_settings_say():
    assert (Path(__file__).parent.parent / ".env.example").read_text() == env_example()
    assert all(f"# {name.upper()}=" in env_example() for name in Settings.model_fields)
