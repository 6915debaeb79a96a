"""Counters for order numbers: one row a series and year, raised in the order's own transaction, so without gaps."""

from sqlalchemy import ColumnElement, String, UniqueConstraint, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from app.kit.table import Line, Table, Whole


class NumberSeries(Table, table=True):
    """`year` is 0 for series that never start again."""

    __tablename__ = "number_series"
    __table_args__ = (UniqueConstraint("series", "year"),)

    series: Line
    year: Whole
    value: Whole


def next_number() -> ColumnElement[str]:
    """SQL for `HT-2026-000001`, for use as a value of an INSERT. Goods are numbered in `app/selling.py`.

    Takes the parameters `series`, `year` and `series_id` (a fresh id, used when the series begins). It locks the
    counter until the transaction ends: use it in the transaction's last statement.
    """
    columns = NumberSeries.sql_table.columns
    first = {
        "id": bindparam("series_id", type_=columns.id.type),
        "series": bindparam("series", type_=String()),
        "year": bindparam("year", type_=columns.year.type),
    }
    begin = insert(NumberSeries).values(**first, value=1, created_at=func.now(), updated_at=func.now())
    raised = begin.on_conflict_do_update(
        index_elements=["series", "year"], set_={"value": columns.value + 1}
    ).returning(columns.value)
    number = raised.cte("number")
    value = cast(number.c.value, String)
    digits = func.lpad(value, func.greatest(6, func.length(value)), literal_column("'0'"))
    text = (
        bindparam("series", type_=String())
        + literal_column("'-'")
        + cast(bindparam("year", type_=columns.year.type), String)
    )
    return select(text + literal_column("'-'") + digits).select_from(number).scalar_subquery()
