from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django import forms
from django.conf import settings as configured
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from onboarding.templatetags import reconciliation
from track360.models import Environment, Partner
from track360.templatetags import frame, ui

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPRITE = Path(configured.BASE_DIR, "static/icons/sprite.svg").read_text()
ICONS = set(re.findall(r'<symbol id="([\w-]+)"', SPRITE))


def render(source: str, **context: Any) -> str:
    return Template(source).render(Context(context))


def entered(kind: str = "sandbox", slug: str = "acme-0") -> Any:
    """A request as `access.portal_view` lets it in."""
    request: Any = RequestFactory().get("/")
    request.partner, request.environment = Partner(slug=slug), Environment(kind=kind)
    return request


# -- Figures and times


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(seconds=40), "40 s ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=2), "2 h ago"),
        (timedelta(days=29), "29 d ago"),
        (timedelta(days=30), "23 Oct 2026"),
        (timedelta(hours=-23), "in 23 h"),
    ],
)
def test_times_are_told_relative_to_now(ago: timedelta, words: str) -> None:
    assert ui.relative(NOW - ago, now=NOW) == words


def test_a_relative_time_carries_the_exact_utc_one() -> None:
    html = ui.when(datetime.fromisoformat("2020-03-01T01:30:00+02:00"))
    assert html == '<time datetime="2020-02-29T23:30:00Z" title="2020-02-29 23:30:00 UTC">29 Feb 2020</time>'
    assert ">2020-02-29 23:30:00 UTC</time>" in ui.when(datetime(2020, 2, 29, 23, 30, tzinfo=UTC), exact=True)
    assert "never" in ui.when(None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0.0124, "12 ms"),
        (1, "1 s"),
        (1.52, "1.5 s"),
        (90, "1 min 30 s"),
        (300, "5 min"),
        (7300, "2 h 1 min"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | timedelta | None, words: str) -> None:
    assert ui.duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (999, "999"), (9_999, "9,999"), (12_345, "12.3k"), (2_000_000, "2M")]
)
def test_compact_figures(value: float | None, words: str) -> None:
    assert ui.compact(value) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"), [(31, 128_422, "0.024 %"), (1, 8, "12 %"), (0, 5, "0 %"), (1, 0, "–"), (None, 1, "–")]
)
def test_percentages(part: int | None, whole: int, words: str) -> None:
    assert ui.percent(part, whole) == words


def test_money_has_two_decimals_and_a_quieter_currency() -> None:
    assert ui.money(Decimal("1500.1"), "EUR") == (
        '<span class="money">1,500.10&nbsp;<span class="currency">EUR</span></span>'
    )
    assert "\N{MINUS SIGN}3.00" in ui.money(Decimal(-3))
    assert "–" in ui.money(None)


# -- Icons, badges, ids


def test_every_icon_that_a_template_or_a_status_names_is_in_the_sprite() -> None:
    named = {icon for _, icon in ui.STATUS_LOOKS.values()} | set(ui.TONE_ICONS.values())
    named |= {entry[3] for entry in frame.RAIL}
    for template in Path(configured.BASE_DIR, "templates").rglob("*.html"):
        named |= set(re.findall(r"""\{% icon "([\w-]+)""", template.read_text()))
    assert named <= ICONS


def test_a_status_is_an_icon_and_a_word() -> None:
    html = ui.badge("in_progress")
    assert "#running" in html
    assert "In progress" in html


def test_an_unknown_status_is_shown_neutral_and_escaped() -> None:
    html = ui.badge("<b>")
    assert 'data-tone="neutral"' in html
    assert "&lt;b&gt;" in html


@pytest.mark.parametrize(
    ("status", "words"), [(200, "200 OK"), (422, "422 Refused"), (429, "429 Rate limited"), (799, "799")]
)
def test_an_http_status_has_a_word(status: int, words: str) -> None:
    assert words in ui.http_status(status)


def test_what_is_copied_is_escaped_and_named() -> None:
    html = ui.copyable('"><script>', label="customer id")
    assert "<script>" not in html
    assert 'aria-label="Copy customer id"' in html


# -- Components


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("quarantine-edit", 7),
        ("request-detail", UUID("0f8fad5b-d9cb-469f-a165-70867728950e")),
        ("reconciliation-day", date(2026, 3, 15)),
    ],
)
@pytest.mark.parametrize(("slug", "kind"), [("acme-0", "sandbox"), ("0", "production")])
def test_the_address_of_a_row_is_the_one_that_django_makes(name: str, key: Any, slug: str, kind: str) -> None:
    made = render("{% row_url name key %}", request=entered(kind, slug), name=name, key=key)
    assert made == reverse(name, args=[slug, kind, key])


def test_a_row_may_be_of_the_other_environment() -> None:
    made = render('{% row_url "customer-detail" 7 kind="production" %}', request=entered())
    assert made == reverse("customer-detail", args=["acme-0", "production", 7])


