"""Customers as staff see them: accounts with the role CUSTOMER, each with the orders it placed."""

from app.kit.access import Role, only, staff
from app.kit.reading import embedded
from app.kit.resource import Computed, Look, Resource
from app.kit.schemas import rows_of
from app.resources.order_views import desk_orders
from app.resources.users import EXAMPLE, SECRETS, User

customers = Resource(
    table=User,
    path="admin/customers",
    read=only(staff, role=Role.CUSTOMER),
    hidden=(*SECRETS, "role", "seller_category"),
    search=("full_name", "email", "phone"),
    sort=("created_at",),
    computed={"orders": Computed(rows_of(desk_orders), embedded(desk_orders, "user_id"), single=True)},
    example={**{key: value for key, value in EXAMPLE.items() if key not in ("role", "seller_category")}},
    admin=Look(
        group="People",
        icon="address-book",
        title="full_name",
        columns=("full_name", "email", "phone", "country", "created_at"),
        order=30,
    ),
)
