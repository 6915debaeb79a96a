"""People: customers, consultants, sellers and admins. One account, one e-mail, one role."""

from typing import Annotated, Any

from pydantic import AfterValidator
from sqlalchemy import Index, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import Conflict, ValidationError
from app.kit import audit
from app.kit.access import Actor, Role, admin, mine
from app.kit.resource import Look, Resource
from app.kit.table import Email, Line, Phone, Table, Title, no_nul, now
from app.resources.emails import mail
from app.resources.sellers import SellerCategory, follow_account

Password = Annotated[str, Field(min_length=8, max_length=256), AfterValidator(no_nul)]
Typed = Annotated[str, Field(max_length=1024), AfterValidator(no_nul)]
"""A password or token as it was typed: compared, never stored."""


class LastAdmin(Conflict):
    """The last admin must stay an active admin."""


class User(Table, table=True):
    """`token_version` is part of every token: raising it ends all of them."""

    __table_args__ = (
        Index("uq_users_email", func.lower(text("email")), unique=True),
        Index("ix_users_created_at", "created_at"),
    )

    email: Email
    hashed_password: str
    full_name: Title
    phone: Phone | None = None
    country: Line | None = None
    role: Role = Field(default=Role.CUSTOMER, index=True)
    seller_category: SellerCategory | None = None
    is_active: bool = Field(default=True, index=True)
    is_verified: bool = False
    token_version: int = 0


ONE_AT_A_TIME = 7_305_672
"""Lock of changes that take an admin away: locking the other admins' rows instead would deadlock."""


async def guard_roles(session: AsyncSession, actor: Actor, user: User, values: dict[str, Any]) -> None:
    """Keep one active admin, categories and shops for sellers only, and end the tokens of whoever changes."""
    role, active = values.get("role", user.role), values.get("is_active", user.is_active)
    if role is not Role.SELLER and values.get("seller_category"):
        raise ValidationError.of("/seller_category", "not_allowed", "Only sellers have a category.")
    if role is not Role.SELLER:
        values["seller_category"] = None
    if user.role is Role.ADMIN and user.is_active and (role is not Role.ADMIN or not active):
        await session.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
        admins = select(func.count()).where(User.c.role == Role.ADMIN, User.c.is_active)
        if await session.scalar(admins) == 1:
            raise LastAdmin()
    if (role, active) != (user.role, user.is_active):
        user.token_version += 1
        await follow_account(session, user.id, user.full_name, may_sell=role is Role.SELLER and active)


async def set_password(session: AsyncSession, user: User, hashed: str) -> None:
    """A new password ends every token of the account; the owner is told."""
    user.hashed_password = hashed
    user.token_version += 1
    user.updated_at = now()
    session.add(
        audit.entry(
            Actor(user.id, user.role), "changed password", user, {"hashed_password": [None, None]}, ("hashed_password",)
        )
    )
    session.add(mail(user.email, "password_changed", name=user.full_name))
    await session.flush()


async def by_email(session: AsyncSession, email: str) -> User | None:
    """The account with this e-mail, in any spelling; active or not."""
    found: User | None = await session.scalar(select(User).where(func.lower(User.c.email) == email.lower()))
    return found


EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-000000000001",
    "email": "amina@example.com",
    "full_name": "Amina Benali",
    "phone": "+213 550 12 34 56",
    "country": "DZ",
    "role": "CUSTOMER",
    "seller_category": None,
    "is_active": True,
    "is_verified": False,
    "created_at": "2026-11-22T09:30:00.000000Z",
    "updated_at": "2026-11-22T09:30:00.000000Z",
}
SECRETS = ("hashed_password", "token_version")

users = Resource(
    table=User,
    path="admin/users",
    read=admin,
    update=admin,
    writable=("role", "seller_category", "is_active"),
    hidden=SECRETS,
    filters=("role", "is_active"),
    search=("full_name", "email", "phone"),
    sort=("created_at",),
    prepare=guard_roles,
    example=EXAMPLE,
    admin=Look(
        group="People",
        icon="users",
        title="full_name",
        columns=("full_name", "email", "role", "is_active", "created_at"),
        order=40,
    ),
)

profiles = Resource(
    table=User,
    path="users",
    owner="id",
    read=mine,
    update=mine,
    writable=("full_name", "phone", "country"),
    hidden=SECRETS,
    example=EXAMPLE,
    rest=False,
)
"""One's own account; its routes (`/auth/me`) are in `flows/accounts.py`."""
