"""The pictures of the demo's products: each thing is drawn once, for all the products that it shows.

The libraries that draw are loaded when the first is drawn.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO

from app.clients.storage import PublicMedia
from app.resources.product_images import MEDIUM, SMALL, ProductImage, variant_key
from app.seed.market.goods import Goods

AT_ONCE = 4
"""Things being drawn or on their way into the store."""


@dataclass
class Thing:
    """What is to be drawn, in so many views, and the rows that show it: those of `position` 0 the first view …"""

    kind: str
    colour: str
    look: str
    views: int
    images: list[ProductImage] = field(default_factory=list)

    @classmethod
    def of(cls, goods: Goods, label: str, views: int) -> "Thing":
        """A variant; the label counts when it is a colour."""
        from app.seed.market import easel, studio

        colour = label if label in easel.COLOURS else goods.colour
        return cls(goods.kind, colour, goods.name, min(views, studio.views(goods.kind)))

    def draw(self) -> list[tuple[bytes, bytes, bytes]]:
        """Each view as JPEG and in both smaller sizes."""
        from app.seed.market import studio

        return studio.draw(self.kind, self.colour, self.look, self.views)

    async def store(self, media: PublicMedia) -> None:
        """Draw it, store picture and variants for every row, and note in the rows what was stored."""
        from app.seed.market import easel

        drawn = await asyncio.to_thread(self.draw)
        for image in self.images:
            full, medium, small = drawn[image.position]
            image.file_size, image.width, image.height = len(full), easel.SIDE, easel.SIDE
            image.is_ready = image.has_variants = True
            await media.put(image.media_key, BytesIO(full), image.mime_type)
            for side, content in ((MEDIUM, medium), (SMALL, small)):
                await media.put(variant_key(image.media_key, side), BytesIO(content), "image/webp")


async def store(things: Iterable[Thing], media: PublicMedia) -> None:
    """Draw and store them. Raises StorageDown, and then nobody asks for what is stored already."""
    left = iter(things)

    async def work() -> None:
        for thing in left:
            await thing.store(media)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
