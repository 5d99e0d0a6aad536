"""All of a partner's data as one zip of JSON lines, written by a worker from server-side cursors.

PostgreSQL writes each line itself, so that amounts and times are those of its columns. Nothing secret is read: of
clients and webhooks only the columns named here.
"""

from __future__ import annotations

from django.core.files.storage import default_storage
from django.utils import timezone

from onboarding.models import PartnerExport
from track360.models import Partner


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
