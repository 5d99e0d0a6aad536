"""From a refused record that was fetched to the feed that names its fields."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET

from entities.addresses import portal_url
from entities.quarantine_selectors import quarantined_by_number
from integrations.models import SyncRun
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest


@portal_view(roles=MANAGERS)
@require_GET
def quarantine_mapping(request: PortalRequest, number: int) -> HttpResponse:
    record = quarantined_by_number(request.environment, number)
    runs = SyncRun.objects.select_related("feed").filter(environment=request.environment)
    run = runs.filter(pk=record.run_id).first() if record is not None and record.run_id else None
    if run is None:
        raise Http404("No feed fetched this record, or it is gone.")
    return HttpResponseRedirect(portal_url(request, "connection-feed-edit", run.feed.connection_id, run.feed_id))
