"""Drawings of what the demo sells, one function a kind: food and crafts; the rest is in `homeware.py`.

Each takes the brush, a colour and a chance of its own, and leaves the thing on the picture.
"""

import math
from random import Random

from app.seed.market.easel import COLOURS, INK, WHITE, Brush, Colour, shade


def label(brush: Brush, left: float, top: float, right: float, foot: float, colour: Colour, chance: Random) -> None:
    """A paper with a frame, a sign and two lines that stand for words."""
    brush.box(left, top, right, foot, WHITE, 1)
    brush.box(left + 1, top + 1, right - 1, top + 2, colour)
    middle, height = (left + right) / 2, foot - top
    sign, reach = chance.randrange(3), min(right - left, height) * 0.17
    if sign == 0:
        brush.oval(middle, top + height * 0.4, reach, reach, colour)
    elif sign == 1:
        brush.shape([(middle + reach * x, top + height * 0.4 + reach * y) for x, y in DIAMOND], colour)
    else:
        for turn in range(3):
            brush.oval(
                middle + (turn - 1) * reach * 0.8, top + height * 0.4, reach * 0.3, reach, shade(colour, 0.1 * turn)
            )
    for place, part in ((0.72, 0.34), (0.83, 0.22)):
        wide = (right - left) * part
        brush.box(middle - wide, top + height * place, middle + wide, top + height * (place + 0.05), INK)


DIAMOND = ((0, -1.2), (1, 0), (0, 1.2), (-1, 0))


# -- food


