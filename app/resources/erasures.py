"""Files that are to be erased. The database writes a row when one that has files is deleted; a job erases them."""

from datetime import datetime

from app.kit.table import Line, Table

MEDIA = "media"
"""The store in addresses of public media (`media:products/…`); every other one is of private files."""


class Erasure(Table, table=True):
    """`address` is where the file is. `due_at` is later for files that may still be on their way into the store."""

    address: Line
    due_at: datetime
