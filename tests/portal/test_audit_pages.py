"""Who did what: on the partner's own page, on the team's, as CSV, and in a table that nobody can alter."""

from __future__ import annotations

import ast
import csv
import datetime as dt
import io
import json
import re

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from track360 import audit
from track360.audit_trail import facts_of
from track360.audit_words import PHRASES, phrase
from track360.models import AuditEvent, Environment, Partner, User
from track360.spreadsheets import guarded

PAGE = "/p/aurora-casino/sandbox/audit/"


@pytest.fixture
def person(db: None) -> User:
    return UserFactory(name="Mina Holt", email="mina@aurora.example")


def happened(partner: Partner | None, action: str, **fields: object) -> AuditEvent:
    return AuditEvent.objects.create(action=action, partner=partner, **fields)


def html(client: Client, address: str = PAGE) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def rows(client: Client, query: str = "", page: str = PAGE) -> list[str]:
    return re.findall(r'row-link" href="[^"]+">([^<]+)<', html(client, page + query))


# -- The page -----------------------------------------------------------------


def test_the_page_says_in_words_who_did_what_from_where(
    developer: Client, partner: Partner, sandbox: Environment, person: User
):
    happened(partner, "client.secret_rotated", actor=person, environment=sandbox, target="cl_7", ip="192.0.2.7")
    happened(partner, "client.created", client_id="cl_manage", target="cl_8")
    happened(partner, "rocket.launched", target="Apollo")
    shown = html(developer)
    for words in ("Rotated the secret of the client cl_7", "Mina Holt", "192.0.2.7", "cl_manage", "The system"):
        assert words in shown
    assert "Rocket.launched Apollo" in shown
    assert "Last: the system rocket.launched Apollo." in shown


def test_another_partners_events_are_not_there(developer: Client, partner: Partner):
    other = happened(PartnerFactory(), "client.created", target="secret-client")
    nowhere = happened(None, "user.created", target="secret-person")
    assert "secret-" not in html(developer)
    for event in (other, nowhere):
        assert developer.get(f"{PAGE}{event.pk}/").status_code == 404


def test_viewers_do_not_see_the_trail(viewer: Client, outsider: Client, partner: Partner):
    event = happened(partner, "client.created")
    for address in (PAGE, f"{PAGE}export/", f"{PAGE}{event.pk}/"):
        assert viewer.get(address).status_code == 403
        assert outsider.get(address).status_code == 404


def test_an_empty_trail_says_what_will_stand_there(developer: Client, partner: Partner):
    assert "Nothing has been done yet" in html(developer)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?person=holt", ["Revoked the client b"]),
        ("?person=MINA@", ["Revoked the client b"]),
        ("?person=cl_man", ["Created the client a"]),
        ("?action=client.created", ["Created the client a"]),
        ("?action=rocket.launched", []),
        ("?target=B", ["Revoked the client b"]),
        ("?from=2026-03-02", ["Revoked the client b"]),
        ("?to=2026-03-02", ["Created the client a"]),
        ("?from=2026-03-01&to=2026-03-03", ["Revoked the client b", "Created the client a"]),
        ("?person=nobody", []),
    ],
)
def test_the_filters_narrow_list_and_export_alike(
    developer: Client, partner: Partner, person: User, query: str, found: list[str]
):
    day = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    happened(partner, "client.created", client_id="cl_manage", target="a", at=day)
    happened(partner, "client.revoked", actor=person, target="b", at=day + dt.timedelta(days=1))
    assert rows(developer, query) == found
    assert [row["did"].capitalize() for row in exported(developer, query)] == found


@pytest.mark.parametrize(
    "query",
    ["?from=soon", "?to=2026-02-30", "?person=%00", f"?target={'x' * 300}", "?action=%00", "?action=" + "x" * 99],
)
def test_a_filter_that_cannot_be_read_finds_nothing_and_says_why(developer: Client, partner: Partner, query: str):
    happened(partner, "client.created")
    shown = html(developer, PAGE + query)
    assert 'class="error"' in shown
    assert "Nothing matches" in shown
    assert developer.get(f"{PAGE}export/{query}")["Location"].startswith(f"{PAGE}?")


