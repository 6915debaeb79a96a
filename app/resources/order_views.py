"""Orders as customers, guests, staff and sellers see them: the same rows, each what is his."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ValidationError
from app.kit.access import ACTOR_ID, STAFF, Actor, either, key_holder, mine, seller, staff
from app.kit.reading import embedded
from app.kit.resource import Computed, Look, Resource
from app.kit.schemas import rows_of
from app.resources.documents import OrderDocuments, documents_of_order
from app.resources.order_flows import FLOWS
from app.resources.order_items import PRODUCT_ITEM, order_items
from app.resources.orders import Order, OrderStatus
from app.resources.sellers import Seller
from app.resources.users import User


async def check_assignee(session: AsyncSession, actor: Actor, order: Order, values: dict[str, Any]) -> None:
    """Work is given to active staff only."""
    if values.get("assigned_to"):
        person = await session.get(User, values["assigned_to"])
        if person is None or not person.is_active or person.role not in STAFF:
            raise ValidationError.of("/assigned_to", "not_staff", "Must be the id of an active consultant or admin.")


def allowed_transitions(party: str, guest: str = "") -> Computed:
    """Where the party may move an order, by its flow."""

    def sql(resource: Resource) -> Any:
        status, user_id = resource.column("status"), resource.column("user_id")
        is_guests = or_(user_id.is_(None), user_id.is_distinct_from(ACTOR_ID))
        options = []
        for (of, paid), flow in FLOWS.items():
            wanted = and_(literal_column(f"orders.kind = '{of}'"), literal_column(f"orders.payment_method = '{paid}'"))
            if guest:
                options.append((and_(is_guests, wanted), flow.options_sql(status, guest)))
            options.append((wanted, flow.options_sql(status, party)))
        return case(*options, else_=literal_column("'[]'::json"))

    return Computed(list[OrderStatus], sql)


OURS = "Our team"


def part_of(actor_id: ColumnElement[Any]) -> ColumnElement[str]:
    """What part somebody has in the order of the statement, in words for others than staff."""
    its_seller = select(Seller.c.user_id).where(Seller.c.id == Order.c.seller_id).scalar_subquery()
    parts = {"The customer": Order.c.user_id, "The seller": its_seller}
    known: list[Any] = [(actor_id == user_id, literal_column(f"'{part}'")) for part, user_id in parts.items()]
    return case(*known, else_=literal_column(f"'{OURS}'"))


own = either(mine, key_holder)
ITEMS = Computed(rows_of(order_items), embedded(order_items, "order_id"))
LISTS: dict[str, Any] = {
    "filters": ("status", "status__in", "kind", "created_at__gte", "created_at__lte"),
    "sort": ("created_at", "total_amount"),
    "order": "-created_at",
}
SEARCH = ("order_number", "customer_info.full_name", "customer_info.email", "customer_info.phone")
EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-0000000000b1",
    "order_number": "HT-2026-000001",
    "kind": "SERVICE",
    "status": "PENDING",
    "total_amount": "450.00",
    "currency": "USD",
    "payment_method": "CARD",
    "payment_status": "PENDING",
    "confirmed_without_payment": False,
    "user_id": "019aab12-7c00-7000-8000-000000000001",
    "seller_id": None,
    "checkout_id": None,
    "customer_info": {
        "full_name": "Amina Benali",
        "email": "amina@example.com",
        "phone": "+213 550 12 34 56",
        "country": "DZ",
    },
    "service_details": {"destination": "Canada", "travel_date": "2027-02-08", "purpose_of_travel": "Tourism"},
    "delivery_address": None,
    "tracking_number": None,
    "created_at": "2026-11-22T09:30:00.000000Z",
    "updated_at": "2026-11-22T09:30:00.000000Z",
    "items": [order_items.example],
    "allowed_transitions": ["CANCELLED"],
    "documents": {
        "required": 3,
        "verified": 1,
        "waiting": ["BANK_STATEMENT"],
        "missing": ["PHOTO"],
        "is_complete": False,
        "passport_expires_too_soon": False,
    },
}
NOT_THE_SELLERS = ("user_id", "seller_id", "documents", "service_details", "confirmed_without_payment")
SALE = {
    **{name: value for name, value in EXAMPLE.items() if name not in NOT_THE_SELLERS},
    "order_number": "ZST-00001",
    "kind": "GOODS",
    "payment_method": "CASH_ON_DELIVERY",
    "total_amount": "13000.00",
    "currency": "DZD",
    "checkout_id": "019aab12-7c00-7000-8000-0000000000b9",
    "delivery_address": "12 rue Didouche Mourad, Alger",
    "items": [PRODUCT_ITEM],
    "allowed_transitions": ["CONFIRMED", "CANCELLED"],
}

orders = Resource(
    table=Order,
    owner="user_id",
    key="token_hash",
    read=own,
    hidden=("admin_notes", "assigned_to", "required_documents", "token_hash"),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("owner", guest="guest"),
        "documents": Computed(OrderDocuments, documents_of_order, single=True),
    },
    example=EXAMPLE,
    **LISTS,
)

desk_orders = Resource(
    table=Order,
    path="admin/orders",
    read=staff,
    update=staff,
    writable=("admin_notes", "assigned_to"),
    hidden=("required_documents", "token_hash"),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("staff"),
        "documents": Computed(OrderDocuments, documents_of_order),
    },
    search=SEARCH,
    prepare=check_assignee,
    example={
        **EXAMPLE,
        "admin_notes": "Called the embassy",
        "assigned_to": None,
        "allowed_transitions": ["CONFIRMED", "CANCELLED"],
    },
    admin=Look(
        group="Work",
        icon="shopping-cart",
        title="order_number",
        columns=(
            "order_number",
            "status",
            "payment_status",
            "documents",
            "customer_info.full_name",
            "total_amount",
            "created_at",
            "assigned_to",
        ),
        order=10,
    ),
    **LISTS,
)
"""The same orders as staff see them: all of them, with notes and the steps that staff may take."""

shop_orders = Resource(
    table=Order,
    path="seller/orders",
    owner="seller_id.user_id",
    read=seller,
    update=seller,
    hidden=(
        *("admin_notes", "assigned_to", "required_documents", "token_hash", "service_details", "user_id"),
        *("confirmed_without_payment", "seller_id"),
    ),
    computed={"items": ITEMS, "allowed_transitions": allowed_transitions("seller")},
    search=SEARCH,
    example=SALE,
    admin=Look(
        group="Shop",
        icon="shopping-cart",
        title="order_number",
        columns=(
            *("order_number", "status", "payment_method", "payment_status", "customer_info.full_name", "total_amount"),
            "created_at",
        ),
        order=10,
    ),
    **LISTS,
)
"""The same as their seller sees them: his own sales, with whom to deliver to."""
