"""What customers of the demo handed in: specimens drawn for their orders, and what staff made of them.

Rows are planned with a chance of their own, and are complete once their files are drawn (`specimens.py`).
"""

from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import uuid_utils
from babel.dates import format_date
from slugify import slugify

from app.kit.table import Table
from app.resources.documents import REASONS, Document, DocumentStatus, advice
from app.resources.emails import Email, EmailStatus
from app.resources.order_items import OrderItem
from app.resources.order_letters import order_letter
from app.resources.orders import Order, OrderStatus
from app.resources.services import DocumentCategory
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.seed.specimens import COUNTRIES, Paper, names_of, passport_of

PASSPORT, PHOTO, BANK_STATEMENT, OTHER = DocumentCategory
PENDING, VERIFIED, REJECTED = DocumentStatus
Fate = tuple[DocumentStatus, ...]
FRESH, MAILED, LOOSE = timedelta(days=4), timedelta(days=14), 10
"""How old what waits may be, and decisions with a mail; documents without an order."""
DONE: dict[Fate, int] = {(VERIFIED,): 85, (REJECTED, VERIFIED): 15}
FATES: dict[OrderStatus, dict[Fate, int]] = {
    OrderStatus.PENDING: {(PENDING,): 80, (): 20},
    OrderStatus.CONFIRMED: {(VERIFIED,): 27, (PENDING,): 38, (REJECTED,): 10, (REJECTED, PENDING): 10, (): 15},
    OrderStatus.IN_PROGRESS: DONE,
    OrderStatus.COMPLETED: DONE,
    OrderStatus.CANCELLED: {(): 1},
}
"""What became of each document that an order of this status needs, one attempt after the other, and how often."""
BLURRED, EXPIRED, WRONG, STRANGER, _ = REASONS
FLAWS = {"blurred": BLURRED, "cut_off": BLURRED, "wrong": WRONG, "stranger": STRANGER, "expired": EXPIRED}
"""What may be wrong with a drawing, and what staff say to it. A passport that expires `soon` is only flagged."""
BAD: dict[DocumentCategory, tuple[str, ...]] = {
    PASSPORT: ("blurred", "cut_off", "stranger", "expired"),
    PHOTO: ("blurred", "cut_off"),
    BANK_STATEMENT: ("wrong", "stranger"),
    OTHER: ("wrong", "stranger"),
}
NAMES: dict[DocumentCategory, tuple[str, ...]] = {
    PASSPORT: ("passport_{name}.jpg", "passeport_{name}.jpg", "IMG_{number}.jpg", "scan {number}.jpg"),
    PHOTO: ("photo_{name}.jpg", "photo identite.jpg", "IMG_{number}.jpg", "portrait.jpg"),
    BANK_STATEMENT: ("statement_{month}.pdf", "releve_{mois}.pdf", "{name} {month}.pdf", "releve {mois}.pdf"),
    OTHER: ("hotel_booking.pdf", "reservation_hotel.pdf", "booking-{number}.pdf", "hotel {name}.pdf"),
}
"""In English and in French, by turns."""