@pytest.mark.parametrize("position", ["x", "2026-03-01~1", "~", "2026-13-01T00:00:00Z~", "%00", "9" * 400])
def test_a_position_that_nobody_gave_is_the_first_page(developer: Client, partner: Partner, position: str):
    happened(partner, "client.created", target="a")
    for name in ("before", "after"):
        assert rows(developer, f"?{name}={position}") == ["Created the client a"]


def test_pages_follow_each_other_without_gap_or_repetition(developer: Client, partner: Partner):
    at = timezone.now()
    for number in range(120):  # many at the same moment: the id decides
        happened(partner, "client.created", target=f"c{number}", at=at - dt.timedelta(seconds=number // 40))
    seen: list[str] = []
    address, newer = PAGE, ""
    while address:
        shown = html(developer, address)
        seen += re.findall(r'row-link" href="[^"]+">([^<]+)<', shown)
        following = re.search(r'href="([^"]+)" rel="next"', shown)
        previous = re.search(r'href="([^"]+)" rel="prev"', shown)
        newer = newer or (previous.group(1) if previous else "")
        address = following.group(1).replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) == 120
    back = re.findall(r'row-link" href="[^"]+">([^<]+)<', html(developer, newer.replace("&amp;", "&")))
    assert back == seen[:50]


def test_the_detail_shows_the_json_as_facts(developer: Client, partner: Partner, person: User):
    event = happened(partner, "step.overridden", actor=person, target="step 3", detail={"reason": "<b>late</b>"})
    shown = html(developer, f"{PAGE}{event.pk}/")
    assert "Mina Holt overrode step 3" in shown
    assert "<dt>reason</dt><dd>&lt;b&gt;late&lt;/b&gt;</dd>" in shown


@pytest.mark.parametrize("garbage", ["not-a-uuid", "00000000-0000-0000-0000-000000000000", "%00"])
def test_an_event_that_is_not_there_is_not_found(developer: Client, staff: Client, partner: Partner, garbage: str):
    assert developer.get(f"{PAGE}{garbage}/").status_code == 404
    assert staff.get(f"/staff/audit/{garbage}/").status_code == 404


def test_nested_detail_becomes_flat_facts():
    detail = {
        "scopes": ["read", "write"],
        "was": {"role": "viewer", "on": True},
        "n": 3,
        "gone": None,
        "rows": [{"a": 1}],
    }
    assert facts_of(detail) == [
        ("scopes", "read, write"),
        ("was.role", "viewer"),
        ("was.on", "yes"),
        ("n", "3"),
        ("gone", ""),
        ("rows", '[{"a": 1}]'),
    ]
    assert facts_of(["x", 1]) == [("detail", "x, 1")]


# -- The team's page ----------------------------------------------------------


def test_the_team_sees_what_was_done_everywhere(staff: Client, developer: Client, partner: Partner):
    happened(partner, "client.created", target="a")
    event = happened(PartnerFactory(name="Casa Fortuna"), "client.revoked", target="b")
    happened(None, "user.created", target="c")
    assert set(rows(staff, page="/staff/audit/")) == {
        "Created the client a", "Revoked the client b", "Created the person c",
    }  # fmt: skip
    assert rows(staff, "?partner=fortuna", page="/staff/audit/") == ["Revoked the client b"]
    assert "Open Casa Fortuna" in html(staff, f"/staff/audit/{event.pk}/")
    for address in ("/staff/audit/", "/staff/audit/export/", f"/staff/audit/{event.pk}/"):
        assert developer.get(address).status_code == 404
        assert Client().get(address).status_code == 302


def test_the_teams_pages_have_a_navigation_of_their_own(staff: Client):
    shown = html(staff, "/staff/audit/")
    assert re.search(r'href="/staff/audit/" aria-current="page"', shown)
    assert 'href="/partners/"' in shown
    assert 'href="/admin/"' in shown


# -- CSV ----------------------------------------------------------------------


def exported(client: Client, query: str = "", page: str = PAGE) -> list[dict[str, str]]:
    response = client.get(f"{page}export/{query}")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode(), newline="")))


