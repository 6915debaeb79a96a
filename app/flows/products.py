"""Taking a product away: what nobody ever ordered is deleted, anything else is archived."""

from fastapi import APIRouter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Session
from app.kit import changes
from app.kit.access import Actor
from app.kit.resource import Resource
from app.kit.web import PREFIX, Caller, problems, rule_needed
from app.resources.products import Product, products

router = APIRouter(prefix=PREFIX, tags=["Products"])


@router.delete(
    "/products/{id}",
    status_code=204,
    name="deleteProduct",
    operation_id="deleteProduct",
    dependencies=[rule_needed(products.delete)],
    responses=problems(401, 403, 404),
)
async def delete_product(id: str, session: Session, actor: Caller) -> None:
    """Delete a product, or archive it

    What was ever ordered, or lies in a cart, is archived: its orders keep it, and only its seller and staff see it.
    """
    await take_away(session, products, actor, id)


async def take_away(session: AsyncSession, resource: Resource, actor: Actor, key: str) -> bool:
    """Whether the product is gone; otherwise it is archived. Raises NotFound, Forbidden."""
    product: Product = await changes.locked(session, resource, actor, key, resource.delete)
    try:
        async with session.begin_nested():
            await changes.delete(session, resource, actor, product.id)
    except IntegrityError:
        await session.refresh(product)
        await changes.change(session, resource, actor, product, {"is_active": False}, "archived")
        return False
    return True
