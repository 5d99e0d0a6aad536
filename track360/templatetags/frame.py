"""Tags of what stands around each page: the rail, the menus of partners and environments, the theme; a builtin too."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from uuid import UUID

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from track360.models import Environment, Partner
from track360.templatetags.ui import copy_button, copyable

register = template.Library()


@dataclass(frozen=True)
class NavLink:
    label: str
    icon: str
    url: str
    current: str  # the value of aria-current, or empty
    count: int | None = None  # what waits there


# (group, URL name, label, icon); the part of the name before the dash marks the pages that belong to it.
RAIL = (
    ("", "overview", "Overview", "overview"),
    ("", "checklist", "Onboarding", "onboarding"),
    ("", "notification-list", "Notifications", "bell"),
    ("Set up", "client-list", "Credentials", "key"),
    ("Set up", "connection-list", "Connections", "plug"),
    ("Set up", "mapping-list", "Mappings", "mapping"),
    ("Set up", "affiliate-list", "Affiliates", "partners"),
    ("Set up", "sample-list", "Samples", "sample"),
    ("Data", "customer-list", "Customers", "customers"),
    ("Data", "transaction-list", "Transactions", "transactions"),
    ("Data", "activity-list", "Activity", "activity"),
    ("Watch", "freshness", "Freshness", "freshness"),
    ("Watch", "request-list", "Requests", "requests"),
    ("Watch", "quarantine-list", "Quarantine", "quarantine"),
    ("Watch", "reconciliation", "Reconciliation", "reconciliation"),
    ("Partner", "team", "Team", "team"),
    ("Partner", "audit-list", "Audit", "clock"),
    ("Partner", "settings", "Settings", "settings"),
    ("Partner", "docs", "Docs", "docs"),
)


# Pages whose name does not begin with that of their section.
SECTION_OF = {"swagger": "docs"} | dict.fromkeys(
    ("sync-run-list", "sync-run-detail", "conformance-new", "conformance-detail"), "connection"
)


@register.simple_tag(takes_context=True)
def rail(context: Context) -> SafeString:
    """The rail's links in groups, which stand twice on a page and are the same on the next one."""
    request = context["request"]
    waiting = context.get("open_notifications")
    here = getattr(request.resolver_match, "url_name", None) or ""
    return _rail(request.partner.slug, request.environment.kind, here, waiting() if waiting else None)


@lru_cache(maxsize=500)  # of about 5 kB
def _rail(slug: str, kind: str, here: str, waiting: int | None) -> SafeString:
    """A page that this installation does not have gives no link."""
    links = []
    for group, url_name, label, icon_name in RAIL:
        url = _url(slug, kind, url_name)
        current = "page" if here == url_name else "true" if _same_section(here, url_name) else ""
        if url:
            count = waiting if url_name == "notification-list" else None
            links.append((group, NavLink(label, icon_name, url, current, count)))
    groups = [
        (group, [link for _, link in members]) for group, members in itertools.groupby(links, key=lambda pair: pair[0])
    ]
    return render_to_string("components/rail.html", {"groups": groups})


@register.simple_tag
@cache
def stylesheets() -> SafeString:
    return render_to_string("components/stylesheets.html")


def _same_section(here: str, url_name: str) -> bool:
    return SECTION_OF.get(here, here.split("-")[0]) == url_name.split("-")[0]


# The integrations team's own pages: (URL name, label, icon).
STAFF_NAV = (
    ("partner-list", "Partners", "partners"),
    ("staff-reset-list", "Resets", "lock"),
    ("staff-audit-list", "Audit", "clock"),
    ("admin:index", "Admin", "settings"),
)


@register.simple_tag(takes_context=True)
def staff_links(context: Context) -> list[NavLink]:
    """The team's links. A page that this installation does not have gives none."""
    match = context["request"].resolver_match
    here = (match and match.url_name) or ""
    links = []
    for url_name, label, icon_name in STAFF_NAV:
        try:
            url = reverse(url_name)
        except NoReverseMatch:
            continue
        section = url_name.rpartition("-")[0]
        current = "page" if here == url_name else "true" if section and here.startswith(section) else ""
        links.append(NavLink(label, icon_name, url, current))
    return links


@register.simple_tag(takes_context=True)
def environment_links(context: Context) -> list[NavLink]:
    """The same page in both environments, or the overview where the page shows one record of this one."""
    request = context["request"]
    return [
        NavLink(
            label=str(kind.label),
            icon=kind.value,
            url=_same_page(request, request.partner, kind.value),
            current="true" if kind.value == request.environment.kind else "",
        )
        for kind in Environment.Kind
    ]


# More than this in a menu is a search; the staff's list of partners has one.
PARTNERS_IN_MENU = 12


@register.simple_tag(takes_context=True)
def partner_links(context: Context) -> list[NavLink]:
    """The other partners this person may open: the same page, in sandbox. Production is entered on purpose."""
    request = context["request"]
    return [
        NavLink(
            label=partner.name,
            icon="partners",
            url=_same_page(request, partner, Environment.Kind.SANDBOX),
            current="",
        )
        for partner in request.memberships[: PARTNERS_IN_MENU + 1]
        if partner != request.partner
    ][:PARTNERS_IN_MENU]


def _same_page(request: HttpRequest, partner: Partner, kind: str) -> str:
    match = request.resolver_match
    is_a_list = match is not None and set(match.kwargs) <= {"partner_slug", "environment_kind"}
    name = match.url_name if match is not None and is_a_list else None
    return portal_url(partner, kind, name or "overview") or portal_url(partner, kind, "overview")


def portal_url(partner: Partner, kind: str, url_name: str, **more: str) -> str:
    """Empty where this installation does not have the page."""
    return _url(partner.slug, kind, url_name, **more)


def _url(slug: str, kind: str, url_name: str, /, **more: str) -> str:
    try:
        return reverse(url_name, kwargs={"partner_slug": slug, "environment_kind": kind, **more})
    except NoReverseMatch:
        return ""


# What stands for the number, id or day of a row while the address is made.
BLANKS: dict[type, int | UUID | date] = {int: 0, UUID: UUID(int=0), date: date.min}


@register.simple_tag(takes_context=True)
def row_url(context: Context, url_name: str, key: int | UUID | date, *, kind: str = "") -> SafeString:
    """`url` of a page of this partner, and of this environment if no `kind` is given, for the rows of a list: Django
    would look the pattern up, fill it and match it for each of them."""
    request = context["request"]
    before, after = _around(request.partner.slug, kind or request.environment.kind, url_name, BLANKS[type(key)])
    return SafeString(f"{before}{key}{after}")


@lru_cache(maxsize=1000)
def _around(slug: str, kind: str, url_name: str, blank: int | UUID | date) -> tuple[str, str]:
    before, _, after = reverse(url_name, args=(slug, kind, blank)).rpartition(str(blank))
    return before, after


@register.simple_tag(takes_context=True)
def customer_link(context: Context, customer_id: str, number: int | None) -> SafeString:
    """A customer's id to copy, as a link to his page; `number`: the internal id, none where he is not known."""
    if not number:
        return copyable(customer_id, label="customer id")
    href = row_url(context, "customer-detail", number)
    button = copy_button(customer_id, label="customer id")
    return format_html('<span class="id"><a class="id-value" href="{}">{}</a>{}</span>', href, customer_id, button)


THEMES = ("system", "light", "dark")


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """The reader's choice from the cookie: `light`, `dark`, or `system` for none."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme") if request else None
    return chosen if chosen in THEMES else "system"
