"""From the kind of a thing and its colour to the bytes of its pictures. The same chance makes the same bytes."""

from collections.abc import Callable
from random import Random

from PIL import Image

from app.seed.market import homeware, wares
from app.seed.market.easel import COLOURS, SIDE, Brush, Colour, encoded, pixel

Draw = Callable[[Brush, Colour, Random], None]
Encoded = tuple[bytes, bytes, bytes]
WALLS: tuple[Colour, ...] = ((240, 234, 224), (228, 234, 236), (236, 230, 236), (230, 236, 226), (242, 232, 222))
KINDS: dict[str, Draw] = {
    each.__name__: each
    for each in (
        *(wares.bottle, wares.canister, wares.jar, wares.sack, wares.pouch, wares.dates),
        *(wares.vase, wares.bowl, wares.plate, wares.tagine, wares.carpet, wares.cloth, wares.robe),
        *(homeware.bag, homeware.belt, homeware.wallet, homeware.slippers, homeware.pouf),
        *(homeware.soap, homeware.tube, homeware.dropper),
        *(homeware.pot, homeware.couscoussier, homeware.teapot, homeware.glasses, homeware.knife, homeware.tray),
        *(homeware.phone, homeware.cable, homeware.charger, homeware.headphones, homeware.speaker),
        homeware.power_bank,
    )
}
FROM_ABOVE = ("carpet", "cloth", "plate", "belt", "dates", "slippers", "knife", "cable")
"""No edge of a table is behind these, and no row is made of them."""


def picture(kind: str, colour: str, chance: Random) -> Image.Image:
    """A thing of this kind. The same chance draws the same."""
    brush = Brush(chance.choice(WALLS), 100 if kind in FROM_ABOVE else 74)
    KINDS[kind](brush, COLOURS[colour], chance)
    return brush.finished()


def close_up(image: Image.Image) -> Image.Image:
    """The middle of a picture, as from nearer."""
    edge = SIDE // 4
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, (edge, edge, SIDE - edge, SIDE - edge))


def in_a_row(image: Image.Image) -> Image.Image:
    """Three of it side by side on the same table."""
    half, third = SIDE // 2, SIDE // 3
    row, small = Image.new("RGB", (SIDE, SIDE), pixel(image, 4, 4)), image.reduce(2)
    row.paste(pixel(image, 4, SIDE - 4), (0, SIDE // 4 + round(half * 0.74), SIDE, SIDE))
    middle = small.crop((half // 6, 0, half // 6 + third + 1, half))
    for place in range(3):
        row.paste(middle, (place * third, SIDE // 4))
    return row


def views(kind: str) -> int:
    """How many views there are of such a thing."""
    return 2 if kind in FROM_ABOVE else 3


def draw(kind: str, colour: str, look: str, views: int) -> list[Encoded]:
    """The pictures of a thing, each in three sizes: alone, a close-up, three in a row."""
    image = picture(kind, colour, Random(look))
    return [encoded(look_at(image)) for look_at in VIEWS[:views]]


VIEWS: tuple[Callable[[Image.Image], Image.Image], ...] = (Image.Image.copy, close_up, in_a_row)
