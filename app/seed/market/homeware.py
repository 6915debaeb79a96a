"""More drawings, as in `wares.py`: leather, cosmetics, the kitchen and electronics."""

import math
from random import Random

from app.seed.market.easel import COLOURS, INK, WHITE, Brush, Colour, shade

STEEL, GOLD = COLOURS["silver"], COLOURS["gold"]


# -- leather


def bag(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, top = chance.uniform(24, 30), chance.uniform(40, 46)
    brush.shadow(51, 84, wide + 8)
    brush.arc((50 - wide * 0.6, top - 26, 50 + wide * 0.6, top + 30), 180, 360, shade(colour, -0.35), 2.4)
    brush.box(50 - wide, top, 50 + wide, 84, colour, 5)
    brush.box(50 - wide + 1.5, top + 1.5, 50 + wide - 1.5, 82.5, shade(colour, -0.07), 4)
    flap = chance.uniform(60, 68)
    brush.shape([(50 - wide, top + 3), (50 + wide, top + 3), (50 + wide * 0.8, flap), (50 - wide * 0.8, flap)], colour)
    brush.line([(50 - wide * 0.78, flap - 1.5), (50 + wide * 0.78, flap - 1.5)], shade(colour, 0.45), 0.5)
    brush.box(46.5, flap - 6, 53.5, flap + 3, GOLD, 1)
    brush.box(48.5, flap - 3, 51.5, flap, shade(GOLD, -0.4), 0.5)


def belt(brush: Brush, colour: Colour, chance: Random) -> None:
    """Rolled up, from above."""
    metal = chance.choice((STEEL, GOLD))
    brush.oval(49, 52, 32, 32, (204, 198, 190))
    for turn in range(5):
        brush.ring(47, 50, 31 - turn * 4.6, 31 - turn * 4.6, shade(colour, -0.12 * (turn % 2)), 3.8)
    brush.box(44, 76, 92, 84, (204, 198, 190), 2)
    brush.box(44, 75, 90, 82.5, colour, 2)
    brush.line([(48, 76.4), (88, 76.4)], shade(colour, 0.4), 0.4)
    brush.line([(48, 81), (88, 81)], shade(colour, 0.4), 0.4)
    brush.box(72, 72, 86, 86, metal, 2)
    brush.box(74.5, 75, 83.5, 82.5, shade(colour, -0.2))
    brush.line([(73, 79), (85, 79)], shade(metal, -0.3), 1.2)


def wallet(brush: Brush, colour: Colour, chance: Random) -> None:
    brush.shadow(52, 78, 34)
    brush.box(20, 36, 78, 78, shade(colour, -0.3), 4)
    brush.box(22, 38, 80, 79, colour, 4)
    brush.box(23.2, 39.2, 78.8, 77.8, shade(colour, -0.06), 3)
    brush.line([(50, 38), (50, 79)], shade(colour, -0.3), 0.6)
    motif, reach = chance.randrange(3), chance.uniform(4, 7)
    for ring in range(3):
        size, tone = reach - ring * 1.8, shade(colour, 0.3 if ring % 2 else -0.35)
        if motif:
            brush.oval(65, 58, size, size * (1 if motif == 1 else 1.6), tone)
        else:
            brush.shape([(65, 58 - size), (65 + size, 58), (65, 58 + size), (65 - size, 58)], tone)


def slippers(brush: Brush, colour: Colour, chance: Random) -> None:
    """A pair with pointed toes, from above."""
    inner, stars = shade(colour, 0.55), chance.randint(1, 3)
    for side, x in ((-1, 34), (1, 66)):
        tip = x - side * 3
        brush.oval(x + 1.5, 73, 12.5, 16, (204, 198, 190))
        brush.oval(x, 72, 12, 16, shade(colour, -0.25))
        brush.oval(x, 71, 9.5, 13.5, inner)
        curve = [
            (tip, 10),
            (x + 8, 25),
            (x + 13, 42),
            (x + 12.4, 62),
            (x, 57),
            (x - 12.4, 62),
            (x - 13, 42),
            (x - 8, 25),
        ]
        brush.shape(curve, colour)
        brush.line([(x - 12, 61.5), (x, 57), (x + 12, 61.5)], GOLD, 0.9)
        for star in range(stars):
            brush.oval(x, 49 - star * 9, 2.6 - star * 0.5, 2.6 - star * 0.5, GOLD)
            brush.oval(x, 49 - star * 9, 1.2, 1.2, shade(colour, -0.3))


def pouf(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, seams = chance.uniform(30, 35), chance.choice((4, 6))
    body = [(46, wide * 0.86), (54, wide), (74, wide), (84, wide * 0.8)]
    brush.shadow(51, 84, wide)
    brush.turned(body, colour)
    brush.oval(50, 46, wide * 0.88, 9, shade(colour, 0.14))
    for seam in range(-seams // 2, seams // 2 + 1):
        part = math.sin(seam * math.pi / (seams + 1))
        brush.line([(50 + part * wide * 0.86, 48), (50 + part * wide, 60), (50 + part * wide * 0.82, 83)], WHITE, 0.4)
        brush.line([(50, 46), (50 + part * wide * 0.86, 38 + 9 * abs(part))], shade(colour, -0.3), 0.4)
    brush.oval(50, 46, 8, 2.6, GOLD)


# -- cosmetics


def soap(brush: Brush, colour: Colour, chance: Random) -> None:
    brush.shadow(53, 80, 34)
    for x, y, tone in ((26, 62, shade(colour, -0.1)), (32, 44, colour)):
        brush.box(x, y, x + 44, y + 18, shade(tone, -0.22), 4)
        brush.box(x, y - 3, x + 44, y + 13, tone, 5)
        brush.box(x + 3, y - 1, x + 41, y + 10.5, shade(tone, 0.12), 4)
    for leaf in range(3):
        brush.oval(50 + leaf * 4, 48.5 - leaf % 2 * 1.5, 1.2, 3.4, shade(colour, -0.35))
    if chance.random() < 0.6:
        brush.box(32, 51.5, 76, 54, COLOURS["beige"])


def tube(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(11, 14)
    brush.shadow(51, 87, wide + 6)
    brush.shape([(50 - wide, 18), (50 + wide, 18), (50 + wide * 0.8, 76), (50 - wide * 0.8, 76)], colour)
    brush.shape(
        [(50 + wide * 0.5, 18), (50 + wide, 18), (50 + wide * 0.8, 76), (50 + wide * 0.4, 76)], shade(colour, -0.1)
    )
    brush.box(50 - wide, 15, 50 + wide, 20, shade(colour, -0.2), 0.5)
    brush.turned([(75, wide * 0.76), (87, wide * 0.72)], WHITE)
    brush.oval(50, 40, wide * 0.5, wide * 0.5, shade(colour, 0.6))
    brush.oval(50, 40, wide * 0.28, wide * 0.36, shade(colour, -0.3))
    for place, part in ((54, 0.55), (58, 0.4), (61, 0.3)):
        brush.box(50 - wide * part, place, 50 + wide * part, place + 1.4, shade(colour, -0.5))


def dropper(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(11, 15)
    brush.shadow(51, 84, wide + 7)
    brush.turned([(38, 5), (44, 5.4), (50, wide), (80, wide), (84, wide * 0.9)], colour)
    brush.turned([(31, 6), (40, 6.2)], INK)
    brush.turned([(17, 2.2), (21, 3.6), (31, 3.8)], INK)
    brush.box(50 - wide * 0.76, 56, 50 + wide * 0.76, 77, WHITE, 1)
    brush.oval(50, 63, 2.4, 3.4, colour)
    brush.box(50 - wide * 0.4, 70, 50 + wide * 0.4, 71.4, INK)


# -- the kitchen


def pot(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, top = chance.uniform(23, 29), chance.uniform(48, 54)
    brush.shadow(51, 83, wide + 6)
    for side in (-1, 1):
        brush.ring(50 + side * (wide + 2), top + 9, 6, 4, shade(colour, -0.35), 1.6)
    brush.turned([(top, wide), (76, wide), (83, wide * 0.88)], colour)
    brush.turned(
        [(top - 9, 4), (top - 5, wide * 0.75), (top, wide * 1.03), (top + 2, wide * 1.03)], shade(colour, 0.18)
    )
    brush.turned([(top - 14, 4), (top - 12, 4.4), (top - 8, 2.4)], INK)


def couscoussier(brush: Brush, colour: Colour, chance: Random) -> None:
    """A pot, the steamer on it, and the lid on that."""
    wide = chance.uniform(20, 25)
    brush.shadow(51, 88, wide + 7)
    brush.turned([(58, wide * 0.8), (66, wide), (82, wide), (88, wide * 0.86)], colour)
    brush.turned([(34, wide), (54, wide * 0.86), (59, wide * 0.82)], shade(colour, 0.1))
    for hole in range(5):
        brush.oval(50 + (hole - 2) * wide * 0.33, 49, 0.9, 0.9, shade(colour, -0.5))
    brush.turned([(24, 3), (28, wide * 0.7), (34, wide * 1.04), (36, wide * 1.04)], shade(colour, 0.2))
    brush.turned([(19, 3.6), (24, 2.4)], INK)
    for side in (-1, 1):
        brush.ring(50 + side * (wide + 2), 71, 4.5, 3.4, shade(colour, -0.35), 1.4)


def teapot(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(17, 21)
    brush.shadow(51, 84, wide + 8)
    brush.arc((50 + wide * 0.4, 38, 50 + wide + 14, 74), 255, 100, shade(colour, -0.3), 2.2)
    spout = [(50 - wide * 0.7, 70), (50 - wide - 6, 58), (50 - wide - 13, 38), (50 - wide - 9, 38), (50 - wide - 1, 54)]
    brush.shape([*spout, (50 - wide * 0.5, 58)], shade(colour, -0.1))
    brush.turned([(38, wide * 0.5), (44, wide * 0.55), (62, wide), (78, wide * 0.8), (84, wide * 0.62)], colour)
    brush.turned([(24, 1.6), (29, 3.4), (32, wide * 0.3), (38, wide * 0.56)], shade(colour, 0.1))
    brush.turned([(19, 2), (22, 3), (25, 1.6)], shade(colour, -0.2))
    for band in (58, 66):
        brush.line([(50 - wide * 0.9, band), (50 + wide * 0.9, band)], shade(colour, -0.35), 0.5)


def glasses(brush: Brush, colour: Colour, chance: Random) -> None:
    """A set of three, with a painted rim."""
    tall = chance.uniform(44, 50)
    for x, foot in ((30, 74), (70, 74), (50, 84)):
        brush.shadow(x + 1, foot, 12)
        body = [(foot - 84 + tall, 9.6), (foot - 16, 7.4), (foot, 7)]
        brush.turned(body, shade(colour, 0.55), x)
        brush.turned([(foot - 26, 8.6), (foot - 16, 7.4), (foot - 1, 7)], colour, x)
        brush.girdle(body, foot - 33, foot - 30, GOLD, 5, x)


def knife(brush: Brush, colour: Colour, chance: Random) -> None:
    """With its sheath, from above."""
    bend = chance.uniform(2, 12)
    brush.box(11, 63, 69, 75, (204, 198, 190), 3)
    brush.box(10, 61, 68, 73, shade(colour, -0.3), 3)
    brush.line([(13, 63.5), (65, 63.5)], shade(colour, 0.4), 0.5)
    brush.shape([(36, 34), (66, 34 - bend * 0.3), (90, 38 - bend), (78, 45), (36, 46)], STEEL)
    brush.shape([(36, 42), (76, 43), (78, 45), (36, 46)], shade(STEEL, 0.5))
    brush.box(10, 34, 37, 46, colour, 4)
    for x in (16, 23, 30):
        brush.oval(x, 40, 1.2, 1.2, GOLD)
    brush.box(35, 32.5, 38.5, 47.5, GOLD, 1)


def tray(brush: Brush, colour: Colour, chance: Random) -> None:
    petals = chance.choice((8, 10, 12, 16))
    brush.shadow(51, 80, 38)
    brush.oval(50, 66, 40, 17, shade(colour, -0.3))
    brush.oval(50, 63, 40, 17, colour)
    brush.oval(50, 63.5, 36, 14.5, shade(colour, 0.18))
    for turn in range(petals):
        angle = 2 * math.pi * turn / petals
        across, down = math.cos(angle), math.sin(angle) * 0.42
        brush.line([(50 + 8 * across, 63 + 8 * down), (50 + 32 * across, 63 + 32 * down)], shade(colour, -0.3), 0.5)
        brush.oval(50 + 27 * across, 63 + 27 * down, 2.4, 1.2, shade(colour, -0.2))
    brush.ring(50, 63, 20, 8.4, shade(colour, -0.3), 0.5)


# -- electronics


def phone(brush: Brush, colour: Colour, chance: Random) -> None:
    """The back of a case with its window for the cameras."""
    pattern = chance.randrange(4)
    brush.shadow(52, 90, 24)
    brush.box(30, 10, 70, 90, shade(colour, -0.3), 6)
    brush.box(31.5, 11.5, 68.5, 88.5, colour, 5)
    for place in range(7):
        y, tone = 42 + place * 6, shade(colour, 0.3 if place % 2 else 0.15)
        if pattern == 1:
            brush.line([(34, y), (42, y - 4), (50, y), (58, y - 4), (66, y)], tone, 0.9)
        elif pattern == 2:
            brush.shape([(50, y - 5), (50 + 14 - place, y), (50, y + 5), (36 + place, y)], tone)
        elif pattern == 3:
            brush.box(33.5, y - 3, 66.5, y - 1, tone)
    brush.box(34, 14, 50, 32, shade(colour, -0.4), 4)
    for x, y in ((38.5, 19), (38.5, 27), (45.5, 23)):
        brush.oval(x, y, 3, 3, INK)
        brush.oval(x - 0.8, y - 0.8, 0.9, 0.9, shade(INK, 0.6))


def cable(brush: Brush, colour: Colour, chance: Random) -> None:
    """Coiled, with both plugs, from above."""
    for turn in range(4):
        reach = 27 - turn * 2.6
        brush.ring(51, 48, reach, reach, (206, 200, 192), 1.8)
        brush.ring(50, 46.5, reach, reach, shade(colour, -0.1 * (turn % 2)), 1.8)
    brush.box(45, 20, 55, 26, shade(colour, -0.35), 2)
    brush.box(45, 65, 55, 71, shade(colour, -0.35), 2)
    for x, long in ((26, chance.uniform(8, 10)), (70, chance.uniform(9, 12))):
        brush.line([(50, 70), (x, 80), (x, 84)], colour, 1.8)
        brush.box(x - 3.4, 78, x + 3.4, 78 + long, shade(colour, -0.3), 1.4)
        brush.box(x - 2.2, 78 + long, x + 2.2, 83 + long, STEEL, 0.6)


def charger(brush: Brush, colour: Colour, chance: Random) -> None:
    ports = chance.randint(1, 3)
    brush.shadow(52, 82, 26)
    brush.box(29, 30, 71, 82, shade(colour, -0.16), 7)
    brush.box(29, 30, 66, 82, colour, 7)
    for x in (40, 55):
        brush.box(x - 1.6, 14, x + 1.6, 31, STEEL, 1.4)
    for port in range(ports):
        y = 76 - port * 9
        brush.box(40, y - 2.4, 55, y + 2.4, INK, 2)
        brush.box(43, y - 0.7, 52, y + 0.7, shade(INK, 0.4), 0.6)
    brush.shape([(49, 36), (43, 47), (47, 47), (45, 55), (52, 44), (48, 44)], shade(colour, -0.4))


def headphones(brush: Brush, colour: Colour, chance: Random) -> None:
    padding = chance.choice((INK, shade(colour, -0.4), COLOURS["brown"]))
    brush.shadow(51, 84, 34)
    brush.arc((22, 14, 78, 90), 180, 360, shade(colour, -0.2), 4.4)
    brush.arc((24, 16, 76, 88), 200, 340, shade(colour, 0.25), 1)
    for side in (-1, 1):
        x = 50 + side * 26
        brush.box(x - 7, 48, x + 7, 82, padding, 6)
        brush.box(x - 5 + side * 4.5, 50, x + 5 + side * 4.5, 80, colour, 5)
        brush.oval(x + side * 5, 65, 3, 5, shade(colour, 0.35))


def speaker(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(17, 21)
    brush.shadow(52, 86, wide + 8)
    brush.box(50 - wide, 16, 50 + wide, 86, shade(colour, -0.15), 7)
    brush.box(50 - wide, 16, 50 + wide - 3, 86, colour, 7)
    for y, reach in ((34, wide * 0.42), (63, wide * 0.72)):
        for part, tone in ((1, INK), (0.88, shade(INK, 0.25)), (0.55, shade(INK, 0.1)), (0.28, shade(colour, 0.2))):
            brush.oval(49, y, reach * part, reach * part, tone)


def power_bank(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(16, 20)
    brush.shadow(52, 88, wide + 8)
    brush.box(50 - wide, 18, 50 + wide, 88, shade(colour, -0.25), 5)
    brush.box(50 - wide, 18, 50 + wide - 4, 87, colour, 5)
    brush.box(50 - wide + 5, 20, 50 - wide + 13, 22.5, INK, 1)
    for light in range(4):
        brush.oval(47 + light * 3.4, 32, 1, 1, (120, 214, 140) if light < chance.randint(2, 4) else shade(colour, -0.4))
    brush.shape([(49, 44), (42, 59), (47, 59), (45, 70), (54, 55), (49, 55)], shade(colour, 0.5))
