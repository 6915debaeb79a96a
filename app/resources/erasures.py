"""Files that are to be erased. The database writes a row when a document is deleted; a job erases and takes it away."""

from datetime import datetime

from app.kit.table import Line, Table


class Erasure(Table, table=True):
    """`address` is where the file is. `due_at` is later for files that may still be on their way into the store."""

    address: Line
    due_at: datetime
