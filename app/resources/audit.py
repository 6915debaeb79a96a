"""The audit log as admins read it. It is written by `kit/audit.py` and never changed."""

from app.kit.access import admin
from app.kit.audit import AuditEntry
from app.kit.resource import Look, Resource

audit = Resource(
    table=AuditEntry,
    path="admin/audit",
    read=admin,
    hidden=("created_at", "updated_at"),
    filters=("action", "resource", "actor_id", "at__gte", "at__lte"),
    sort=("at",),
    order="-at",
    example={
        "id": "019aab12-7c00-7000-8000-0000000000f1",
        "at": "2026-11-22T09:30:00.000000Z",
        "actor_id": "019aab12-7c00-7000-8000-000000000002",
        "action": "moved",
        "resource": "orders",
        "row_id": "019aab12-7c00-7000-8000-0000000000b1",
        "changes": {"status": ["PENDING", "CONFIRMED"]},
        "request_id": "b3f1c2d4",
        "ip": "203.0.113.7",
    },
    admin=Look(
        group="System",
        icon="history",
        title="action",
        columns=("at", "actor_id", "action", "resource", "changes"),
        order=90,
    ),
)
