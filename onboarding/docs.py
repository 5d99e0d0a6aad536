"""The docs: open to everybody, and with the reader's own client and address once opened from a partner's pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from entities.findings import ERROR_CODES, WARNING_CODES
from entities.models import Entity
from entities.status_values import canonical_values
from integrations.api.pages import EXPLANATIONS
from integrations.conformance.checks import CHECKS
from integrations.conformance.reading import MOST_CALLS
from integrations.models import Client
from integrations.pull.run import MOST_ATTEMPTS
from onboarding import docs_fields
from onboarding.api.schema import document
from onboarding.retention import STORES
from track360.access import portal_view
from track360.models import Environment, Partner
from track360.problems import PROBLEM_TYPES

PLACEHOLDER_CLIENT = "YOUR_CLIENT_ID"
ERASE_COMMAND = """curl -X POST {base_url}/api/v1/igaming/customers/cst_100245/erase \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"reason": "request 4711"}}'"""


@dataclass(frozen=True)
class Page:
    slug: str
    title: str
    summary: str
    group: str


PAGES = (
    Page("", "Getting started", "From credentials to your first stored records in five minutes.", "Start"),
    Page("authentication", "Authentication", "Trade a client's secret for a token that lasts an hour.", "Start"),
    Page("environments", "Environments", "Sandbox and production: the same API, nothing in common.", "Start"),
    Page("pushing", "Pushing records", "One record, a thousand, a dry run, or a whole day at once.", "Send and read"),
    Page("pulling", "Letting us pull", "What your API or database should offer, and how we read it.", "Send and read"),
    Page("conformance", "Checking your source", "What we look at before we rely on it.", "Send and read"),
    Page("versions", "Which version wins", "What happens when the same record arrives again.", "Send and read"),
    Page("quarantine", "Refused records", "Why they are held, and how to mend and replay them.", "Send and read"),
    Page("reading", "Reading back", "Lists, filters, cursors, and following what changes.", "Send and read"),
    Page("runs", "Runs", "What a fetch did, what is tried again, and when a feed pauses.", "Send and read"),
    Page("automation", "Automation", "Whatever a person does in the portal, done by a program.", "Send and read"),
    Page("customers", "Customers", "Player accounts, and who brought them.", "Fields"),
    Page("transactions", "Transactions", "Deposits, withdrawals, bonuses and adjustments.", "Fields"),
    Page("activity", "Activity", "What each player did in a day, by kind of game and currency.", "Fields"),
    Page("money-and-times", "Money and times", "How amounts, rates and clocks are treated.", "Fields"),
    Page("errors", "Errors", "What a refusal looks like, and every code with its remedy.", "Reference"),
    Page("warnings", "Warnings", "Stored, but worth a look.", "Reference"),
    Page("limits", "Limits", "How much, how often, how large.", "Reference"),
    Page("retention", "Retention and erasure", "How long each kind of data is kept, and how it goes.", "Reference"),
    Page("freshness", "Freshness", "How soon data should arrive, and how it is measured.", "Going live"),
    Page(
        "notifications", "Notifications and webhooks", "What you are told, and how to check who tells it.", "Going live"
    ),
    Page("reconciliation", "Reconciliation", "Your books and ours, day by day.", "Going live"),
    Page("going-live", "Going live", "Eight steps that prove themselves from your data.", "Going live"),
    Page("glossary", "Glossary", "The words of these pages.", "Going live"),
)
BY_SLUG = {page.slug: page for page in PAGES}


def page(request: HttpRequest, slug: str = "") -> HttpResponse:
    """One page of the docs. Where `portal_view` has set a partner, the examples are his."""
    if slug not in BY_SLUG:
        raise Http404("No such page.")
    place = PAGES.index(BY_SLUG[slug])
    context = {
        "page": BY_SLUG[slug],
        "groups": page_groups(request, current=slug),
        "previous_page": PAGES[place - 1] if place else None,
        "next_page": PAGES[place + 1] if place + 1 < len(PAGES) else None,
        "swagger_url": swagger_address(request),
        **reader(request),
        **own_place(request, slug),
        **page_context(slug),
    }
    return render(request, f"docs/{slug or 'index'}.html", context)


