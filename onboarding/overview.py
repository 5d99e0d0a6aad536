"""What the overview shows, gathered: figures from counters and batches, problems from logs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Max

from entities.batch_selectors import Hour, Traffic, hours_for, totals_for, traffic_over
from entities.models import Entity
from entities.quarantine_causes import Cause, quarantine_causes
from entities.snippets import BACKSLASH, push_command
from integrations.models import ApiRequest, Client, Connection
from integrations.run_selectors import Pulls, pulls_of
from onboarding.evidence import patterns_of
from onboarding.models import Pattern
from track360.models import Environment, Partner

DAY = 24
LISTED = 5  # of each kind of problem


@dataclass(frozen=True)
class Overview:
    command: str  # the curl that brings the first data; empty once some is here, or where nothing may call
    has_way_in: bool  # a client, or a connection through which we fetch
    is_pulled: bool  # whether we fetch everything; without a client only
    totals: dict[str, int]
    hours: list[Hour]
    day: Traffic  # the last 24 hours
    refused_requests: list[ApiRequest]
    causes: list[Cause]
    pulls: Pulls | None  # None where nothing is fetched


def overview_of(environment: Environment, *, hours: int, now: dt.datetime) -> Overview:
    """`hours` is what the picture spans: 24 or more."""
    counted = hours_for(environment, hours=hours, now=now)
    totals = totals_for(environment)
    client_id, token_fetched = _client(environment)
    waits = environment.partner.status == Partner.Status.ACTIVE and not totals[Entity.CUSTOMERS]
    # Asked for only where it decides something: most pages have a client, and customers.
    patterns = patterns_of(environment.partner) if waits or client_id is None else {}
    waits = waits and patterns.get(Entity.CUSTOMERS) != Pattern.PULL
    return Overview(
        command=_command(client_id, token_fetched=token_fetched) if client_id and waits else "",
        has_way_in=client_id is not None
        or Connection.objects.filter(environment=environment, removed_at=None).exists(),
        is_pulled=set(patterns.values()) == {Pattern.PULL.value},
        totals=totals,
        hours=counted,
        day=traffic_over(counted[-DAY:]),
        refused_requests=_refused_requests(environment, since=now - dt.timedelta(hours=DAY)),
        causes=quarantine_causes(environment, limit=LISTED),
        pulls=pulls_of(environment),
    )


def _client(environment: Environment) -> tuple[str | None, bool]:
    """Id of a live client, one in use before the others, and whether a token was ever fetched with it."""
    clients = Client.objects.filter(environment=environment, revoked_at=None)
    used = clients.annotate(used_at=Max("secrets__last_used_at")).order_by("-created")
    found = list(used.values_list("client_id", "used_at"))
    found.sort(key=lambda client: client[1] is None)
    return (found[0][0], found[0][1] is not None) if found else (None, False)


def _refused_requests(environment: Environment, *, since: dt.datetime) -> list[ApiRequest]:
    refused = ApiRequest.objects.filter(environment=environment, at__gte=since, status__gte=400)
    return list(refused.defer("detail").order_by("-at", "-id")[:LISTED])


def _command(client_id: str, *, token_fetched: bool) -> str:
    if not token_fetched:
        return token_command(client_id)
    return f"TOKEN=$({token_command(client_id)} | {TAKE_TOKEN})\n{push_command(Entity.CUSTOMERS)}"


TAKE_TOKEN = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""


def token_command(client_id: str) -> str:
    """A curl command that fetches an access token; the secret is nowhere to be had, so the reader writes it in."""
    return BACKSLASH.join(
        (
            f"curl -s {settings.BASE_URL}/oauth/token",
            "-d grant_type=client_credentials",
            f"-d client_id={client_id}",
            "-d client_secret=YOUR_CLIENT_SECRET",
        )
    )
