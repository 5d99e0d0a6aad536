"""The team's desk: who needs somebody comes first, on a board or in a list, narrowed by what one looks for."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import OnboardingFactory, PartnerFactory
from track360.models import Partner

HOUR = dt.timedelta(hours=1)


def desk(client: Client, query: str = "", **headers: str) -> str:
    response = client.get(f"/partners/{query}", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def computed(name: str, *, status: str = "active", **figures: object) -> Partner:
    slug = name.lower().replace(" ", "-")
    return OnboardingFactory(partner=PartnerFactory(name=name, slug=slug, status=status), **figures).partner


def names(html: str) -> list[str]:
    """The partners in their order, on the board or in the list."""
    return re.findall(r'class="(?:ticket|row)-link" href="[^"]+">([^<]+)<', html)


def test_partners_stand_by_how_much_they_need_somebody(staff: Client):
    now = timezone.now()
    live = {"done": 8, "next_step": None, "waiting_for": "nobody"}
    computed("Well", received_24h=100, last_traffic_at=now)
    computed("Late", days_over_plan=2)
    computed("Later", days_over_plan=9)
    computed("Mapping", unmapped=3, unknown_affiliates=1)
    computed("Expiring", secrets_expiring=1)
    computed("Silent", last_traffic_at=now - 25 * HOUR, **live)
    computed("Refusing", received_24h=100, refused_24h=6)
    computed("Waiting", waiting_for="team", next_step=1)
    computed("Waiting and refusing", waiting_for="team", received_24h=100, refused_24h=90)
    computed("Gone", status="suspended", waiting_for="team")
    PartnerFactory(name="Unknown")
    html = desk(staff, "?view=list")
    assert names(html) == [
        "Waiting and refusing", "Waiting", "Refusing", "Silent", "Expiring", "Mapping", "Later", "Late",
        "Unknown", "Well", "Gone",
    ]  # fmt: skip
    assert "2 of 11 partners wait for you. Next: Waiting and refusing, step 4 Samples valid." in html
    assert re.search(r'href="/p/waiting-and-refusing/sandbox/[^"]*">Open Waiting and refusing', html)


def test_each_partner_says_how_it_stands(staff: Client):
    computed(
        "Aurora", phase=4, done=5, next_step=6, days_over_plan=1, received_24h=1000, refused_24h=90,
        unmapped=1, unknown_affiliates=2, secrets_expiring=2, last_traffic_at=timezone.now() - 3 * HOUR,
    )  # fmt: skip
    board = desk(staff)
    for words in (
        "5 of 8 steps done", "6 Rehearsed", "9 % refused", "2 secrets ending", "1 value and 2 affiliates to map",
        "1 day over plan", "3 h ago", "waits for the partner",
    ):  # fmt: skip
        assert words in board
    listed = desk(staff, "?view=list")
    for words in ("Build", "6 Rehearsed", "Partner", "1 d", "3 h ago", "9 %", "/p/aurora/production/"):
        assert words in listed


def test_the_board_has_a_column_for_each_phase_and_for_the_live(staff: Client):
    computed("First", phase=1, done=0, next_step=1)
    computed("Last", phase=5, done=7, next_step=8)
    computed("Done", phase=5, done=8, next_step=None, last_traffic_at=timezone.now())
    html = desk(staff)
    columns = {part.split()[0]: names(part) for part in re.split(r'id="phase-\d">', html)[1:]}
    assert columns == {
        "Kick-off": ["First"], "Mapping": [], "Samples": [], "Build": [], "Go-live": ["Last"], "Live": ["Done"],
    }  # fmt: skip


def test_a_partner_that_was_never_computed_says_so(staff: Client, partner: Partner):
    for query in ("", "?view=list"):
        assert "Not computed yet" in desk(staff, query)
    OnboardingFactory(partner=PartnerFactory(name="Begun"), computed_at=None, figures={})
    assert desk(staff).count("Not computed yet") == 2
    OnboardingFactory(partner=PartnerFactory(name="To be computed again"), computed_at=None)
    assert desk(staff).count("Not computed yet") == 2


def test_figures_with_holes_are_shown_as_far_as_they_go(staff: Client, partner: Partner):
    OnboardingFactory(partner=partner, figures={"done": 2, "phase": None, "received_24h": None, "next_step": None})
    assert "2 of 8 steps done" in desk(staff)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=CASA", ["Casa Fortuna"]),
        ("?q=casa-f", ["Casa Fortuna"]),
        ("?q=%20aurora%20", ["Aurora"]),
        ("?phase=4", ["Casa Fortuna"]),
        ("?phase=6", ["Live One"]),
        ("?waiting=team", ["Aurora"]),
        ("?waiting=partner", ["Casa Fortuna"]),
        ("?waiting=nobody", ["Live One"]),
        ("?need=any", ["Aurora", "Casa Fortuna"]),
        ("?need=1", ["Casa Fortuna"]),
        ("?need=6", ["Aurora"]),
        ("?status=suspended", ["Stopped"]),
        ("?status=closed", ["Left"]),
        ("?phase=4&waiting=team", []),
        ("", ["Aurora", "Casa Fortuna", "Live One", "Stopped"]),
    ],
)
def test_the_desk_is_narrowed_alike_in_both_views(staff: Client, query: str, found: list[str]):
    computed("Aurora", phase=1, done=0, next_step=1, waiting_for="team")
    computed("Casa Fortuna", phase=4, done=4, next_step=5, days_over_plan=3)
    computed("Live One", done=8, next_step=None, waiting_for="nobody", last_traffic_at=timezone.now())
    computed("Stopped", status="suspended", waiting_for="")
    computed("Left", status="closed", waiting_for="")
    assert names(desk(staff, f"{query or '?'}&view=list")) == found
    assert sorted(names(desk(staff, query))) == sorted(found)


@pytest.mark.parametrize("query", ["?phase=9", "?need=x", "?status=%00", "?waiting=all", "?q=%00", f"?q={'x' * 300}"])
def test_a_filter_that_cannot_be_read_finds_nobody_and_says_why(staff: Client, partner: Partner, query: str):
    html = desk(staff, query)
    assert 'class="error"' in html
    assert "No partner matches" in html
    assert 'href="/partners/"' in html


@pytest.mark.parametrize("query", ["?q=nobody", "?q=%25", "?q=%ff", "?view=table&q=nobody"])
def test_a_search_without_a_hit_says_so(staff: Client, partner: Partner, query: str):
    assert "No partner matches" in desk(staff, query)


def test_the_view_and_the_filters_are_kept_with_each_other(staff: Client, partner: Partner):
    html = desk(staff, "?view=list&q=aurora&status=")
    assert 'href="/partners/?q=aurora"' in html
    assert 'href="/partners/?q=aurora&amp;view=list"' in html
    assert '<input type="hidden" name="view" value="list">' in html


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ([], "No partners yet. Next: create the first one."),
        ([{}], "1 partner, and nobody needs you."),
        ([{"waiting_for": "team"}, {}], "1 of 2 partners waits for you. Next: P0, step 4 Samples valid."),
        ([{"unmapped": 2}, {}], "Nobody waits for you; 1 of 2 partners needs help. Next: P0, 2 values to map."),
    ],
)
def test_the_sentence_says_how_many_wait_and_who_is_next(staff: Client, figures: list[dict], sentence: str):
    for number, some in enumerate(figures):
        computed(f"P{number}", **some)
    assert sentence in desk(staff)


def test_a_name_is_text_and_nothing_else(staff: Client):
    OnboardingFactory(partner=PartnerFactory(name="<script>x</script>"))
    for query in ("", "?view=list"):
        assert "<script>x" not in desk(staff, query)


def test_htmx_gets_the_board_alone(staff: Client, partner: Partner):
    fragment = desk(staff, "?q=aurora", **{"HX-Request": "true"})
    assert fragment.lstrip().startswith('<div class="stack desk" id="partners">')


def test_the_desk_is_the_teams_alone(developer: Client, partner: Partner):
    for page in ("/partners/", "/partners/new/", "/staff/partners/aurora-casino/"):
        assert developer.get(page).status_code == 404
        assert Client().get(page).status_code == 302


def test_a_crowded_phase_shows_those_in_need_and_leads_to_the_others(staff: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("onboarding.desk.COLUMN_SHOWN", 2)
    for number in range(5):
        late = {"phase": 2, "done": 2, "next_step": 3, "days_over_plan": number}
        OnboardingFactory(partner=PartnerFactory(name=f"Casino {number}"), figures=late)

    board = desk(staff)
    assert "Casino 4" in board
    assert "Casino 0" not in board
    more = re.search(r'href="([^"]+)">3 more', board).group(1).replace("&amp;", "&")
    assert all(f"Casino {number}" in staff.get(more).content.decode() for number in range(5))


def test_a_long_list_begins_with_those_in_need_and_shows_all_on_request(staff: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("onboarding.desk_pages.SHOWN", 2)
    for number in range(5):
        OnboardingFactory(partner=PartnerFactory(name=f"Casino {number}"))

    part = desk(staff, "?view=list")
    assert "The first 2 of 5" in part
    every = re.search(r'href="([^"]+)">Show all', part).group(1).replace("&amp;", "&")
    assert all(f"Casino {number}" in staff.get(every).content.decode() for number in range(5))