def test_options_are_escaped_and_the_chosen_one_is_selected() -> None:
    assert ui.options(("new", "<old>"), "new") == "<option selected>new</option><option>&lt;old&gt;</option>"


def test_the_cells_of_a_day_and_of_its_sides_are_escaped_and_have_their_words() -> None:
    html = reconciliation.day_cells([("<Activity>", 1200, "Differs", "danger")])
    assert '<td data-label="&lt;Activity&gt;">' in html
    assert ">1,200<" in html
    assert html.endswith(f"{ui.badge('Differs', tone='danger')}</span></td>")
    sides = [(1200, Decimal("3.5")), None]
    assert ">3.50</span>" in (html := reconciliation.side_cells(sides, has_sum=True))
    assert ">1,200</span>" in html
    assert reconciliation.side_cells(sides, has_sum=False) == (
        '<td data-kind="number">1,200</td><td data-kind="number"><span class="faint">–</span></td>'
    )


def test_wrapped_content_is_escaped_once() -> None:
    html = render('{% card title %}{{ body }}<a href="/x">x</a>{% endcard %}', title="A & B", body="<i>")
    assert "A &amp; B" in html
    assert '&lt;i&gt;<a href="/x">x</a>' in html


def test_a_filter_bar_asks_its_own_page_by_default_and_swaps_the_named_fragment() -> None:
    request = RequestFactory().get("/p/aurora/sandbox/customers/?country_code=MT")
    html = render('{% filter_bar target="customer-table" %}{% endfilter_bar %}', request=request)
    assert 'action="/p/aurora/sandbox/customers/"' in html
    assert 'hx-get="/p/aurora/sandbox/customers/" hx-target="#customer-table"' in html
    assert "hx-get" not in render("{% filter_bar %}{% endfilter_bar %}", request=request)


class SampleForm(forms.Form):
    name = forms.CharField(help_text="A hint.")
    colour = forms.ChoiceField(choices=[("r", "Red")], widget=forms.RadioSelect)


def test_a_refused_field_points_to_its_hint_and_its_error_and_the_summary_to_the_field() -> None:
    html = render_to_string("components/form_fields.html", {"form": SampleForm({})})
    for needed in (
        'aria-describedby="id_name_helptext id_name_error"',
        'aria-invalid="true"',
        'id="id_name_helptext"',
        'id="id_name_error"',
        'href="#id_name"',
        "2 things need your attention",
    ):
        assert needed in html
    assert html.count("<fieldset") == 1


def test_a_sound_form_has_no_summary() -> None:
    assert "alert" not in render_to_string(
        "components/form_errors.html", {"form": SampleForm({"name": "a", "colour": "r"})}
    )


class Page(HTMLParser):
    """What the Content-Security-Policy would refuse, and ids that stand twice."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_data = given.get("type") == "application/json"  # for a script to read; the browser runs none of it
        inline_script = tag == "script" and "src" not in given and not is_data
        handlers = [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or inline_script or handlers:
            self.forbidden.append(f"{tag} {handlers}")
        if given.get("id"):
            self.ids.append(str(given["id"]))


@pytest.mark.parametrize("query", ["", "?environment=production"])
def test_the_styleguide_holds_nothing_inline_and_no_id_twice(client: Client, settings: Settings, query: str) -> None:
    settings.DEBUG = True
    html = client.get(f"/styleguide/{query}").text
    page = Page(html)
    assert page.forbidden == []
    assert len(page.ids) == len(set(page.ids))
    assert f'data-environment="{"production" if query else "sandbox"}"' in html


def test_the_styleguide_is_for_development_only(client: Client, settings: Settings) -> None:
    settings.DEBUG = False
    response = client.get("/styleguide/")
    assert response.status_code == 404
    assert "There is no such page" in response.text


# -- Theme


def test_a_chosen_theme_is_remembered_and_returns_to_the_page(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/styleguide/?environment=production"})
    assert response.status_code == 302
    assert response["Location"] == "/styleguide/?environment=production"
    assert 'data-theme="dark"' in client.get("/styleguide/").text


@pytest.mark.parametrize("address", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_the_theme_sends_nobody_elsewhere(client: Client, address: str) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": address})["Location"] == "/"


def test_an_unknown_theme_is_not_remembered(client: Client) -> None:
    client.post("/theme/", {"theme": '"><script>'})
    assert "theme" not in client.cookies


def test_a_broken_cookie_is_the_systems_theme(client: Client) -> None:
    client.cookies["theme"] = "purple"
    assert "data-theme" not in client.get("/styleguide/").text


# -- Sign-in


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/", "/accounts/password/reset/done/"])
def test_sign_in_pages_have_our_look_and_nothing_inline(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "plain-main" in response.text
    assert Page(response.text).forbidden == []


def test_the_500_page_needs_neither_request_nor_database() -> None:
    assert "Something went wrong on our side" in render_to_string("errors/500.html")


def test_now_is_just_now() -> None:
    assert "just now" in ui.when(timezone.now())
