"""Who sells in the demo's marketplace, and what: twelve shops of importers, wholesalers and makers."""

from typing import NamedTuple

from app.resources.sellers import SellerCategory
from app.seed.market.crafts import LEATHER, POTTERY, TEXTILES
from app.seed.market.food import DATES, FOOD
from app.seed.market.goods import Shelf
from app.seed.market.household import COSMETICS, ELECTRONICS, KITCHEN

IMPORTATEUR, GROSSISTE, FOURNISSEUR = SellerCategory
SHELVES: dict[str, Shelf] = {
    "Olive oil and food": FOOD,
    "Dates": DATES,
    "Pottery": POTTERY,
    "Carpets and textiles": TEXTILES,
    "Leather": LEATHER,
    "Cosmetics": COSMETICS,
    "Kitchen": KITCHEN,
    "Electronics accessories": ELECTRONICS,
}


class Shop(NamedTuple):
    """Its owner with the part of the address before the @, and the shelves that it sells from."""

    owner: str
    name: str
    category: SellerCategory
    shop_name: str
    city: str
    sells: tuple[Shelf, ...]
    description: str
    currency: str = "DZD"
    is_verified: bool = True


# One argument a line would make this file twice as long.
# fmt: off
SHOPS: tuple[Shop, ...] = (
    Shop("Vera Amrane", "vera", FOURNISSEUR, "Huilerie Djurdjura", "Tizi Ouzou", (FOOD, COSMETICS),
         "Olive oil of our own groves, pressed in November, and what our neighbours keep and cook."),
    Shop("Omar Mansouri", "omar", GROSSISTE, "Grossiste El Hamiz", "Alger", (KITCHEN, ELECTRONICS, FOOD),
         "Wholesale since 1994: by the piece, by the carton, by the lorry."),
    Shop("Lakhdar Guettaf", "lakhdar", FOURNISSEUR, "Dattes de Tolga", "Biskra", (DATES,),
         "Four hundred palms in Tolga, and a cold store beside them."),
    Shop("Meriem Bensaci", "meriem", GROSSISTE, "Oasis Export", "El Oued", (DATES,),
         "Dates of the whole south, sorted and packed for Europe.", "EUR"),
    Shop("Ouardia Aït Kaci", "ouardia", FOURNISSEUR, "Poterie de Maâtkas", "Tizi Ouzou", (POTTERY,),
         "Three sisters, one kiln, and the signs of our mothers."),
    Shop("Bakir Oudjana", "bakir", FOURNISSEUR, "Tapis du Mzab", "Ghardaïa", (TEXTILES,),
         "Carpets and cloth from the looms of the five cities."),
    Shop("Fouzia Bouayad", "fouzia", GROSSISTE, "Maison du Cuir", "Tlemcen", (LEATHER, TEXTILES),
         "Forty workshops of the old town sell through our house."),
    Shop("Moussa Ag Amastan", "moussa", FOURNISSEUR, "Sahara Cuir", "Tamanrasset", (LEATHER,),
         "Goat leather, cut and painted by the women of Tamanrasset.", is_verified=False),
    Shop("Nawel Charef", "nawel", GROSSISTE, "Souk El Fen", "Blida", (COSMETICS, POTTERY),
         "Distilled, fired and cooked within an hour's drive of Blida."),
    Shop("Réda Belhadj", "reda", IMPORTATEUR, "Méditerranée Import", "Oran", (COSMETICS, KITCHEN),
         "Brands from around the sea, in stock in Oran.", "EUR"),
    Shop("Djamel Zitouni", "djamel", IMPORTATEUR, "El Eulma Import", "Sétif", (KITCHEN, ELECTRONICS),
         "Containers every second week. Ask for prices from fifty pieces."),
    Shop("Sofiane Merabet", "sofiane", IMPORTATEUR, "Numidia Mobile", "Constantine", (ELECTRONICS,),
         "Everything around a telephone, with a guarantee of one year.", is_verified=False),
)
