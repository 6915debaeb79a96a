"""What pictures of the demo's products are drawn with: a brush that counts in hundredths of the picture's side.

Everything is drawn at twice its size for soft edges. This brings Pillow: import it where you draw.
"""

import math
from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
SIDE, SMALL = 600, 400
"""Pixels of a picture and of its smallest variant."""
UNIT = 2 * SIDE / 100
"""Pixels of a hundredth while it is drawn."""
BANDS = 14
"""Stripes of light and shade that make a body look round."""
COLOURS: dict[str, Colour] = {
    "amber": (214, 142, 38),
    "beige": (214, 192, 158),
    "black": (48, 48, 54),
    "blue": (52, 98, 162),
    "brown": (122, 80, 50),
    "cognac": (168, 98, 50),
    "copper": (190, 110, 70),
    "cream": (236, 222, 192),
    "dark brown": (84, 56, 40),
    "gold": (206, 166, 72),
    "green": (70, 126, 82),
    "grey": (136, 142, 150),
    "indigo": (58, 62, 120),
    "olive": (128, 136, 56),
    "orange": (222, 122, 48),
    "pink": (216, 138, 156),
    "red": (176, 52, 48),
    "rose": (206, 112, 128),
    "saffron": (226, 168, 44),
    "silver": (180, 188, 196),
    "terracotta": (188, 98, 66),
    "turquoise": (54, 150, 156),
    "violet": (126, 92, 156),
    "white": (232, 230, 224),
}
WHITE, INK = (250, 248, 244), (52, 46, 42)


def shade(colour: Colour, by: float) -> Colour:
    """Lighter up to 1, which is white; darker down to -1, which is black."""
    end = 255 if by > 0 else 0
    red, green, blue = (round(part + (end - part) * abs(by)) for part in colour)
    return red, green, blue


class Brush:
    """A picture in the making, on a table before a wall."""

    def __init__(self, wall: Colour, floor: float = 74) -> None:
        self.image = Image.new("RGB", (2 * SIDE, 2 * SIDE), wall)
        self.draw = ImageDraw.Draw(self.image)
        if floor < 100:
            self.box(0, floor, 100, 100, shade(wall, -0.09))

    def box(self, left: float, top: float, right: float, foot: float, colour: Colour, round_by: float = 0) -> None:
        self.draw.rounded_rectangle(scaled((left, top), (right, foot)), round_by * UNIT, colour)

    def oval(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """Around its middle."""
        self.draw.ellipse(scaled((x - across, y - down), (x + across, y + down)), colour)

    def ring(self, x: float, y: float, across: float, down: float, colour: Colour, width: float) -> None:
        box = scaled((x - across, y - down), (x + across, y + down))
        self.draw.ellipse(box, outline=colour, width=round(width * UNIT))

    def arc(
        self, box: tuple[float, float, float, float], start: float, end: float, colour: Colour, width: float
    ) -> None:
        corners = scaled((box[0], box[1]), (box[2], box[3]))
        self.draw.arc(corners, start, end, colour, round(width * UNIT))

    def shape(self, points: Iterable[Point], colour: Colour) -> None:
        self.draw.polygon(scaled(*points), colour)

    def line(self, points: Iterable[Point], colour: Colour, width: float) -> None:
        self.draw.line(scaled(*points), colour, round(width * UNIT), joint="curve")

    def shadow(self, x: float, y: float, across: float) -> None:
        self.oval(x, y, across, across * 0.13, shade(self.at(x, y), -0.16))

    def at(self, x: float, y: float) -> Colour:
        return pixel(self.image, round(x * UNIT), round(y * UNIT))

    def turned(self, profile: Sequence[Point], colour: Colour, x: float = 50) -> None:
        """A body as from the potter's wheel: `profile` is height and radius from top to foot."""
        outline = smooth(profile)
        for band in range(BANDS):
            left, right = (2 * edge / BANDS - 1 for edge in (band, band + 1))
            light = 0.34 - 0.62 * abs((left + right) / 2 + 0.4)
            near = [(x + left * radius, y) for y, radius in outline]
            far = [(x + right * radius + 0.08, y) for y, radius in reversed(outline)]
            self.shape([*near, *far], shade(colour, light))
        top, radius = outline[0]
        self.oval(x, top, radius, radius * 0.16, shade(colour, -0.3))

    def girdle(
        self, profile: Sequence[Point], top: float, foot: float, colour: Colour, teeth: int, x: float = 50
    ) -> None:
        """A zigzag around such a body between two heights, narrower where it turns away."""
        outline, points = smooth(profile), []
        for step in range(2 * teeth + 1):
            y = foot if step % 2 else top
            turn = math.pi * (step / (2 * teeth) - 0.5)
            points.append((x + radius_at(outline, y) * math.sin(turn), y))
        self.line(points, colour, 0.9)
        for y in (top - 1.6, foot + 1.6):
            radius = radius_at(outline, y)
            self.line([(x - radius, y), (x + radius, y)], colour, 0.5)

    def finished(self) -> Image.Image:
        return self.image.reduce(2)


def pixel(image: Image.Image, x: int, y: int) -> Colour:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return round(found[0]), round(found[1]), round(found[2])


def scaled(*points: Point) -> list[Point]:
    return [(x * UNIT, y * UNIT) for x, y in points]


def smooth(profile: Sequence[Point]) -> list[Point]:
    """The same with soft passages, eight steps from point to point."""
    points = []
    for (y, radius), (lower, next_radius) in pairwise(profile):
        for step in range(8):
            part = step / 8
            soft = (1 - math.cos(math.pi * part)) / 2
            points.append((y + (lower - y) * part, radius + (next_radius - radius) * soft))
    return [*points, profile[-1]]


def radius_at(outline: Sequence[Point], y: float) -> float:
    return min(outline, key=lambda point: abs(point[0] - y))[1]


def encoded(picture: Image.Image) -> tuple[bytes, bytes, bytes]:
    """The JPEG and both WebP variants, as the job makes them of what sellers send."""
    full, medium, small = BytesIO(), BytesIO(), BytesIO()
    picture.save(full, "JPEG", quality=72)
    picture.save(medium, "WEBP", quality=72, method=0)
    picture.resize((SMALL, SMALL), Image.Resampling.BILINEAR).save(small, "WEBP", quality=72, method=0)
    return full.getvalue(), medium.getvalue(), small.getvalue()
