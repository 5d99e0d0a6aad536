"""What the overview shows, gathered: figures from counters and batches, problems from logs, and the next step."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Max

from entities.batch_selectors import Hour, Traffic, hours_for, totals_for, traffic_over
from entities.mapping_selectors import unknown_affiliates, unmapped_statuses
from entities.models import Entity, SeenStatus
from entities.quarantine_selectors import Cause, quarantine_causes
from entities.snippets import BACKSLASH, push_command
from integrations.models import ApiRequest, Client
from onboarding.next_step import LISTED, Facts, NextStep, next_step
from track360.models import Environment

DAY = 24


@dataclass(frozen=True)
class Overview:
    step: NextStep
    command: str  # the curl that does the next step; empty where it is not a call
    totals: dict[str, int]
    hours: list[Hour]
    day: Traffic  # the last 24 hours
    refused_requests: list[ApiRequest]
    causes: list[Cause]
    unmapped: list[SeenStatus]
    affiliates: list[str]

    @property
    def has_problems(self) -> bool:
        return bool(self.refused_requests or self.causes or self.unmapped or self.affiliates)


def overview_of(environment: Environment, *, role: str, hours: int, now: dt.datetime) -> Overview:
    """`hours` is what the picture spans: 24 or more."""
    counted = hours_for(environment, hours=hours, now=now)
    day = traffic_over(counted[-DAY:])
    totals = totals_for(environment)
    client_id, token_fetched = _client(environment)
    unmapped = list(unmapped_statuses(environment, limit=LISTED + 1))
    refused_requests = list(_refused_requests(environment, since=now - dt.timedelta(hours=DAY)))
    step = next_step(
        Facts(
            environment=environment,
            role=role,
            client_id=client_id,
            token_fetched=token_fetched,
            totals=totals,
            unmapped=unmapped,
            day=day,
            last_refused_request=str(refused_requests[0].id) if refused_requests else None,
        )
    )
    return Overview(
        step=step,
        command=_command(step, client_id or ""),
        totals=totals,
        hours=counted,
        day=day,
        refused_requests=refused_requests,
        causes=quarantine_causes(environment, limit=LISTED),
        unmapped=unmapped[:LISTED],
        affiliates=unknown_affiliates(environment, limit=LISTED),
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


def _command(step: NextStep, client_id: str) -> str:
    if step.kind == "token":
        return token_command(client_id)
    if step.kind == "customers":
        return f"TOKEN=$({token_command(client_id)} | {TAKE_TOKEN})\n{push_command(Entity.CUSTOMERS)}"
    return ""


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
