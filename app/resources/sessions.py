"""What is signed in, and what was signed out: staff sessions of the back office, and tokens that died early."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from app.kit.table import Line, Table, foreign_key


class StaffSession(Table, table=True):
    """A back-office session. The cookie holds a random key, here is only its hash."""

    key_hash: Line = Field(unique=True)
    user_id: UUID = foreign_key("users.id", ondelete="CASCADE")
    token_version: int
    expires_at: datetime = Field(index=True)


class RevokedToken(Table, table=True):
    """A token that was logged out before it expired, by its SHA-256."""

    token_hash: Line = Field(unique=True)
    expires_at: datetime = Field(index=True)
