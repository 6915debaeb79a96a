"""One of each kind of store, empty and real, but for Cloudinary, which is a double."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import obstore
import pytest

from app.clients.cloudinary import Cloudinary
from app.clients.storage import Objects, Store, bucket, folder
from tests.doubles.cloudinary import LocalCloudinary
from tests.doubles.s3 import S3
from tests.doubles.serving import serving


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server = S3(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def in_bucket(s3: S3) -> Objects:
    return of_s3(s3.endpoint)


def of_s3(endpoint: str, seconds: float = 2, **values: str) -> Objects:
    """Each time another prefix of the bucket, unless it is told."""
    said = {"bucket": "souk", "prefix": uuid4().hex, "access_key": S3.access_key, "secret_key": S3.secret_key}
    return bucket("s3", endpoint, **{**said, **values}, seconds=seconds)


def held(store: Objects) -> list[str]:
    """The keys of all its files."""
    return [each["path"] for page in obstore.list(store.store) for each in page]


@contextmanager
def full_disk() -> Iterator[None]:
    """Here nobody can write more than the first megabyte of a file."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.fixture
def local(tmp_path: Path) -> Objects:
    return folder(tmp_path / "storage" / "private")


@pytest.fixture
def account() -> LocalCloudinary:
    return LocalCloudinary()


@pytest.fixture
def cloudinary_url(account: LocalCloudinary) -> Iterator[str]:
    with serving(account) as url:
        yield url


@pytest.fixture
def in_cloud(cloudinary_url: str) -> Cloudinary:
    return Cloudinary("souk", "1234", "shh", cloudinary_url, seconds=2)


@pytest.fixture(params=["local", "s3", "cloudinary"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each of the stores in turn."""
    found: Store = request.getfixturevalue(
        {"local": "local", "s3": "in_bucket", "cloudinary": "in_cloud"}[request.param]
    )
    return found


@pytest.fixture(params=["s3", "cloudinary"])
def remote(request: pytest.FixtureRequest) -> Store:
    """Each of the stores that are away from here."""
    found: Store = request.getfixturevalue({"s3": "in_bucket", "cloudinary": "in_cloud"}[request.param])
    return found