def test_the_export_holds_every_row_and_column(developer: Client, partner: Partner, sandbox: Environment, person: User):
    at = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    happened(
        partner, "client.created", actor=person, environment=sandbox, target="a,\n“b”", ip="2001:db8::1", at=at,
        detail={"name": "Über"},
    )  # fmt: skip
    for number in range(120):
        happened(partner, "client.revoked", target=str(number))
    found = exported(developer)
    assert len(found) == 121
    assert found[-1] == {
        "time": "2026-03-01T12:00:00Z",
        "person": "Mina Holt",
        "email": "mina@aurora.example",
        "client": "",
        "did": "created the client a,\n“b”",
        "action": "client.created",
        "target": "a,\n“b”",
        "partner": "aurora-casino",
        "environment": "sandbox",
        "address": "2001:db8::1",
        "detail": json.dumps({"name": "Über"}, ensure_ascii=False),
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_export_is_a_formula(developer: Client, partner: Partner, start: str):
    person = UserFactory(name=f"{start}HYPERLINK(1)")
    happened(partner, "client.created", actor=person, target=f"{start}cmd|' /C calc'!A0")
    (row,) = exported(developer)
    assert row["target"] == f"'{start}cmd|' /C calc'!A0"
    assert row["person"] == f"'{start}HYPERLINK(1)"


def test_a_harmless_cell_is_left_alone():
    for cell in ("", "a=b", "'", "12", "-12.50"):
        assert guarded(cell) == cell
    assert guarded("-1+1") == "'-1+1"


def test_the_teams_export_is_of_all_partners(staff: Client, partner: Partner):
    happened(partner, "client.created")
    happened(PartnerFactory(slug="other"), "client.created")
    assert {row["partner"] for row in exported(staff, page="/staff/audit/")} == {"aurora-casino", "other"}


# -- Words --------------------------------------------------------------------


def test_every_phrase_reads_after_a_name():
    for action in PHRASES:
        words = phrase(action, "X")
        assert words[0].islower(), action
        assert "{" not in words, action
    assert phrase("client.created", "") == "created the client –"
    assert phrase("no.such", "") == "no.such"


def test_every_action_that_the_product_writes_has_a_phrase():
    """`audit.record("noun.verb", …)` wherever it stands, and the same through helpers that take the action first."""
    written = set()
    for app in ("track360", "entities", "integrations", "onboarding"):
        for file in (settings.BASE_DIR / app).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
            for call in calls:
                if call.args and ast.unparse(call.func) in {"audit.record", "_audit", "_record", "record"}:
                    written |= {node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)}
    written = {action for action in written if isinstance(action, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", action)}
    assert len(written) > 30
    assert written - PHRASES.keys() == set()


# -- The table ----------------------------------------------------------------

ALTERATIONS = (
    "UPDATE track360_auditevent SET action = 'x'",
    "UPDATE track360_auditevent SET action = 'x' WHERE false OR true",
    "DELETE FROM track360_auditevent",
    "TRUNCATE track360_auditevent",
    "TRUNCATE track360_partner CASCADE",
    "INSERT INTO track360_auditevent SELECT * FROM track360_auditevent ON CONFLICT (id) DO UPDATE SET action = 'x'",
)


def settled(partner: Partner) -> AuditEvent:
    """An event with no foreign key left to check: PostgreSQL itself would refuse to truncate before that."""
    event = happened(partner, "client.created")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return event


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_the_database_refuses_to_alter_the_trail(partner: Partner, statement: str):
    event = settled(partner)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEvent.objects.get(pk=event.pk).action == "client.created"


@pytest.mark.parametrize("statement", [*ALTERATIONS, "ALTER TABLE track360_auditevent DISABLE TRIGGER USER"])
def test_a_role_with_every_right_on_the_tables_cannot_alter_it_either(partner: Partner, statement: str):
    event = settled(partner)
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE track360_tried NOSUPERUSER")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO track360_tried")
        cursor.execute("SET LOCAL ROLE track360_tried")
        with pytest.raises(DatabaseError, match=r"append-only|must be owner"), transaction.atomic():
            cursor.execute(statement)
        cursor.execute("RESET ROLE")
    assert AuditEvent.objects.get(pk=event.pk).action == "client.created"


def test_django_is_refused_as_well(partner: Partner):
    event = happened(partner, "client.created")
    for alter in (AuditEvent.objects.all().delete, event.delete, event.save):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            alter()


def test_what_an_action_writes_stands_in_the_trail_at_once(developer: Client, partner: Partner):
    user = MembershipFactory(partner=partner).user
    audit.record("member.removed", actor=audit.Actor(user=user, ip="192.0.2.1"), partner=partner, target="x@y.example")
    assert rows(developer) == ["Removed x@y.example from the team"]