class Papers:
    """Makes the documents, so that orders and money are the same with or without them."""

    def __init__(self, now: datetime, customers: list[User], consultants: list[User]) -> None:
        self.chance, self.now, self.customers, self.consultants = Random(9314), now, customers, consultants
        self.drawn: list[Paper] = []
        self.mails: list[Email] = []

    def hand_in(self, placed: list[list[Table]]) -> None:
        """What belongs to these orders, each with its item and history, and a few that belong to none."""
        owners = {customer.id: customer for customer in self.customers}
        for order, item, *changes in placed:
            assert isinstance(order, Order)
            assert isinstance(item, OrderItem)
            assert order.user_id
            first, until = len(self.drawn), self.worked_until(order, changes)
            for category in map(DocumentCategory, order.required_documents):
                fates = FATES[order.status]
                fate = self.chance.choices(list(fates), list(fates.values()))[0]
                self.attempts(owners[order.user_id], order, category, fate, order.created_at, until)
            self.tell(order, item, self.drawn[first:])
        for customer in self.chance.sample(self.customers, LOOSE):
            since = self.now - timedelta(days=self.chance.uniform(8, 30))
            category, fate = self.chance.choice((PASSPORT, PHOTO)), (self.chance.choice((PENDING, VERIFIED)),)
            self.attempts(customer, None, category, fate, since, since + FRESH)

    def worked_until(self, order: Order, changes: list[Table]) -> datetime:
        """When the last of its documents was decided: before work on it began, or else not long ago."""
        begun = [each.at for each in changes if isinstance(each, StatusChange) and each.to_status == "IN_PROGRESS"]
        return begun[0] if begun else order.created_at + (self.now - order.created_at) * 0.6

    def attempts(
        self,
        customer: User,
        order: Order | None,
        category: DocumentCategory,
        fate: Fate,
        since: datetime,
        until: datetime,
    ) -> None:
        """One document after the other, each decided before the next came; what waits came lately."""
        share = (until - since) / max(1, len(fate))
        for place, status in enumerate(fate):
            start, room = since + share * place, share
            if status is PENDING:
                start = max(until, self.now - FRESH)
                room = self.now - start
            sent = start + room * self.chance.uniform(0.05, 0.95 if status is PENDING else 0.5)
            paper = self.paper(customer, order, category, self.flaw(category, status, place + 1 < len(fate)), sent)
            if status is not PENDING:
                self.decide(paper, status, order, start + room * self.chance.uniform(0.55, 0.95))
            self.drawn.append(paper)

    def flaw(self, category: DocumentCategory, status: DocumentStatus, better_one_came: bool) -> str:
        bad = BAD[category]
        soon: tuple[str, ...] = ("soon",) if category is PASSPORT else ()
        if status is REJECTED:
            return self.chance.choice(bad[:2] if better_one_came else bad)
        if status is VERIFIED:
            return self.chance.choice(("", "", "", "", "", "", *soon))
        return self.chance.choice((*bad, *soon)) if self.chance.random() < 0.3 else ""

    def paper(
        self, customer: User, order: Order | None, category: DocumentCategory, flaw: str, sent: datetime
    ) -> Paper:
        """A document that waits."""
        trip: dict[str, Any] = (order.values()["service_details"] if order else None) or {}
        travels = date.fromisoformat(trip.get("travel_date") or str(sent.date() + timedelta(days=60)))
        others = [each for each in self.customers if each is not customer]
        holder = self.chance.choice(others) if flaw == "stranger" else customer
        number = trip.get("passport_number") if holder is customer else None
        passport = passport_of(holder.full_name, holder.country or "", self.expiry(flaw, sent.date(), travels), number)
        swapped = {BANK_STATEMENT: OTHER, OTHER: BANK_STATEMENT} if flaw == "wrong" else {}
        shows, until = swapped.get(category, category), sent.date().replace(day=1) - timedelta(days=1)
        name = self.name(shows, customer, until)
        document = Document(
            **stamps(sent),
            user_id=customer.id,
            order_id=order.id if order else None,
            category=category,
            original_name=name,
            file_size=0,
            mime_type="application/pdf" if name.endswith("pdf") else "image/jpeg",
            storage_key="",
            is_ready=True,
        )
        country = COUNTRIES[holder.country or ""][1]
        return Paper(document, shows, passport, country, holder.full_name, travels, until, flaw)

    def expiry(self, flaw: str, sent: date, travels: date) -> date:
        if flaw == "expired":
            return sent - timedelta(days=self.chance.randint(10, 400))
        return travels + timedelta(days=self.chance.randint(*((20, 150) if flaw == "soon" else (260, 3200))))

    def name(self, shows: DocumentCategory, customer: User, until: date) -> str:
        """As telephones, scanners and people name files."""
        in_french = customer.country in ("FR", "DZ", "MA")
        given = slugify(names_of(customer.full_name)[0])
        month, mois = (slugify(format_date(until, "MMMM", locale=language)) for language in ("en", "fr"))
        pattern, number = self.chance.choice(NAMES[shows][in_french::2]), self.chance.randint(1000, 9999)
        return pattern.format(name=given, month=month, mois=mois, number=number)

    def decide(self, paper: Paper, status: DocumentStatus, order: Order | None, moment: datetime) -> None:
        document = paper.document
        document.status, document.decided_at, document.updated_at = status, moment, moment
        document.decided_by = (order and order.assigned_to) or self.chance.choice(self.consultants).id
        document.rejection_reason = FLAWS[paper.flaw] if status is REJECTED else None
        document.expires_on = paper.passport.expires if (document.category, status) == (PASSPORT, VERIFIED) else None

    def tell(self, order: Order, item: OrderItem, papers: list[Paper]) -> None:
        """The mails of the latest decisions, kept as they are where nobody set up a provider. Each was made before the
        next document came and before the order was over."""
        letter = order_letter(order.values(), [(item.title, item.quantity, item.line_total)])
        for paper in papers:
            document = paper.document
            moment, reason = document.decided_at, document.rejection_reason
            if moment and moment > self.now - MAILED:
                about: dict[str, Any] = {"category": str(document.category), "file_name": document.original_name}
                if reason:
                    about |= {"reason": reason, "advice": advice(reason), "send_again": True}
                else:
                    about |= {"documents": progress(order, papers, moment), "shortfall": shortfall(order, paper)}
                self.mails.append(mail(order, f"document_{document.status.lower()}", moment, letter | about))


def stamps(moment: datetime) -> dict[str, Any]:
    key = UUID(bytes=uuid_utils.uuid7(nanoseconds=int(moment.timestamp() * 1e9)).bytes)
    return {"id": key, "created_at": moment, "updated_at": moment}


def mail(order: Order, template: str, moment: datetime, context: dict[str, Any]) -> Email:
    recipient = order.values()["customer_info"]["email"]
    kept = {"status": EmailStatus.KEPT, "attempts": 1}
    return Email(**stamps(moment), recipient=recipient, template=template, context=context, order_id=order.id, **kept)


def progress(order: Order, papers: list[Paper], moment: datetime) -> dict[str, Any]:
    """How far the documents of the order were at this moment, as its mails say."""
    decided = [each for each in papers if each.document.decided_at and each.document.decided_at <= moment]
    sent = {each.document.category for each in papers if each not in decided and each.document.created_at <= moment}
    verified = {each.document.category: each for each in decided if each.document.status is VERIFIED}
    passport = verified.get(PASSPORT)
    lacks = [DocumentCategory(each) for each in order.required_documents if each not in verified]
    return {
        "required": len(order.required_documents),
        "verified": len(order.required_documents) - len(lacks),
        "waiting": [str(each) for each in lacks if each in sent],
        "missing": [str(each) for each in lacks if each not in sent],
        "is_complete": not lacks,
        "passport_expires_too_soon": passport and shortfall(order, passport) is not None,
    }


def shortfall(order: Order, paper: Paper) -> str | None:
    """What is wrong with a document that was verified, as its mail says. None had expired by then."""
    return "expiring" if order.service_details and paper.flaw == "soon" else None
