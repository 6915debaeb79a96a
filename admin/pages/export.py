"""Lists as CSV, for admins: the rows and order of the list, its visible columns, nothing a spreadsheet would run."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.kinds import kind_of
from admin.page import database_of, office_of
from admin.pages.lists import asked
from admin.references import names_in
from admin.show import Row
from app.errors import BadRequest, Forbidden, NotFound
from app.kit.reading import page

MOST_ROWS = 10_000
RUNS = ("=", "+", "-", "@", "\t", "\r")


async def export(request: Request) -> Response:
    view, reader = office_of(request).view_of(request), actor(request)
    if request.path_params["export_type"] != "csv":
        raise NotFound()
    if not await view.check_can_export(request):
        raise Forbidden()
    query = replace(asked(request, view.resource), page=1, limit=MOST_ROWS)
    found = json.loads(await page(database_of(request), view.resource, reader, query))
    if found["meta"]["total"] > MOST_ROWS:
        raise BadRequest(f"These are more than {MOST_ROWS} rows: narrow the filter.")
    async with database_of(request).transaction() as session:
        names = await names_in(session, reader, [(view.resource, row) for row in found["data"]])
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(view.resource.columns)
    for values in found["data"]:
        row = Row(view.resource, values, names)
        writer.writerow(safe(cell(row, name)) for name in view.resource.columns)
    name = f'attachment; filename="{view.identity}.csv"'
    return Response(out.getvalue(), media_type="text/csv", headers={"Content-Disposition": name})


def cell(row: Row, name: str) -> str:
    """Names for references; everything else as the API says it."""
    value: Any = row.values[name]
    if kind_of(row.resource, name) == "reference":
        return row.text(name)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def safe(text: str) -> str:
    """Text that a spreadsheet shows instead of running it (OWASP: CSV injection)."""
    return f"'{text}" if text.startswith(RUNS) else text
