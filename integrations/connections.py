"""Connections to partners' APIs and databases: what people do with them. Each action writes its audit row itself.

A secret goes in and never comes out, and never to another place than the one that it was given for: who changes where
a connection leads has to give it again.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations import connection_rules as rules
from integrations.clients import Override, checked_override
from integrations.models import Connection, Feed, SyncRun
from integrations.pull import schedule
from track360 import audit
from track360.models import Environment
from track360.sealed import seal, unseal

MOST = 20  # connections of an environment
NOT_READY = "A production connection is switched on only"
NAME_TAKEN = "There is a connection of this name already."

# -- Secrets ------------------------------------------------------------------


def secret_purpose(connection: Connection) -> str:
    """Binds the sealed secret to its row."""
    return f"connection secret:{connection.pk}"


def put_secret(connection: Connection, clear: str) -> None:
    """Seal it into the row, which the caller saves; empty: there is none."""
    connection.sealed_secret = seal(clear, purpose=secret_purpose(connection)) if clear else ""
    connection.secret_set_at = timezone.now() if clear else None


def secret_of(connection: Connection) -> str:
    """In clear, for the one who signs in with it; never for a page, a log or a task's argument."""
    return unseal(connection.sealed_secret, purpose=secret_purpose(connection)) if connection.sealed_secret else ""


# -- Actions ------------------------------------------------------------------


@transaction.atomic
def create_connection(
    environment: Environment, *, kind: str, values: rules.Values, actor: audit.Actor, secret: str = ""
) -> Connection:
    """Refused: a fault in a field (its code is the field's name), one connection too many (`too_many`)."""
    if kind not in Connection.Kind.values:
        raise ValidationError(f"Choose one of {', '.join(Connection.Kind.values)}.", code="kind")
    connection = Connection(environment=environment, kind=kind, created_by=actor.user)
    _set(connection, rules.checked_connection(kind, values))
    if secret:
        rules.check_secret(connection, secret)
        put_secret(connection, secret)
    Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)  # two at once must not pass the limit
    if Connection.objects.filter(environment=environment, removed_at=None).count() >= MOST:
        raise ValidationError(f"There are {MOST} connections already. Remove one of them first.", code="too_many")
    _save(connection, force_insert=True)
    _audit("connection.created", connection, actor, kind=kind, with_secret=bool(secret))
    return connection


@transaction.atomic
def change_connection(
    connection: Connection, *, values: rules.Values, actor: audit.Actor, secret: str = ""
) -> Connection:
    """What `values` leaves out stays. Where it leads or how it signs in: tested again, and off till then.

    Leads it to another host, its secret is forgotten unless one comes along.
    """
    connection = locked(connection)
    before = {name: getattr(connection, name) for name in rules.FIELDS}
    places = rules.places(connection)
    _set(connection, rules.checked_connection(connection.kind, before | dict(values)))
    changed = [name for name in rules.FIELDS if getattr(connection, name) != before[name]]
    forgets = not secret and _must_forget(connection, places)
    if secret:
        rules.check_secret(connection, secret)
    if secret or forgets:
        put_secret(connection, secret)
    if not changed and not secret:
        return connection
    if secret or set(changed) & set(rules.TESTED):
        take_pass(connection)
    if set(changed) & set(rules.PLACE):
        # How far they got says nothing of another source.
        live_feeds(connection).update(cursor="", cursor_moved_at=None)
        for feed in live_feeds(connection):
            stop_runs(feed, actor=actor)
    _save(connection)
    detail = {"changed": changed, "with_secret": bool(secret), "secret_forgotten": forgets}
    _audit("connection.changed", connection, actor, **detail)
    return connection


@transaction.atomic
def set_secret(connection: Connection, *, secret: str, actor: audit.Actor) -> Connection:
    """It replaces the one there was. Raises ValidationError (code `secret`) for what could never be sent."""
    if not secret:
        raise ValidationError("Write the secret.", code="secret")
    connection = locked(connection)
    rules.check_secret(connection, secret)
    put_secret(connection, secret)
    take_pass(connection)
    _save(connection)
    _audit("connection.secret_set", connection, actor)
    return connection


@transaction.atomic
def switch_connection(
    connection: Connection, *, on: bool, actor: audit.Actor, override: Override | None = None
) -> Connection:
    """On only once a test has passed (`not_passed`), in production as clients are made (`not_ready`, `override`)."""
    connection = locked(connection)
    if connection.is_on == on:
        return connection
    detail: dict[str, str] = {}
    if on:
        if connection.passed_at is None:
            raise ValidationError("It is switched on once a test has passed. Test it first.", code="not_passed")
        detail = checked_override(connection.environment, override, what=NOT_READY)
    connection.is_on = on
    connection.save(update_fields=["is_on"])
    _audit("connection.switched_on" if on else "connection.switched_off", connection, actor, **detail)
    return connection


@transaction.atomic
def remove_connection(connection: Connection, *, actor: audit.Actor) -> None:
    """It fetches nothing more, nor do its feeds, and its secret is wiped; what it fetched stays. Again: no change."""
    try:
        connection = locked(connection)
    except ValidationError:
        return
    now = timezone.now()
    feeds = list(live_feeds(connection))
    live_feeds(connection).update(removed_at=now, is_on=False, next_run_at=None)
    for feed in feeds:
        stop_runs(feed, actor=actor)
    put_secret(connection, "")
    connection.is_on, connection.removed_at = False, now
    connection.save(update_fields=["is_on", "removed_at", "sealed_secret", "secret_set_at"])
    _audit("connection.removed", connection, actor)


# -- What the actions share, with those of feeds -------------------------------


def locked(connection: Connection) -> Connection:
    """Its row for this transaction alone; a feed's is taken after it. Raises ValidationError (`removed`)."""
    found = (
        Connection.objects.select_for_update(of=("self",), no_key=True)
        .select_related("environment__partner")
        .get(pk=connection.pk)
    )
    if found.removed_at is not None:
        raise ValidationError("This connection was removed.", code="removed")
    return found


def live_feeds(connection: Connection) -> QuerySet[Feed]:
    return Feed.objects.filter(connection=connection, removed_at=None).order_by("entity")


def take_pass(connection: Connection) -> None:
    """What was tested is another thing now: connection and feeds are off until a test passes. The caller saves it."""
    connection.passed_at, connection.is_on = None, False
    live_feeds(connection).update(passed_at=None, is_on=False, next_run_at=None)


def stop_runs(feed: Feed, *, actor: audit.Actor) -> None:
    for run in SyncRun.objects.filter(feed=feed, state__in=SyncRun.OPEN):
        schedule.stop_run(run, actor=actor)


def _must_forget(connection: Connection, before: set[tuple[str, str, int | None]]) -> bool:
    if not connection.sealed_secret:
        return False
    without = not connection.is_sql and connection.auth == Connection.Auth.NONE
    return without or bool(rules.places(connection) - before)


def _set(connection: Connection, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(connection, name, value)


def _save(connection: Connection, *, force_insert: bool = False) -> None:
    try:
        with transaction.atomic():
            connection.save(force_insert=force_insert)
    except IntegrityError:
        raise ValidationError(NAME_TAKEN, code="name") from None


def _audit(action: str, connection: Connection, actor: audit.Actor, **detail: Any) -> None:
    audit.record(
        action,
        actor=actor,
        environment=connection.environment,
        target=str(connection.pk),
        name=connection.name,
        **detail,
    )
