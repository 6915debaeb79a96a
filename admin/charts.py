"""Charts as shapes on a plane, which templates draw as SVG: no scripts, no styles, nothing to load."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 52, 6, 12, 26
"""Room around the bars for the words."""
LINES = 4
BAR = 0.64
"""The part of its place that a bar takes."""


@dataclass(frozen=True)
class Bar:
    """A bar from the line of nothing up, or down for what is less than nothing; and the middle of its place."""

    text: str
    value: Decimal
    x: float
    y: float
    width: float
    height: float
    middle: float


@dataclass(frozen=True)
class Line:
    """A line across, at a round number."""

    value: Decimal
    y: float


@dataclass(frozen=True)
class Chart:
    bars: list[Bar]
    lines: list[Line]
    ground: float
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def bar_chart(values: Sequence[tuple[str, Decimal]]) -> Chart:
    """Bars side by side, by name; the scale holds nothing, the most and the least."""
    amounts = [value for _, value in values]
    most, least = max([*amounts, Decimal(0)]), min([*amounts, Decimal(0)])
    step = round_step(most - least)
    top, bottom = math.ceil(most / step) * step, math.floor(least / step) * step
    top = top if top > bottom else step

    def height_of(value: Decimal) -> float:
        return round(TOP + float((top - value) / (top - bottom)) * (HEIGHT - TOP - BOTTOM), 1)

    ground, place = height_of(Decimal(0)), (WIDTH - LEFT - RIGHT) / max(len(values), 1)
    bars = [
        bar(text, value, LEFT + place * index, place, height_of(value), ground)
        for index, (text, value) in enumerate(values)
    ]
    marks = [bottom + step * index for index in range(int((top - bottom) / step) + 1)]
    return Chart(bars, [Line(mark, height_of(mark)) for mark in marks], ground)


def bar(text: str, value: Decimal, left: float, place: float, end: float, ground: float) -> Bar:
    width, middle = place * BAR, left + place / 2
    return Bar(
        text,
        value,
        round(middle - width / 2, 1),
        min(end, ground),
        round(width, 1),
        round(abs(ground - end), 1),
        round(middle, 1),
    )


def round_step(span: Decimal) -> Decimal:
    """1, 2 or 5 times a power of ten, so that about four of it fill the span."""
    if not span:
        return Decimal(1)
    power = Decimal(10) ** (span / LINES).adjusted()
    return next(power * times for times in (1, 2, 5, 10) if power * times * LINES >= span)
