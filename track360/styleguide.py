"""`/styleguide/` (DEBUG only): each component in each state, with made-up content."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from track360.charts import HourCount, HourLag, bars_per_hour, lag_against_target, split_bar
from track360.models import Environment, Partner, User
from track360.payload import payload_lines
from track360.templatetags.ui import STATUS_LOOKS

CURL = """curl -X POST https://portal.example/api/v1/igaming/transactions/bulk \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d @transactions.json"""

REFUSED = [
    {
        "transaction_id": "tx_8f31c0",
        "customer_id": "cust_10442",
        "transaction_type": "withdrawal",
        "status": "completed",
        "currency": "EUR",
        "amount_currency": -120.5,
        "transaction_date": "2026-11-22T10:41:07Z",
    },
    {
        "transaction_id": "tx_8f31c1",
        "customer_id": "cust_99999",
        "transaction_type": "deposit",
        "currency": "EUR",
        "amount_currency": 25,
        "transaction_date": "2026-11-22T10:41:09Z",
    },
]
REFUSALS = [
    (
        "/0/amount_currency",
        "Negative. Send withdrawals as positive amounts; use adjustment for clawbacks.",
    ),
    ("/1/customer_id", "No such customer in this environment. Push the customer first."),
    ("/1/status", "Required."),
]


class SampleForm(forms.Form):
    name = forms.CharField(help_text="What your colleagues will recognise it by.")
    address = forms.GenericIPAddressField(label="Allowed address", required=False)
    overlap = forms.ChoiceField(
        label="Old secret ends",
        choices=[("1", "In 1 hour"), ("24", "In 24 hours"), ("168", "In 7 days")],
        help_text="Until then both secrets work, so nothing stops while you roll out the new one.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[("read", "Read"), ("write", "Write"), ("manage", "Manage")],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    agree = forms.BooleanField(label="I know that running clients keep the old secret until then")


class FilterForm(forms.Form):
    status = forms.ChoiceField(choices=[("", "Any"), ("refused", "Refused"), ("stored", "Stored")], required=False)
    currency = forms.CharField(required=False)
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))


def styleguide(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404("The styleguide is for development.")
    return render(request, "styleguide.html", _context(_dressed(request)))


def _dressed(request: HttpRequest) -> HttpRequest:
    """The request as a portal page gets it, without touching the database."""
    aurora = Partner(pk=1, slug="aurora-casino", name="Aurora Casino")
    kinds = Environment.Kind
    kind = kinds.PRODUCTION if request.GET.get("environment") == kinds.PRODUCTION else kinds.SANDBOX
    extras: dict[str, Any] = {
        "user": User(email="ana@aurora-casino.example", is_staff=True),
        "partner": aurora,
        "environment": Environment(partner=aurora, kind=kind),
        "role": "staff",
        "memberships": [aurora, Partner(pk=2, slug="borealis", name="Borealis Sportsbook")],
    }
    for name, value in extras.items():
        setattr(request, name, value)
    return request


def _context(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=47)
    return {
        "icons": sorted(_icon_names()),
        "statuses": sorted(STATUS_LOOKS),
        "http_statuses": [200, 201, 302, 401, 404, 422, 429, 503],
        "breadcrumbs": [("Requests", "#requests"), ("req_01JD8", None)],
        "rows": [
            SimpleNamespace(
                transaction_id=f"tx_{0x8F31C0 + i:x}",
                customer_id=f"cust_{10442 + i * 7}",
                kind=kind,
                raw=raw,
                status=status,
                amount=Decimal(amount),
                currency=currency,
                usd=Decimal(usd) if usd else None,
                at=now - timedelta(minutes=7 * i * i + 1),
            )
            for i, (kind, raw, status, amount, currency, usd) in enumerate(
                (
                    ("deposit", "OK", "completed", "1500.10", "EUR", "1732.62"),
                    ("bet", "SETTLED", "completed", "25.00", "GBP", "32.75"),
                    ("withdrawal", "wait_psp", "pending", "120000.00", "SEK", "12611.80"),
                    ("win", "OK", "completed", "48.25", "EUR", "55.73"),
                    ("deposit", "DECL_3DS", "declined", "50.00", "EUR", "57.75"),
                    ("bonus", "grnt", "unmapped", "10.00", "BTN", ""),
                )
            )
        ],
        "tabs": [
            ("All", "#lists", True, 128422),
            ("Refused", "#lists", False, 31),
            ("Late", "#lists", False, 0),
        ],
        "curl": CURL,
        "lines": payload_lines(REFUSED, REFUSALS),
        "facts": [
            ("Client ID", "aurora-sandbox-7f3kq2"),
            ("Client secret", "t360_9Yx2mLq7VbZ4nKp1TsW8dRf3GhJ6cAe5"),
        ],
        "refused": SampleForm(
            {
                "refused-address": "10.0.0.300",
                "refused-overlap": "24",
                "refused-note": "Typed text stays.",
            },
            prefix="refused",
        ),
        "unbound": SampleForm(initial={"overlap": "24"}),
        "filters": FilterForm(initial={"currency": "EUR"}),
        "history": [
            SimpleNamespace(
                title="Updated",
                at=now - timedelta(minutes=12),
                source="push",
                url="#history",
                changes=[("kyc_status_id", "2", "3"), ("email", None, "a•••@example.com")],
            ),
            SimpleNamespace(
                title="Updated",
                at=now - timedelta(days=2),
                source="pull",
                url="",
                changes=[("affiliate_id", "aff_77", None)],
            ),
            SimpleNamespace(title="Created", at=now - timedelta(days=41), source="push", url="", changes=[]),
        ],
        "volume": bars_per_hour(
            [
                HourCount(
                    hour=first + timedelta(hours=i),
                    records=round(5200 + 4300 * math.sin(i / 3.8) + 700 * math.cos(i * 2.1)),
                    refusals=(0, 0, 14, 0, 3, 0, 0, 820)[i % 8] if i > 20 else 0,
                )
                for i in range(48)
            ],
            title="Records per hour",
        ),
        "lag": lag_against_target(
            [
                HourLag(
                    hour=first + timedelta(hours=i),
                    median_seconds=None if i in (30, 31) else 8 + 5 * math.sin(i / 3),
                    p95_seconds=None if i in (30, 31) else 70 + 60 * math.cos(i / 5) + (3000 if i == 32 else 0),
                    records=0 if i in (30, 31) else 4200,
                    share=None if i in (30, 31) else 0.91 if i == 32 else 0.998,
                    partner_seconds=None if i in (30, 31) else 12.4,
                    own_seconds=None if i in (30, 31) else 0.04,
                )
                for i in range(48)
            ],
            title="Lag per hour",
        ),
        "split": split_bar(190, 45, title="Whose time it is"),
        "nothing": bars_per_hour(
            [HourCount(first + timedelta(hours=i), 0, 0) for i in range(24)], title="An empty day"
        ),
        "past": datetime(2026, 1, 5, 9, 30, tzinfo=UTC),
        "soon": now + timedelta(hours=23, minutes=10),
        "recent": now - timedelta(seconds=40),
        "messages": [
            Message(level, text)
            for level, text in (
                (constants.SUCCESS, "Client created."),
                (constants.ERROR, "Nothing was saved."),
            )
        ],
    }


def _icon_names() -> list[str]:
    sprite = (settings.BASE_DIR / "static" / "icons" / "sprite.svg").read_text()
    return [part.partition('"')[0] for part in sprite.split('<symbol id="')[1:]]
