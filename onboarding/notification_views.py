"""What a partner was told: what is open first, then what was."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.dateparse import parse_datetime

from onboarding.models import Notification
from onboarding.notifications import history_for, open_for
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest, render_page
from track360.models import Partner

PER_PAGE = 50
MOST_OPEN = 100
# Icon and tone of a row, and where its link leads.
LOOKS = {
    Notification.Kind.STEP_GREEN: ("check-circle", "success", "Open the step"),
    Notification.Kind.STEP_BACK: ("warning", "warning", "Open the step"),
    Notification.Kind.SECRET_EXPIRES: ("key", "warning", "Open the client"),
    Notification.Kind.REFUSALS: ("cross-circle", "danger", "See what was refused"),
    Notification.Kind.LATE: ("freshness", "warning", "See how fresh your records are"),
    Notification.Kind.SILENCE: ("clock", "danger", "See the requests"),
    Notification.Kind.MENTION: ("user", "info", "Open the step"),
    Notification.Kind.WEBHOOK_OFF: ("cross-circle", "danger", "Open the webhook"),
}


@portal_view()
def notification_list(request: PortalRequest) -> HttpResponse:
    before = _moment(request.GET.get("before", ""))
    is_open = list(open_for(request.partner).select_related("environment").order_by("-at")[:MOST_OPEN])
    found = list(history_for(request.partner, before=before)[: PER_PAGE + 1])
    rows = found[:PER_PAGE]
    context = {
        "state": _state(len(is_open), has_history=bool(found)),
        "open": [] if before else [_row(notification) for notification in is_open],
        "history": [_row(notification) for notification in rows],
        "is_first": before is None,
        "first_url": request.path if before else "",
        "next_url": f"?{urlencode({'before': rows[-1].at.isoformat()})}" if len(found) > PER_PAGE else "",
        "may_change": request.role in MANAGERS,
    }
    return render_page(request, "onboarding/notification_list.html", context)


def _row(notification: Notification) -> dict[str, Any]:
    icon, tone, link = LOOKS.get(Notification.Kind(notification.kind), ("bell", "neutral", "Open"))
    return {
        "what": notification,
        "icon": icon,
        "tone": tone,
        "link": link,
        "is_event": notification.over_at == notification.at,
    }


def _state(number: int, *, has_history: bool) -> str:
    if number:
        return f"{number} {'thing needs' if number == 1 else 'things need'} you. Each goes by itself once it is mended."
    return "Nothing is open." if has_history else "You are told here, and by email, when something needs you."


def _moment(text: str) -> dt.datetime | None:
    """From the link to older ones; what cannot be read counts as none."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def notices(request: HttpRequest) -> dict[str, Any]:
    """For the frame of each page: how many are open, counted only where it is shown."""
    partner: Partner | None = getattr(request, "partner", None)
    if partner is None or partner._state.adding:  # the style guide's is none
        return {}
    return {"open_notifications": cache(open_for(partner).count)}


urlpatterns: list[URLPattern] = [path("", notification_list, name="notification-list")]
