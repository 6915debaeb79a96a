"""What Souk is measured against: the same endpoints as the docs of FastAPI and SQLModel write them.

Independent of `app/`: own table classes on the same tables, an AsyncSession per request from a dependency, the user
selected for each request, response models. Neither tuned nor slowed down. Served by `run.py`.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, status
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import contains_eager, selectinload
from sqlmodel import and_, col, delete, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.plain_models import (
    AuditEntry,
    Cart,
    CartItem,
    Email,
    NumberSeries,
    Order,
    OrderItem,
    PaymentMethod,
    Product,
    Seller,
    Service,
    StatusChange,
    User,
    new_id,
    now,
)
from benchmarks.plain_schemas import (
    CheckoutCreate,
    CheckoutRead,
    Data,
    OrderCreate,
    OrderListed,
    OrderRead,
    Page,
    Paging,
    ProductFilter,
    ProductRead,
    ServiceFilter,
    ServiceRead,
)

engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1))
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
SITE = "http://localhost:3000"
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token")


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(session: SessionDep, token: Annotated[str, Depends(oauth2_scheme)]) -> User:
    challenge = {"WWW-Authenticate": "Bearer"}
    refusal = HTTPException(status.HTTP_401_UNAUTHORIZED, "Could not validate credentials", challenge)
    try:
        claims = jwt.decode(token, os.environ["JWT_SECRET"], algorithms=["HS256"], audience="souk:auth")
    except jwt.InvalidTokenError:
        raise refusal from None
    user = (await session.exec(select(User).where(User.id == UUID(claims["sub"])))).one_or_none()
    if user is None or not user.is_active or user.token_version != claims["ver"]:
        raise refusal
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


router = APIRouter(prefix="/api/v1")


def meta(wanted: Paging, total: int) -> dict[str, int]:
    return {"page": wanted.page, "limit": wanted.limit, "total": total, "pages": -(-total // wanted.limit)}


def conditions(wanted: ServiceFilter) -> list[Any]:
    found: list[Any] = [col(Service.is_active)]
    if wanted.type is not None:
        found.append(Service.type == wanted.type)
    if wanted.region is not None:
        found.append(Service.region == wanted.region)
    if wanted.price__gte is not None:
        found.append(Service.price >= wanted.price__gte)
    if wanted.price__lte is not None:
        found.append(Service.price <= wanted.price__lte)
    for word in (wanted.search or "").split():
        columns = (col(Service.title), col(Service.description), col(Service.region))
        found.append(or_(*(column.ilike(f"%{word}%") for column in columns)))
    return found


@router.get("/services", response_model=Page[ServiceRead])
async def list_services(session: SessionDep, wanted: Annotated[ServiceFilter, Query()]) -> Any:
    where = and_(*conditions(wanted))
    total = (await session.exec(select(func.count()).select_from(Service).where(where))).one()
    query = select(Service).where(where).order_by(col(Service.created_at).desc(), col(Service.id).desc())
    services = (await session.exec(query.offset((wanted.page - 1) * wanted.limit).limit(wanted.limit))).all()
    return {"data": services, "meta": meta(wanted, total)}


@router.get("/services/{id}", response_model=Data[ServiceRead])
async def get_service(id: UUID, session: SessionDep) -> Any:
    service = await session.get(Service, id)
    if service is None or not service.is_active:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Service not found")
    return {"data": service}


def product_conditions(wanted: ProductFilter) -> list[Any]:
    found: list[Any] = [col(Product.is_active), col(Product.is_listed)]
    if wanted.seller_id is not None:
        found.append(Product.seller_id == wanted.seller_id)
    if wanted.in_stock is not None:
        found.append(col(Product.in_stock) == wanted.in_stock)
    if wanted.price__gte is not None:
        found.append(Product.price >= wanted.price__gte)
    if wanted.price__lte is not None:
        found.append(Product.price <= wanted.price__lte)
    for word in (wanted.search or "").split():
        found.append(or_(*(column.ilike(f"%{word}%") for column in (col(Product.name), col(Product.description)))))
    return found


@router.get("/products", response_model=Page[ProductRead])
async def list_products(session: SessionDep, wanted: Annotated[ProductFilter, Query()]) -> Any:
    where = and_(*product_conditions(wanted))
    total = (await session.exec(select(func.count()).select_from(Product).where(where))).one()
    falls, keys = wanted.sort.startswith("-"), (getattr(Product, wanted.sort.lstrip("-")), Product.id)
    query = select(Product).where(where).options(selectinload(Product.pictures))  # type: ignore[arg-type]
    query = query.order_by(*(col(key).desc() if falls else col(key) for key in keys))
    products = (await session.exec(query.offset((wanted.page - 1) * wanted.limit).limit(wanted.limit))).all()
    return {"data": products, "meta": meta(wanted, total)}


@router.get("/orders", response_model=Page[OrderListed])
async def list_orders(session: SessionDep, user: CurrentUser, wanted: Annotated[Paging, Query()]) -> Any:
    total = (await session.exec(select(func.count()).select_from(Order).where(Order.user_id == user.id))).one()
    query = select(Order).where(Order.user_id == user.id).options(selectinload(Order.items))  # type: ignore[arg-type]
    query = query.order_by(col(Order.created_at).desc(), col(Order.id).desc())
    orders = (await session.exec(query.offset((wanted.page - 1) * wanted.limit).limit(wanted.limit))).all()
    return {"data": orders, "meta": meta(wanted, total)}


async def next_number(session: AsyncSession, series: str, year: int) -> int:
    """From the counter row of the series, locked until the transaction ends: no gaps."""
    first = insert(NumberSeries).values(**NumberSeries(series=series, year=year, value=1).model_dump())
    raised = first.on_conflict_do_update(index_elements=["series", "year"], set_={"value": col(NumberSeries.value) + 1})
    value: int = (await session.exec(raised.returning(col(NumberSeries.value)))).scalar_one()
    return value


@router.post("/orders", response_model=Data[OrderRead], status_code=status.HTTP_201_CREATED)
async def create_order(body: OrderCreate, request: Request, session: SessionDep, user: CurrentUser) -> Any:
    service = await session.get(Service, body.service_id)
    if service is None or not service.is_active:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "There is no such service for sale")
    year = now().year
    order = Order(
        order_number=f"HT-{year}-{await next_number(session, 'HT', year):06d}",
        total_amount=service.price,
        currency=service.currency,
        user_id=user.id,
        customer_info=body.customer_info.model_dump(),
        service_details=body.service_details.model_dump(mode="json") if body.service_details else None,
        required_documents=service.required_documents,
    )
    order.items, order.uploads = [sold(service, order)], []
    add_order(session, order, request)
    await session.commit()
    return {"data": order}


def add_order(session: AsyncSession, order: Order, request: Request) -> None:
    """The order with its history and its entry in the audit."""
    session.add(order)
    session.add(StatusChange(order_id=order.id, to_status=order.status, actor_id=order.user_id))
    session.add(
        AuditEntry(
            actor_id=order.user_id,
            action="created",
            resource="orders",
            row_id=order.id,
            changes={"status": [None, order.status], "total_amount": [None, str(order.total_amount)]},
            ip=request.client.host if request.client else "",
        )
    )


def sold(service: Service, order: Order) -> OrderItem:
    """An order line with a snapshot of what is bought."""
    snapshot = service.model_dump(mode="json", include={"title", "type", "currency", "region", "specs", "features"})
    return OrderItem(
        order_id=order.id,
        service_id=service.id,
        title=service.title,
        unit_price=service.price,
        line_total=service.price,
        currency=service.currency,
        snapshot=snapshot | {"price": f"{service.price:.2f}"},
    )


@router.post("/cart/checkout", response_model=Data[CheckoutRead], status_code=status.HTTP_201_CREATED)
async def check_out(body: CheckoutCreate, request: Request, session: SessionDep, user: CurrentUser) -> Any:
    lines = await lines_to_buy(session, user)
    if not lines:
        raise HTTPException(status.HTTP_409_CONFLICT, "Your cart is empty")
    shops: dict[UUID, list[CartItem]] = {}
    for line in lines:
        if not line.product.is_active or not line.product.is_listed or line.product.stock < line.quantity:
            raise HTTPException(status.HTTP_409_CONFLICT, f"There is not enough of {line.product.name}")
        line.product.stock -= line.quantity
        shops.setdefault(line.product.seller_id, []).append(line)
    checkout_id, orders = new_id(), []
    for bought in shops.values():
        order = goods_order(body, bought, user, checkout_id)
        order.order_number = f"ZST-{await next_number(session, 'ZST', 0):05d}"
        add_order(session, order, request)
        session.add_all(letters(order, bought[0].product.seller))
        orders.append(order)
    await session.exec(delete(CartItem).where(col(CartItem.id).in_([line.id for line in lines])))
    await session.commit()
    return {"data": {"checkout_id": checkout_id, "orders": orders}}


async def lines_to_buy(session: AsyncSession, user: User) -> Sequence[CartItem]:
    """The lines of the cart, locked with their products, which come along with their shops."""
    query = select(CartItem).join(Cart).join(Product).join(Seller).join(User).where(Cart.user_id == user.id)
    whole = contains_eager(CartItem.product).contains_eager(Product.seller).contains_eager(Seller.user)  # type: ignore[arg-type]
    locked = query.options(whole).order_by(col(Product.id)).with_for_update(of=[CartItem, Product])
    return (await session.exec(locked)).all()


def goods_order(body: CheckoutCreate, bought: list[CartItem], user: User, checkout_id: UUID) -> Order:
    order = Order(
        kind="GOODS",
        total_amount=sum(line.product.price * line.quantity for line in bought),
        currency=bought[0].product.currency,
        payment_method=body.payment_method,
        user_id=user.id,
        seller_id=bought[0].product.seller_id,
        checkout_id=checkout_id,
        customer_info={
            "full_name": body.customer_name,
            "email": body.customer_email or user.email,
            "phone": body.customer_phone,
            "country": None,
        },
        delivery_address=body.delivery_address,
    )
    order.items, order.uploads = [bought_item(line, order) for line in bought], []
    return order


def bought_item(line: CartItem, order: Order) -> OrderItem:
    """An order line with a snapshot of the product."""
    product = line.product
    snapshot = product.model_dump(mode="json", include={"name", "slug", "currency"})
    return OrderItem(
        order_id=order.id,
        product_id=product.id,
        title=product.name,
        quantity=line.quantity,
        unit_price=product.price,
        line_total=product.price * line.quantity,
        currency=product.currency,
        snapshot=snapshot | {"price": f"{product.price:.2f}", "shop_name": product.seller.shop_name},
    )


def letters(order: Order, seller: Seller) -> list[Email]:
    """The mails to the buyer and, where he pays in cash, to the seller."""
    contents = {
        "order_number": order.order_number,
        "items": [
            {"title": item.title, "quantity": item.quantity, "line_total": f"{item.line_total:.2f}"}
            for item in order.items
        ],
        "in_cash": order.payment_method == PaymentMethod.CASH_ON_DELIVERY,
        "amount": f"{order.total_amount:.2f}",
        "currency": order.currency,
    }
    info = order.customer_info
    mine = {"name": info["full_name"], "email": info["email"], "order_url": f"{SITE}/dashboard/orders/{order.id}"}
    theirs = {"name": seller.user.full_name, "order_url": None}
    mails = [
        Email(recipient=info["email"], template="order_received", order_id=order.id, context=mine | contents),
        Email(recipient=seller.user.email, template="new_sale", order_id=order.id, context=theirs | contents),
    ]
    return mails if contents["in_cash"] else mails[:1]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(title="Plain", lifespan=lifespan)
app.include_router(router)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}
