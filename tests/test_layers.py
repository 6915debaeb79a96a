"""Imports run one way, and each outside library has one home. Read from the syntax of every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    ("app.settings", "app.errors", "app.mrz", "app.turns", "app.decoders", "app.local", "app.doubles"),
    ("app.db", "app.clients", "app.jobs", "app.inspection"),
    ("app.kit",),
    ("app.resources",),
    ("app.auth", "app.letters", "app.receipt", "app.settlement", "app.multipart", "app.wanted", "app.selling"),
    ("app.limits",),
    ("app.flows",),
    ("admin",),
    ("app.main", "app.edge", "app.health", "app.migrate", "app.running", "app.seed", "app.__main__"),
)
"""From the bottom: a module imports its own layer and those below."""
HOMES = {
    **dict.fromkeys(("stripe", "obstore", "cloudinary", "resend", "valkey"), ("app.clients",)),
    **dict.fromkeys(("pyvips", "pikepdf"), ("app.decoders",)),
    "sqladmin": ("admin",),
}


def modules() -> dict[str, ast.Module]:
    files = sorted(path for folder in ("app", "admin") for path in (ROOT / folder).rglob("*.py"))
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    return {names[path]: ast.parse(path.read_text()) for path in files}


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, anywhere in it; `from a import b` is both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer(module: str) -> int | None:
    return next(
        (height for height, packages in enumerate(LAYERS) for package in packages if within(module, package)), None
    )


def broken_laws(module: str, tree: ast.AST) -> list[str]:
    own, found = layer(module), []
    for name in imported(tree):
        theirs = layer(name)
        if own is not None and theirs is not None and theirs > own:
            found.append(f"{module} imports {name}, which is above it")
        if within(module, "app.flows") and module != "app.flows" and within(name, "app.flows"):
            found.append(f"{module} imports {name}: flows do not import flows")
        for library, homes in HOMES.items():
            if within(name, library) and not any(within(module, home) for home in homes):
                found.append(f"{module} imports {library}, whose home is {homes[0]}")
    return found


def test_every_module_has_a_layer():
    assert [module for module in modules() if layer(module) is None and module != "app"] == []


def test_imports_run_one_way():
    assert [law for module, tree in modules().items() for law in broken_laws(module, tree)] == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("app.kit.query", "from app.resources.users import User"),
        ("app.kit.query", "import app.resources.users"),
        ("app.kit.query", "if TYPE_CHECKING:\n    from app.flows import ROUTERS"),
        ("app.kit.query", "def late():\n    from app.auth import authenticate"),
        ("app.errors", "from app import db"),
        ("app.db", "from app.kit.table import Table"),
        ("app.resources.users", "from app import auth"),
        ("app.auth", "from app.flows.accounts import login"),
        ("app.flows.ordering", "from app.flows.order_steps import timeline"),
        ("app.flows.ordering", "from app.flows import order_steps"),
        ("app.flows.ordering", "from admin import views"),
        ("app.local", "from app.main import create_app"),
        ("app.flows.payments", "import stripe"),
        ("app.kit.changes", "from obstore.store import LocalStore"),
        ("app.edge", "from valkey.asyncio import Valkey"),
        ("app.main", "from sqladmin import Admin"),
    ],
)
def test_a_broken_law_is_found(module, code):
    assert broken_laws(module, ast.parse(code))


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("app.kit.query", "from app.kit.resource import Resource\nfrom app.errors import NotFound"),
        ("app.flows.ordering", "from app import auth\nfrom app.kit import changes"),
        ("app.clients.stripe", "import stripe"),
        ("admin.views", "from sqladmin import ModelView\nfrom app.flows.ordering import place_service_order"),
        ("app.main", "import app.resources, admin\nfrom app.edge import Edge"),
    ],
)
def test_lawful_imports_are_left_alone(module, code):
    assert broken_laws(module, ast.parse(code)) == []
