"""Bars of a chart: each as high as its value, on a scale of round numbers, for whatever a shop may have sold."""

from decimal import Decimal

import pytest

from admin.charts import BOTTOM, HEIGHT, TOP, bar_chart


def chart(*amounts: str):
    return bar_chart([(str(place), Decimal(amount)) for place, amount in enumerate(amounts)])


def test_a_bar_is_as_high_as_its_value():
    low, high = chart("50", "100").bars
    assert high.height == pytest.approx(2 * low.height, abs=0.1)
    assert high.y == TOP
    assert (low.y + low.height, high.y + high.height) == pytest.approx((HEIGHT - BOTTOM,) * 2)


def test_what_is_less_than_nothing_hangs_below_the_ground():
    made = chart("100", "-50")
    assert made.bars[1].y == made.ground
    assert made.bars[0].height == pytest.approx(2 * made.bars[1].height, abs=0.2)
    assert made.bars[1].y + made.bars[1].height <= HEIGHT - BOTTOM


@pytest.mark.parametrize("amounts", [("137000.00", "0"), ("0.003",), ("7", "9"), ("-3", "-8"), ("99999999999999.999",)])
def test_the_scale_has_few_round_numbers_that_hold_all_values(amounts):
    marks = [line.value for line in chart(*amounts).lines]
    assert 2 <= len(marks) <= 7
    assert marks[0] <= min(map(Decimal, amounts))
    assert marks[-1] >= max(map(Decimal, amounts))
    assert Decimal(0) in marks


@pytest.mark.parametrize("amounts", [(), ("0",), ("0",) * 12])
def test_nothing_sold_is_flat_bars_on_the_ground(amounts):
    made = chart(*amounts)
    assert {bar.height for bar in made.bars} <= {0}
    assert made.lines[0].value == 0
