"""All of a partner's data as one zip of JSON lines, written by a worker from server-side cursors.

PostgreSQL writes each line itself, so that amounts and times are those of its columns, and no more than a few thousand
rows are held at a time. Nothing secret is read: of clients, connections, webhooks, invitations some columns stay out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, models, transaction
from django.db.models import QuerySet
from django.utils import timezone

from entities.models import (
    Activity,
    Affiliate,
    Batch,
    Customer,
    Difference,
    Erasure,
    JsonTextField,
    MappingChange,
    MappingChangeLine,
    QuarantinedRecord,
    QuarantineEvent,
    RecordChange,
    Replay,
    SeenStatus,
    StatusMapping,
    Transaction,
)
from integrations.models import (
    Client,
    ConformanceReport,
    Connection,
    DayTotals,
    DoubledDay,
    Feed,
    SyncRun,
    Waiver,
    WebhookEndpoint,
)
from onboarding import jobs
from onboarding.models import (
    Onboarding,
    PartnerExport,
    RehearsalWindow,
    Scope,
    SignOff,
    StepChange,
    StepNote,
    StepOverride,
    StepState,
)
from track360 import audit
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Invitation, Membership, Partner, User

KEPT = dt.timedelta(days=30)
ROWS_AT_ONCE = 2000
STATEMENT_TIMEOUT = "600s"


@dataclass(frozen=True)
class Contents:
    """One file of the export: the rows of a model whose `of` is the partner (or an environment of his)."""

    name: str
    model: type[models.Model]
    of: str = "partner_id"
    without: tuple[str, ...] = ()


OF_ENVIRONMENT = (
    Contents("customers", Customer, "environment_id"),
    Contents("transactions", Transaction, "environment_id"),
    Contents("activity", Activity, "environment_id"),
    Contents("history", RecordChange, "environment_id"),
    Contents("quarantine", QuarantinedRecord, "environment_id"),
    Contents("replays", Replay, "environment_id"),
    Contents("batches", Batch, "environment_id"),
    Contents("differences", Difference, "environment_id"),
    Contents("erasures", Erasure, "environment_id"),
    Contents("status_values_seen", SeenStatus, "environment_id"),
    Contents(
        "clients",
        Client,
        "environment_id",
        without=("client_secret", "hash_client_secret", "user", "redirect_uris", "post_logout_redirect_uris"),
    ),
    Contents("connections", Connection, "environment_id", without=("sealed_secret",)),
    Contents("feeds", Feed, "environment_id"),
    Contents("runs", SyncRun, "environment_id", without=("lease_token",)),
    Contents("conformance_reports", ConformanceReport, "environment_id"),
    Contents("day_totals", DayTotals, "environment_id"),
    Contents("doubled_days", DoubledDay, "environment_id"),
    Contents("waivers", Waiver, "environment_id"),
)
# What hangs on the rows of another file: the contents, and the condition that finds them.
OF_OTHERS = (
    (
        Contents("quarantine_events", QuarantineEvent, "environment_id"),
        "t.record_id IN (SELECT id FROM entities_quarantinedrecord WHERE environment_id = %s)",
    ),
)
OF_PARTNER = (
    Contents("partner", Partner, "id"),
    Contents("mappings", StatusMapping),
    Contents("mapping_changes", MappingChange),
    Contents("affiliates", Affiliate),
    Contents("onboarding", Onboarding),
    Contents("scope", Scope),
    Contents("steps", StepState),
    Contents("step_changes", StepChange),
    Contents("step_notes", StepNote),
    Contents("step_overrides", StepOverride),
    Contents("sign_offs", SignOff),
    Contents("rehearsals", RehearsalWindow),
    Contents("people", Membership),
    Contents("invitations", Invitation, without=("digest",)),
    Contents("webhooks", WebhookEndpoint, without=("sealed_secret", "sealed_old_secret")),
    Contents("audit", AuditEvent),
)


# -- Asked for, handed out, taken away ----------------------------------------


@transaction.atomic
def request_export(partner: Partner, *, actor: Actor) -> PartnerExport:
    """Ask a worker for an export; while one is asked for, that one."""
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
    waiting = PartnerExport.objects.filter(partner=partner, state__in=jobs.OPEN).first()
    if waiting is not None:
        return waiting
    export = PartnerExport.objects.create(partner=partner, requested_by=actor.user, client_id=actor.client_id)
    audit.record("export.requested", actor=actor, partner=partner, target=str(export.pk))
    return export


def exports_of(partner: Partner) -> QuerySet[PartnerExport]:
    return PartnerExport.objects.filter(partner=partner).select_related("requested_by").order_by("-requested_at")


def available_exports(partner: Partner) -> QuerySet[PartnerExport]:
    """Those that can be downloaded, the newest first."""
    done = exports_of(partner).filter(state=PartnerExport.State.DONE, expires_at__gt=timezone.now())
    return done.exclude(path="")


def waiting_exports() -> QuerySet[PartnerExport]:
    return PartnerExport.objects.filter(state__in=jobs.OPEN)


def delete_exports(partner: Partner) -> int:
    """Take away the files of a partner's exports, for what is in them must be nowhere; gives how many.

    In a transaction. The partner's row is locked, as where an export is published: so one that began before an
    erasure is either here already, or sees the erasure.
    """
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
    kept = PartnerExport.objects.filter(partner=partner, state=PartnerExport.State.DONE).exclude(path="")
    return sum(delete_file(export) for export in kept)


def delete_file(export: PartnerExport) -> bool:
    default_storage.delete(export.path)
    export.path, export.expires_at = "", timezone.now()
    export.save(update_fields=["path", "expires_at"])
    return True


# -- Made by a worker ---------------------------------------------------------


def run_export(export_id: uuid.UUID) -> None:
    jobs.run(PartnerExport, export_id, _export)


def _export(export: PartnerExport) -> None:
    path = f"exports/{export.partner.slug}/{export.pk}.zip"
    default_storage.delete(path)  # of an attempt that was killed
    Path(settings.MEDIA_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.MEDIA_ROOT) as file:
        export.counts = _write(export.partner, file)
        export.size = file.tell()
        file.seek(0)
        export.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        export.path = default_storage.save(path, File(file))
    _publish(export)


@transaction.atomic
def _publish(export: PartnerExport) -> None:
    """Hand it out, unless somebody in it was erased meanwhile: then it is made again."""
    Partner.objects.select_for_update(no_key=True).get(pk=export.partner_id)
    assert export.started_at is not None
    if Erasure.objects.filter(environment__partner=export.partner, erased_at__gte=export.started_at).exists():
        default_storage.delete(export.path)
        export.state, export.path = PartnerExport.State.WAITING, ""
        export.save(update_fields=["state", "path"])
        return
    now = timezone.now()
    export.state, export.finished_at, export.expires_at = PartnerExport.State.DONE, now, now + KEPT
    export.save()
    actor = Actor(user=export.requested_by, client_id=export.client_id)
    audit.record(
        "export.made",
        actor=actor,
        partner=export.partner,
        target=str(export.pk),
        size=export.size,
        sha256=export.sha256,
    )


@transaction.atomic
def _write(partner: Partner, file: Any) -> dict[str, int]:
    """The zip, as of one moment; gives the lines of each file."""
    counts: dict[str, int] = {}
    with connection.cursor() as cursor:
        if not connection.needs_rollback and len(connection.savepoint_ids) == 0:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for environment in Environment.objects.filter(partner=partner).order_by("-kind"):
            for contents in OF_ENVIRONMENT:
                name = f"{environment.kind}/{contents.name}.jsonl"
                counts[name] = _write_lines(archive, name, _lines(contents, environment.pk))
            for contents, where in OF_OTHERS:
                name = f"{environment.kind}/{contents.name}.jsonl"
                counts[name] = _write_lines(archive, name, _lines(contents, environment.pk, where=where))
        for contents in OF_PARTNER:
            name = f"{contents.name}.jsonl"
            counts[name] = _write_lines(archive, name, _lines(contents, partner.pk))
        name = "mapping_change_lines.jsonl"
        lines = Contents("mapping_change_lines", MappingChangeLine)
        of_partner = "t.change_id IN (SELECT id FROM entities_mappingchange WHERE partner_id = %s)"
        counts[name] = _write_lines(archive, name, _lines(lines, partner.pk, where=of_partner))
        about = {"partner": partner.slug, "made_at": timezone.now().isoformat(), "lines": counts}
        archive.writestr("contents.json", json.dumps(about, indent=2))
    return counts


def _write_lines(archive: zipfile.ZipFile, name: str, lines: Iterator[str]) -> int:
    count = 0
    with archive.open(name, "w", force_zip64=True) as entry:
        for line in lines:
            entry.write(line.encode() + b"\n")
            count += 1
    return count


def _lines(contents: Contents, owner: int, *, where: str = "") -> Iterator[str]:
    """Each row as PostgreSQL writes it as JSON, a few thousand at a time."""
    sql = (
        f"SELECT row_to_json(r)::text FROM (SELECT {_columns(contents)} FROM {contents.model._meta.db_table} t"
        f" WHERE {where or f't.{contents.of} = %s'} ORDER BY t.{_key(contents.model)}) r"
    )
    with connection.wrap_database_errors, connection.connection.cursor(name=f"export_{uuid.uuid4().hex}") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(sql, [owner])
        for (line,) in cursor:
            yield line


def _columns(contents: Contents) -> str:
    """What is JSON stands as JSON, and people by their addresses."""
    shown = []
    for field in contents.model._meta.concrete_fields:
        if field.generated or field.name in contents.without or (field.column == contents.of and not field.primary_key):
            continue
        if field.related_model is User:
            shown.append(f"(SELECT u.email FROM track360_user u WHERE u.id = t.{field.column}) AS {field.name}")
        elif isinstance(field, JsonTextField):
            shown.append(f"t.{field.column}::json AS {field.column}")
        else:
            shown.append(f"t.{field.column}")
    return ", ".join(shown)


def _key(model: type[models.Model]) -> str:
    key = model._meta.pk
    assert key is not None
    assert key.column is not None
    return key.column
