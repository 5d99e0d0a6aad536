"""The staff's list of partners: who needs somebody comes first."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import BatchFactory, PartnerFactory, RecordCounterFactory, SeenStatusFactory
from track360.models import Environment, Partner

HOUR = dt.timedelta(hours=1)


def partners(client: Client, query: str = "", **headers: str) -> str:
    response = client.get(f"/partners/{query}", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def environment(name: str, kind: str, *, status: str = "active") -> Environment:
    partner = Partner.objects.filter(name=name).first()
    partner = partner or PartnerFactory(name=name, slug=name.lower(), status=status)
    return partner.environments.get(kind=kind)


def test_partners_stand_by_how_much_they_need_somebody(staff: Client):
    now = timezone.now()
    BatchFactory(environment=environment("Well", "sandbox"), received=100)
    BatchFactory(environment=environment("Mapping", "sandbox"), received=100)
    SeenStatusFactory(environment=environment("Mapping", "sandbox"), raw_value="x")
    BatchFactory(environment=environment("Refusing", "production"), received=100, rejected=3)
    BatchFactory(environment=environment("Trying", "sandbox"), received=100, rejected=50)
    BatchFactory(environment=environment("Silent", "production"), started_at=now - 25 * HOUR)
    environment("Idle", "sandbox")
    BatchFactory(environment=environment("Gone", "production", status="suspended"), received=10, rejected=10)

    html = partners(staff)

    names = re.findall(r"<strong>(\w+)</strong>", html)
    assert names == ["Refusing", "Silent", "Trying", "Mapping", "Idle", "Well", "Gone"]
    assert "4 of 7 partners need attention. Next: Refusing." in html
    assert re.search(r'href="/p/refusing/production/">Open Refusing', html)
    assert 'href="/p/refusing/production/"><strong>' in html
    assert "3.0 % of the 100 records of 24 hours were refused in production." in html


def test_each_environment_shows_its_traffic(staff: Client):
    sandbox = environment("Aurora", "sandbox")
    RecordCounterFactory(environment=sandbox, count=1_234_567)
    BatchFactory(environment=sandbox, received=1000, rejected=4, started_at=timezone.now() - 3 * HOUR)
    html = partners(staff)
    for part in ("1,234,567", "996", "0.4 %", "3 h ago", "never", "/p/aurora/production/"):
        assert part in html


@pytest.mark.parametrize("query", ["?q=AURO", "?q=aurora-cas", "?q=%20aurora%20"])
def test_search_goes_by_name_or_slug(staff: Client, partner: Partner, query: str):
    PartnerFactory(name="Casa Fortuna", slug="casa")
    html = partners(staff, query)
    assert re.findall(r"<strong>([^<]+)</strong>", html) == ["Aurora Casino"]


def test_a_new_portal_says_how_to_make_a_partner(staff: Client):
    html = partners(staff)
    assert "create_partner" in html
    assert "No such partner" not in html


@pytest.mark.parametrize("query", ["?q=nobody", "?q=%00", "?q=%25", f"?q={'x' * 5000}", "?q=%ff"])
def test_a_search_without_a_hit_says_so(staff: Client, partner: Partner, query: str):
    assert "<h1>Partners</h1>" in partners(staff, query)


def test_htmx_gets_the_table_alone(staff: Client, partner: Partner):
    fragment = partners(staff, "?q=aurora", **{"HX-Request": "true"})
    assert fragment.lstrip().startswith('<div class="stack" id="partners">')


def test_the_list_is_the_teams_alone(developer: Client):
    assert developer.get("/partners/").status_code == 404