def bottle(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, shoulder = chance.uniform(12, 17), chance.uniform(36, 46)
    brush.shadow(52, 85, wide + 6)
    body = [(22, 3.6), (30, 3.8), (shoulder, wide), (shoulder + 4, wide + 0.4), (82, wide), (86, wide * 0.94)]
    brush.turned(body, colour)
    brush.turned(
        [(13, 4.4), (21, 4.4), (22.5, 4.2)], chance.choice((COLOURS["gold"], COLOURS["black"], COLOURS["red"]))
    )
    label(brush, 50 - wide * 0.72, shoulder + 10, 50 + wide * 0.72, 76, colour, chance)


def canister(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(17, 21)
    brush.shadow(52, 86, wide + 8)
    brush.box(50 - wide, 30, 50 + wide, 86, colour, 2)
    brush.box(50 + wide * 0.62, 30, 50 + wide, 86, shade(colour, -0.2), 2)
    brush.box(50 - wide, 30, 50 + wide, 34, shade(colour, 0.3), 2)
    brush.arc((50 - wide * 0.5, 18, 50 + wide * 0.5, 42), 180, 360, shade(colour, -0.3), 2)
    brush.box(50 + wide * 0.5, 24, 50 + wide * 0.8, 30, COLOURS["gold"], 1)
    label(brush, 50 - wide * 0.78, 44, 50 + wide * 0.5, 78, shade(colour, -0.25), chance)


def jar(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, top = chance.uniform(16, 21), chance.uniform(36, 42)
    brush.shadow(52, 83, wide + 8)
    brush.turned([(top, wide * 0.82), (top + 5, wide), (78, wide), (83, wide * 0.9)], colour)
    lid = chance.choice(("gold", "white", "red", "green", "black"))
    brush.turned([(top - 8, wide * 0.86), (top, wide * 0.88), (top + 1, wide * 0.86)], COLOURS[lid])
    label(brush, 50 - wide * 0.74, top + 11, 50 + wide * 0.74, 76, colour, chance)


def sack(brush: Brush, colour: Colour, chance: Random) -> None:
    brush.shadow(52, 86, 28)
    body = [(27, 14), (33, 11), (44, 21), (70, 24), (86, 22)]
    brush.turned(body, colour)
    brush.line([(38.5, 33.5), (61.5, 33.5)], shade(colour, -0.45), 1.6)
    label(brush, 35, 50, 65, 76, chance.choice((COLOURS["green"], COLOURS["red"], COLOURS["brown"])), chance)


def pouch(brush: Brush, colour: Colour, chance: Random) -> None:
    wide = chance.uniform(17, 21)
    brush.shadow(52, 85, wide + 8)
    brush.shape([(50 - wide, 24), (50 + wide, 24), (50 + wide + 2, 84), (50 - wide - 2, 84)], colour)
    brush.shape([(50 + wide * 0.5, 24), (50 + wide, 24), (50 + wide + 2, 84)], shade(colour, -0.12))
    brush.box(50 - wide, 24, 50 + wide, 30, shade(colour, -0.25))
    label(brush, 50 - wide * 0.75, 38, 50 + wide * 0.75, 66, shade(colour, -0.2), chance)
    brush.oval(50, 75, wide * 0.5, 4, shade(colour, 0.4))


def dates(brush: Brush, colour: Colour, chance: Random) -> None:
    """An open box from above, filled in rows."""
    wood = chance.choice((COLOURS["beige"], COLOURS["cream"], COLOURS["green"], COLOURS["gold"]))
    brush.box(15, 22, 87, 82, shade(wood, -0.35), 2)
    brush.box(13, 19, 85, 79, wood, 2)
    brush.box(17, 23, 81, 75, shade(wood, -0.25), 1)
    for row in range(7):
        for column in range(6):
            x, y = 22.5 + column * 10.6 + chance.uniform(-0.6, 0.6), 27 + row * 7.35
            tone = shade(colour, chance.uniform(-0.2, 0.15))
            brush.oval(x, y, 5.1, 3.4, shade(tone, -0.35))
            brush.oval(x - 0.2, y - 0.4, 4.8, 2.9, tone)
            brush.oval(x - 1.4, y - 1.2, 1.8, 0.6, shade(tone, 0.35))


# -- crafts


def vase(brush: Brush, colour: Colour, chance: Random) -> None:
    belly, neck, lip = chance.uniform(17, 25), chance.uniform(5, 9), chance.uniform(8, 13)
    low = chance.uniform(52, 64)
    body = [(20, lip), (28, neck), (36, neck + 1), (low, belly), (84, chance.uniform(9, 13))]
    brush.shadow(52, 84, belly + 4)
    brush.turned(body, colour)
    paint = shade(colour, 0.62 if sum(colour) < 420 else -0.55)
    brush.girdle(body, low - 6, low, paint, chance.randint(6, 9))
    brush.girdle(body, low + 6, low + 10, paint, chance.randint(6, 9))
    brush.girdle(body, 30, 33, paint, 4)


def bowl(brush: Brush, colour: Colour, chance: Random) -> None:
    wide, deep = chance.uniform(26, 34), chance.uniform(72, 80)
    body = [(48, wide), (56, wide * 0.92), (deep - 4, wide * 0.45), (deep, wide * 0.4)]
    brush.shadow(52, deep, wide * 0.8)
    brush.turned(body, colour)
    brush.oval(50, 48, wide - 1.5, (wide - 1.5) * 0.16, shade(colour, 0.35))
    brush.girdle(body, 53, 58, shade(colour, 0.6 if sum(colour) < 420 else -0.5), chance.randint(8, 12))


def plate(brush: Brush, colour: Colour, chance: Random) -> None:
    """From above, with a rosette."""
    ground, petals = chance.choice((COLOURS["cream"], WHITE, shade(colour, 0.75))), chance.choice((6, 8, 10, 12))
    brush.oval(51.5, 52, 38, 38, (196, 190, 182))
    for reach, tone in ((38, shade(ground, -0.08)), (37, ground), (34, colour), (31, ground)):
        brush.oval(50, 50, reach, reach, tone)
    for turn in range(petals):
        angle = 2 * math.pi * turn / petals
        across, down = math.cos(angle), math.sin(angle)
        tip, side = 26, 5.5
        leaf = [(50, 50), (50 + 14 * across - side * down, 50 + 14 * down + side * across)]
        leaf += [(50 + tip * across, 50 + tip * down), (50 + 14 * across + side * down, 50 + 14 * down - side * across)]
        brush.shape(leaf, colour if turn % 2 else shade(colour, -0.3))
        brush.oval(50 + 29 * math.cos(angle + 0.3), 50 + 29 * math.sin(angle + 0.3), 1.1, 1.1, colour)
    brush.oval(50, 50, 5, 5, ground)
    brush.oval(50, 50, 3, 3, colour)


def tagine(brush: Brush, colour: Colour, chance: Random) -> None:
    brush.shadow(52, 83, 34)
    brush.turned([(66, 33), (74, 32), (83, 25)], shade(colour, -0.12))
    lid = [(20, 3), (25, 4.5), (30, 3), (44, 9), (60, 26), (67, 31)]
    brush.turned(lid, colour)
    paint = shade(colour, 0.65 if sum(colour) < 420 else -0.55)
    brush.girdle(lid, 48, 52, paint, chance.randint(5, 8))
    brush.girdle(lid, 58, 62, paint, chance.randint(8, 11))


def carpet(brush: Brush, colour: Colour, chance: Random) -> None:
    """From above: fringes, borders, and diamonds in a field."""
    second, third = chance.choice((COLOURS["cream"], COLOURS["beige"], WHITE)), chance.choice(list(COLOURS.values()))
    brush.box(21, 9, 81, 93, (206, 200, 192))
    for fringe in range(21, 80, 3):
        brush.line([(fringe + 0.5, 5), (fringe + 0.5, 95)], shade(second, -0.1), 0.5)
    for inset, tone in ((0, colour), (3, second), (4.5, third), (7.5, second), (8.5, colour)):
        brush.box(20 + inset, 8 + inset, 80 - inset, 92 - inset, tone)
    columns, rows = chance.choice(((2, 4), (2, 5), (1, 3), (2, 3)))
    wide, tall = 41 / columns, 65 / rows
    for row in range(rows):
        for column in range(columns):
            x, y = 29.5 + wide * (column + 0.5), 17.5 + tall * (row + 0.5)
            for part, tone in ((0.48, second), (0.36, third), (0.22, colour), (0.1, second)):
                brush.shape([(x + wide * part * a, y + tall * part * b * 0.83) for a, b in DIAMOND], tone)


def cloth(brush: Brush, colour: Colour, chance: Random) -> None:
    """Folded, with stripes and fringes, from above."""
    brush.box(18, 20, 86, 84, (206, 200, 192), 2)
    brush.box(15, 17, 83, 80, colour, 2)
    y = 20.0
    while y < 74:
        high = chance.choice((1.0, 1.5, 2.5, 4.0))
        brush.box(15, y, 83, y + high, shade(colour, chance.choice((0.55, -0.35, 0.75, 0.3))))
        y += high + chance.choice((2, 3.5, 5))
    brush.box(15, 46, 83, 47.5, shade(colour, -0.4))
    for x in range(16, 83, 2):
        brush.line([(x, 80), (x + 0.4, 86)], shade(colour, 0.3), 0.6)


def robe(brush: Brush, colour: Colour, chance: Random) -> None:
    """A long garment with wide sleeves and a hood, on a wall."""
    trim = chance.choice((COLOURS["gold"], COLOURS["cream"], shade(colour, -0.4)))
    brush.shape(
        [(37, 24), (63, 24), (84, 58), (74, 64), (64, 48), (70, 91), (30, 91), (36, 48), (26, 64), (16, 58)], colour
    )
    brush.shape([(50, 24), (63, 24), (84, 58), (74, 64), (64, 48), (70, 91), (50, 91)], shade(colour, -0.1))
    brush.shape([(37, 25), (50, 9), (63, 25), (50, 33)], shade(colour, -0.18))
    brush.shape([(43, 26), (50, 17), (57, 26), (50, 32)], shade(colour, -0.45))
    brush.line([(50, 32), (50, 90)], trim, 1.4)
    brush.line([(30.3, 89.5), (69.8, 89.5)], trim, 1.4)
    for y in range(38, 66, 6):
        brush.oval(50, y, 1.3, 1.3, shade(trim, 0.25))
