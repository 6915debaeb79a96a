"""The first page: how much there is in each status, and what waits longest; for sellers the figures of their shop."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from admin.door import BASE, actor
from admin.extras import Desk, Worry, entrance, extra_of
from admin.kinds import members, open_to, words
from admin.page import address, database_of, render
from admin.pages.lists import counts_by, newest, shown_columns
from admin.pages.shop import shop_of
from admin.show import Row
from app.kit.access import Role
from app.kit.resource import Resource

LONGEST = 10


@dataclass(frozen=True)
class Queue:
    """The work on one kind of rows: how many in each status, and those that wait longest for staff."""

    name: str
    counts: list[tuple[str, int, str]]
    desk: Desk
    columns: tuple[str, ...]
    title: str
    link: str
    begin: str
    waiting: list[Row]


async def home(request: Request) -> Response:
    open_to_me = open_to(actor(request))
    desks = [(resource, desk) for resource in open_to_me if (desk := extra_of(resource).on_home)]
    queues = [await queue(request, resource, desk) for resource, desk in desks]
    worries = [(resource, worry) for resource in open_to_me for worry in extra_of(resource).worries]
    counted = [await count(request, resource, worry) for resource, worry in worries]
    said: dict[str, Any] = {"queues": queues, "worries": [each for each in counted if each[1]]}
    if actor(request).role is Role.SELLER:
        return await render(request, "shop.html", shop=await shop_of(request), **said)
    return await render(request, "index.html", **said)


async def count(request: Request, resource: Resource, worry: Worry) -> tuple[str, int, str]:
    """What a worry is called, how many rows it is about, and where they are."""
    async with database_of(request).transaction() as session:
        counts = await counts_by(session, resource, actor(request), worry.name)
    return worry.text, counts.get(worry.value, 0), f"{address(resource.name)}?{worry.name}={worry.value}"


async def queue(request: Request, resource: Resource, desk: Desk) -> Queue:
    extra, link = extra_of(resource), address(resource.name)
    assert resource.admin
    async with database_of(request).transaction() as session:
        counts = await counts_by(session, resource, actor(request), "status")
        open_ones = extra.waiting()
        wanted = f"status{'__in' * (len(open_ones) > 1)}={','.join(open_ones)}&sort=created_at"
        waiting = await newest(session, request, resource, wanted, LONGEST)
    statuses = [value for value in members(resource, "status") if extra.has("status", value)]
    shown = [(value, counts.get(value, 0), f"{link}?status={value}") for value in statuses]
    columns, title = shown_columns(resource), resource.admin.title
    begin = f"{BASE}/{resource.name}/{desk.begin}" if desk.begin and waiting else ""
    return Queue(words(resource.name), shown, desk, columns, title, entrance(resource), begin, waiting)