portal_page = portal_view()(page)


# -- Addresses and examples ---------------------------------------------------


def page_groups(request: HttpRequest, *, current: str) -> list[tuple[str, list[tuple[Page, str, bool]]]]:
    """The pages in groups, each with its address and whether it is the open one."""
    groups: dict[str, list[tuple[Page, str, bool]]] = {}
    for entry in PAGES:
        groups.setdefault(entry.group, []).append((entry, address(request, entry.slug), entry.slug == current))
    return list(groups.items())


def address(request: HttpRequest, slug: str) -> str:
    """The page's address, inside the partner's pages where the reader is."""
    if slug:
        return reverse("docs-page", kwargs={"slug": slug, **_place(request)})
    return reverse("docs", kwargs=_place(request))


def swagger_address(request: HttpRequest) -> str:
    return reverse("swagger", kwargs=_place(request))


def _place(request: HttpRequest) -> dict[str, str]:
    environment: Environment | None = getattr(request, "environment", None)
    if environment is None:
        return {}
    return {"partner_slug": environment.partner.slug, "environment_kind": environment.kind}


def reader(request: HttpRequest) -> dict[str, Any]:
    """`base_url` and `client_id` for the examples: the newest live client of the reader's environment, if any."""
    environment: Environment | None = getattr(request, "environment", None)
    client = (
        Client.objects.filter(environment=environment, revoked_at=None).order_by("-created", "-id").first()
        if environment is not None
        else None
    )
    return {
        "base_url": settings.BASE_URL,
        "client_id": client.client_id if client else PLACEHOLDER_CLIENT,
        "own_client": client,
    }


def own_place(request: HttpRequest, slug: str) -> dict[str, Any]:
    """For somebody signed in on the public docs: the same page in his partner's sandbox."""
    if getattr(request, "environment", None) is not None or not request.user.is_authenticated:
        return {}
    partner = Partner.objects.filter(memberships__user=request.user).first()
    if partner is None:
        return {}
    kwargs = {"partner_slug": partner.slug, "environment_kind": Environment.Kind.SANDBOX}
    url = reverse("docs-page", kwargs={**kwargs, "slug": slug}) if slug else reverse("docs", kwargs=kwargs)
    return {"own_partner": partner, "own_docs": url}


def page_context(slug: str) -> dict[str, Any]:
    """What the generated parts of a page are generated from: the code's own lists."""
    samples = {entity.value: docs_fields.sample_text(entity.value) for entity in Entity}
    context: dict[str, Any] = {"samples": samples}
    if slug in docs_fields.NOTES:
        context |= {
            "entity": slug,
            "fields": docs_fields.fields(slug),
            "natural_key": docs_fields.KEYS[slug],
            "sample": samples[slug],
            "canonical": _canonical_values(slug),
        }
    if slug == "errors":
        context |= {
            "problems": [(problem, *EXPLANATIONS[problem.code]) for problem in PROBLEM_TYPES.values()],
            "error_codes": ERROR_CODES.values(),
        }
    if slug == "conformance":
        context |= {"checks": CHECKS, "most_calls": MOST_CALLS}
    if slug == "automation":
        context["operations"] = automation_operations()
    if slug == "runs":
        context["most_attempts"] = MOST_ATTEMPTS
    if slug == "retention":
        context |= {"stores": STORES, "erase_command": ERASE_COMMAND.format(base_url=settings.BASE_URL)}
    if slug == "warnings":
        context |= {"warning_codes": WARNING_CODES.values()}
    return context


def automation_operations() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Group -> (method, address, summary) of each call that takes the scope `manage`, from the OpenAPI document."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            if {"token": ["manage"]} in operation["security"]:
                group = groups.setdefault(operation["tags"][0], [])
                group.append((method.upper(), path, operation["summary"]))
    return sorted(groups.items())


def _canonical_values(entity: str) -> list[tuple[str, tuple[str, ...]]]:
    names = docs_fields.NOTES[entity]
    return [(field, values) for field, values in canonical_values().items() if field in names]
