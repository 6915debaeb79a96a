"""A fresh Python, for what only it can tell; and the shop, whose mails are sent here."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.payments.conftest import resend, settings, shop, stripe

__all__ = ["resend", "run", "settings", "shop", "stripe"]


@pytest.fixture
def run() -> Callable[[str], str]:
    """Runs code in another process; what it printed."""

    def fresh(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    return fresh
