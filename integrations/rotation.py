"""What is sealed at rest, sealed anew under the first of FIELD_KEYS: then the keys behind it may go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.exceptions import InvalidTag
from django.db import models, transaction

from integrations import connections, webhooks
from integrations.models import Connection, WebhookEndpoint
from track360.sealed import MfaAdapter, is_current, seal, unseal

logger = logging.getLogger(__name__)

SECOND_FACTORS = ("secret", "seed", "migrated_codes")  # the members of `data` that allauth seals


@dataclass
class Rotation:
    """How many were sealed anew, were so already, and cannot be opened: their key is in FIELD_KEYS no more."""

    rotated: int = 0
    kept: int = 0
    lost: int = 0

    def reseal(self, sealed: str, *, purpose: str, of: object) -> str:
        if is_current(sealed):
            self.kept += 1
            return sealed
        try:
            anew = seal(unseal(sealed, purpose=purpose), purpose=purpose)
        except (KeyError, ValueError, InvalidTag):
            logger.error("a secret of %s cannot be opened with any of FIELD_KEYS", of)
            self.lost += 1
            return sealed
        self.rotated += 1
        return anew


def rotate() -> Rotation:
    """Row by row, each in a transaction of its own, so that nobody waits for it and it may be run again at any time."""
    found = Rotation()
    for connection in _each(Connection):
        connection.sealed_secret = _resealed(found, connection, connection.sealed_secret, connections.secret_purpose)
        connection.save(update_fields=["sealed_secret"])
    for endpoint in _each(WebhookEndpoint):
        for name in ("sealed_secret", "sealed_old_secret"):
            setattr(endpoint, name, _resealed(found, endpoint, getattr(endpoint, name), webhooks.secret_purpose))
        endpoint.save(update_fields=["sealed_secret", "sealed_old_secret"])
    for factor in _each(Authenticator):
        factor.data = {name: _second_factor(found, factor, name, value) for name, value in factor.data.items()}
        factor.save(update_fields=["data"])
    return found


def _each(model: type[models.Model]) -> Iterator[Any]:
    """Each row locked, with the transaction that saves it around the loop's body."""
    for pk in list(model._default_manager.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            row = model._default_manager.select_for_update().filter(pk=pk).first()
            if row is not None:
                yield row


def _resealed(found: Rotation, row: Any, sealed: str, purpose: Callable[[Any], str]) -> str:
    return found.reseal(sealed, purpose=purpose(row), of=_named(row)) if sealed else ""


def _second_factor(found: Rotation, factor: Authenticator, name: str, value: Any) -> Any:
    if name not in SECOND_FACTORS:
        return value
    if isinstance(value, list):
        return [_second_factor(found, factor, name, one) for one in value]
    return found.reseal(value, purpose=MfaAdapter.PURPOSE, of=_named(factor))


def _named(row: models.Model) -> str:
    return f"{row._meta.verbose_name} {row.pk}"
