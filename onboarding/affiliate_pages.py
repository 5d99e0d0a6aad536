"""The portal's page of affiliates: those registered, those that came unknown, and ways to register."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from entities.addresses import page_addresses, portal_url
from entities.mapping_selectors import unknown_affiliates_of
from entities.models import Affiliate
from entities.paging import Page, Position, keyset_page
from onboarding import affiliates
from onboarding.affiliates import Added, Entry
from onboarding.sample_reading import Unreadable, decoded
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page
from track360.models import Partner

UNKNOWN_SHOWN = 50
LOOKED_AT = 10_000  # ids of each environment, in their order: each costs a look into an index
MENDED_UP_TO = 200_000  # bytes


@portal_view()
def affiliate_list(request: PortalRequest) -> HttpResponse:
    if request.method == "POST" and request.role not in MANAGERS:
        raise PermissionDenied("Viewers read the list; an owner or a developer changes it.")
    errors: list[str] = []
    typed = request.POST.get("list", "")
    if request.method == "POST":
        try:
            return _register(request)
        except ValidationError as refusal:
            errors, typed = refusal.messages, typed or _text_of(request)
    return _show(request, errors=errors, typed=typed)


def _register(request: PortalRequest) -> HttpResponse:
    """The file where there is one, else the list as typed. Raises ValidationError."""
    file: Any = request.FILES.get("file")
    text = request.POST.get("list", "")
    if file and text.strip():
        raise ValidationError("You pasted a list and chose a file. Send one of them, then the other.")
    if file and file.size > affiliates.MAX_LIST_BYTES:
        raise ValidationError("The file has over 10 MB. Send it in parts.")
    entries, notices = affiliates.read_list(file.read() if file else text)
    added = affiliates.add_affiliates(request.partner, entries, actor=audit_actor(request))
    for notice in notices:
        messages.info(request, notice)
    messages.success(request, _words(added))
    return redirect(portal_url(request, "affiliate-list"))


def _text_of(request: PortalRequest) -> str:
    """A refused file's text, to be mended at once, where it is one and small enough for a form."""
    file: Any = request.FILES.get("file")
    if not file or file.size > MENDED_UP_TO:
        return ""
    file.seek(0)
    try:
        return decoded(file.read())[0]
    except Unreadable:
        return ""


def _words(added: Added) -> str:
    parts = [f"{added.new:,} registered"]
    if added.renamed:
        parts.append(f"{added.renamed:,} renamed")
    if added.known:
        parts.append(f"{added.known:,} known already")
    return ", ".join(parts) + "."


def _show(request: PortalRequest, *, errors: list[str], typed: str) -> HttpResponse:
    search = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    page = _newest(request.partner, search, before=request.GET.get("before", ""), after=request.GET.get("after", ""))
    unknown = unknown_affiliates_of(request.partner, limit=UNKNOWN_SHOWN + 1, probes=LOOKED_AT)
    registered = Affiliate.objects.filter(partner=request.partner).count()
    context = {
        "state": _sentence(registered, len(unknown)),
        "affiliates": page.rows,
        "unknown": unknown[:UNKNOWN_SHOWN],
        "more_unknown": len(unknown) > UNKNOWN_SHOWN,
        "registered": registered,
        "search": search,
        "clear": request.path if search else "",
        "errors": errors,
        "typed": typed,
        "may_change": request.role in MANAGERS,
        "shown": f"{len(page.rows):,} of {registered:,}, the last registered first",
        **page_addresses(request, page),
    }
    return render_page(request, "onboarding/affiliate_list.html", context, fragment="affiliates")


def _newest(partner: Partner, search: str, *, before: str, after: str) -> Page[Affiliate]:
    rows: QuerySet[Affiliate] = Affiliate.objects.filter(partner=partner)
    if search:
        rows = rows.filter(Q(affiliate_id__icontains=search) | Q(name__icontains=search))

    def fetch(position: Position | None, upwards: bool) -> list[Affiliate]:
        found = rows.order_by("id" if upwards else "-id")
        if position:
            found = found.filter(id__gt=position[0]) if upwards else found.filter(id__lt=position[0])
        return list(found[:51])

    return keyset_page(fetch, model=Affiliate, before=before, after=after)


def _sentence(registered: int, unknown: int) -> str:
    seen = f"more than {UNKNOWN_SHOWN}" if unknown > UNKNOWN_SHOWN else str(unknown)
    if unknown:
        ids = "id that came is" if unknown == 1 else "ids that came are"
        return f"{seen[0].upper()}{seen[1:]} {ids} not registered. Next: register them, or mend what you send."
    if not registered:
        return "No affiliate is registered yet. Next: register those who bring you players."
    if registered >= LOOKED_AT:  # else each one that was looked at is one of those registered
        return f"{registered:,} registered; of the first {LOOKED_AT:,} that came, every one is known."
    return f"{registered:,} registered; every one that came is known."


@portal_view(roles=MANAGERS)
@require_POST
def affiliate_add(request: PortalRequest) -> HttpResponse:
    """Register ids that came unknown, as they are."""
    entries = [Entry(affiliate_id) for affiliate_id in request.POST.getlist("affiliate_id")]
    try:
        added = affiliates.add_affiliates(request.partner, entries, actor=audit_actor(request))
        messages.success(request, _words(added) if entries else "Nothing was marked: nothing was registered.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(portal_url(request, "affiliate-list"))


@portal_view(roles=MANAGERS)
@require_POST
def affiliate_remove(request: PortalRequest) -> HttpResponse:
    affiliate_id = request.POST.get("affiliate_id", "")
    if affiliates.remove_affiliate(request.partner, affiliate_id, actor=audit_actor(request)):
        messages.success(request, f"{affiliate_id} is off the list. Customers who name it stay as they are.")
    else:
        messages.info(request, "It was off the list already.")
    return redirect(portal_url(request, "affiliate-list"))
