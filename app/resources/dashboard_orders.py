"""Orders as a customer's dashboard shows them: his own, with service, payment, documents and history."""

from typing import Any
from uuid import UUID

from sqlalchemy import case, func, literal_column, select

from app.kit.access import mine
from app.kit.reading import embedded
from app.kit.resource import Computed, Resource
from app.kit.schemas import Output, read_schema, rows_of
from app.resources.documents import Document, OrderDocuments, documents, documents_of_order
from app.resources.order_items import OrderItem
from app.resources.order_views import EXAMPLE, ITEMS, LISTS, allowed_transitions, orders, part_of
from app.resources.orders import Order
from app.resources.payments import Payment, payments
from app.resources.services import Service
from app.resources.status_changes import StatusChange


class OrderedService(Output):
    """The service of an order: titled as it was then, with the slug it has now."""

    id: UUID
    title: str
    slug: str


def ordered_service(resource: Resource) -> Any:
    """`OrderedService` in SQL; null for goods."""
    service = (
        select(OrderItem.c.service_id.label("id"), OrderItem.c.title, Service.c.slug)
        .join(Service, Service.c.id == OrderItem.c.service_id)
        .where(OrderItem.c.order_id == resource.column("id"))
        .order_by(OrderItem.c.id)
        .limit(1)
        .correlate(Order.sql_table)
        .subquery("service")
    )
    return select(func.row_to_json(literal_column("service"))).select_from(service).scalar_subquery()


def current_payment(resource: Resource) -> Any:
    """The payment that counts; null before there is one."""
    return embedded(payments, "order_id", Payment.c.is_current)(resource).op("->")(literal_column("0"))


def by_whom(resource: Resource) -> Any:
    """As its customer reads it: never the name of one of our staff. Null for what nobody did, such as a payment."""
    actor = resource.column("actor_id")
    return case((actor == Order.c.user_id, literal_column("'You'")), (actor.is_not(None), part_of(actor)))


history = Resource(
    table=StatusChange,
    hidden=("id", "order_id", "actor_id", "created_at", "updated_at"),
    computed={"by": Computed(str | None, by_whom)},
    example={
        "from_status": "PENDING",
        "to_status": "CONFIRMED",
        "at": "2026-11-22T09:32:00.000000Z",
        "reason": None,
        "by": None,
    },
)
"""Shown inside orders only; it has no routes of its own."""

SERVICE = {"id": "019aab12-7c00-7000-8000-0000000000a1", "title": "Canada Visitor Visa", "slug": "canada-visitor-visa"}
own_documents = embedded(documents, "order_id", Document.c.is_ready, Document.c.user_id == Order.c.user_id)

dashboard_orders = Resource(
    table=Order,
    path="dashboard/orders",
    owner="user_id",
    read=mine,
    hidden=orders.hidden,
    computed={
        "service": Computed(OrderedService | None, ordered_service),
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("owner"),
        "payment": Computed(read_schema(payments) | None, current_payment, single=True),
        "checklist": Computed(OrderDocuments, documents_of_order, single=True),
        "documents": Computed(rows_of(documents), own_documents, single=True),
        "status_history": Computed(rows_of(history), embedded(history, "order_id", order="at"), single=True),
    },
    example={
        **{name: value for name, value in EXAMPLE.items() if name != "documents"},
        "status": "CONFIRMED",
        "payment_status": "SUCCEEDED",
        "service": SERVICE,
        "payment": payments.example,
        "checklist": EXAMPLE["documents"],
        "documents": [documents.example],
        "status_history": [history.example],
    },
    **LISTS,
)
