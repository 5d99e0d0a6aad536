"""Personal data on pages: viewers see that it is there, not what it is."""

from __future__ import annotations

from typing import Any

from entities.listings import LISTINGS
from entities.models import Entity
from entities.pipeline.report import PII_FIELDS
from track360.htmx import PortalRequest
from track360.models import Membership

HIDDEN = "••••••"


def sees_personal_data(request: PortalRequest) -> bool:
    """Whoever views a partner as somebody else sees none either, whatever the role."""
    return request.role != Membership.Role.VIEWER and not request.viewing_as


def masked_value(field: str, value: Any) -> Any:
    """The value of one of the guide's fields; first name, last name and email give way to dots, null stays null."""
    return HIDDEN if field in PII_FIELDS and value is not None else value


def masked_payload(entity: str, payload: Any) -> Any:
    """A record as sent, without what may be personal: the PII fields, and whatever is not a field of the guide at all.

    A misspelt `e_mail` or a record that is no object may hold anything.
    """
    if not isinstance(payload, dict):
        return HIDDEN
    model = LISTINGS[Entity(entity)].model
    known = {field.attname for field in model._meta.fields} - PII_FIELDS
    return {
        name: value if name in known and not isinstance(value, dict | list) else None if value is None else HIDDEN
        for name, value in payload.items()
    }
