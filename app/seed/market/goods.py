"""How a line of goods is written down, and the shelves of the demo: eight, each with a few branches."""

from collections.abc import Iterator
from typing import NamedTuple


class Goods(NamedTuple):
    """Things of one kind that differ in size or colour. `variants` are labels with prices in dinars; a label that is
    a colour is drawn in it, and a price alone has no label."""

    kind: str
    colour: str
    name: str
    variants: str
    text: str

    def each(self) -> Iterator[tuple[str, int]]:
        """Label and price of every variant."""
        for variant in self.variants.split(", "):
            label, _, price = variant.rpartition(" ")
            yield label, int(price)


Shelf = dict[str, tuple[Goods, ...]]
"""Branches of a category, each with its goods."""
