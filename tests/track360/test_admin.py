from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from entities.models import (
    Affiliate,
    Batch,
    Customer,
    FxRate,
    QuarantinedRecord,
    SeenStatus,
    StatusMapping,
    Transaction,
)
from entities.pipeline import ingest
from integrations.models import ApiRequest, Client, ClientSecret, Connection, DayTotals, SyncRun
from tests.factories import CONNECTION_SECRET, RunFactory, UserFactory
from track360.models import AuditEvent, Environment, Membership, Partner, User
from track360.partners import create_partner

FRIDAY = dt.date(2026, 10, 30)


@pytest.fixture
def partner(db: None) -> Partner:
    return create_partner(name="Aurora Casino")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def superuser(db: None) -> User:
    return UserFactory(email="root@track360.test", is_staff=True, is_superuser=True)


@pytest.fixture
def team(client: Browser, superuser: User) -> Browser:
    client.force_login(superuser)
    return client


@pytest.fixture
def filled(sandbox: Environment, superuser: User) -> Environment:
    """One row in each table that has a page."""
    now = timezone.now()
    person = {"customer_id": "cst_1", "signup_date": "2026-10-01T10:00:00Z", "affiliate_id": "aff_1"}
    money = {
        "transaction_id": "txn_1",
        "customer_id": "cst_1",
        "transaction_type": "deposit",
        "amount_currency": 10,
        "currency": "EUR",
        "transaction_date": "2026-10-30T10:00:00Z",
        "status": "approved",
    }
    play = {"date": "2026-10-30", "customer_id": "cst_1", "game_type": "slots", "currency": "EUR"}
    ingest(sandbox, "customers", [person, {**person, "customer_id": " "}], lenient=True)
    ingest(sandbox, "transactions", [money])
    ingest(sandbox, "activity", [play])
    StatusMapping.objects.create(partner=sandbox.partner, field="status", raw_value="ok", canonical_value="approved")
    Affiliate.objects.create(partner=sandbox.partner, affiliate_id="aff_1")
    client = Client.objects.create(environment=sandbox, name="backend", client_id="client-1")
    ClientSecret.objects.create(client=client, digest="d" * 64, last_four="wxyz")
    ApiRequest.objects.create(
        id=uuid.uuid4(),
        at=now,
        environment=sandbox,
        method="GET",
        path="/api/v1/igaming/customers",
        status=200,
        duration_ms=3,
    )
    RunFactory(feed__connection__environment=sandbox)
    DayTotals.objects.create(environment=sandbox, entity="activity", day=FRIDAY, side="stored")
    return sandbox


PAGES = sorted(
    reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
)


@pytest.mark.parametrize("page", PAGES)
def test_every_list_opens_and_so_does_its_first_row(page: str, team: Browser, filled: Environment) -> None:
    answer = team.get(page)
    assert answer.status_code == 200
    rows = answer.context["cl"].result_list
    assert rows, "the fixture fills every table"

    answer = team.get(answer.context["cl"].url_for_result(rows[0]))

    assert answer.status_code == 200


@pytest.mark.parametrize("page", ["admin:index", "admin:track360_partner_add", "admin:track360_user_add"])
def test_the_start_page_and_the_forms_open(page: str, team: Browser) -> None:
    assert team.get(reverse(page)).status_code == 200


def test_a_page_for_each_thing_that_the_team_looks_after_and_none_of_the_libraries() -> None:
    assert {model.__name__ for model in admin.site._registry} == {
        "Activity", "Affiliate", "ApiRequest", "AuditEvent", "Batch", "Client", "Connection", "Customer", "DayTotals",
        "Feed", "FxRate", "Partner", "QuarantinedRecord", "SeenStatus", "StatusMapping", "SyncRun", "Transaction",
        "User",
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("page", [*PAGES, "/admin/"])
def test_who_is_not_signed_in_is_sent_to_the_portals_sign_in(page: str, client: Browser) -> None:
    answer = client.get(page, follow=True)

    assert answer.redirect_chain[-1][0].startswith(reverse("account_login"))


@pytest.mark.django_db
@pytest.mark.parametrize("page", [*PAGES, "/admin/"])
def test_who_is_not_on_the_team_is_refused(page: str, client: Browser) -> None:
    client.force_login(User.objects.create_user("owner@aurora.test"))

    assert client.get(page, follow=True).status_code == 403


@pytest.mark.django_db
def test_the_admins_own_sign_in_form_takes_no_password(client: Browser) -> None:
    User.objects.create_superuser("root@track360.test", "a long password")

    answer = client.post(reverse("admin:login"), {"username": "root@track360.test", "password": "a long password"})

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    ("model", "term", "number"),
    [
        (Customer, "cst_1", 1),
        (Customer, "cst_", 0),
        (Transaction, "txn_1", 1),
        (Transaction, "cst_1", 1),
        (Transaction, "' OR 1=1 --", 0),
        (Transaction, "a\x00b", 1),  # refused by the search form: no search
        (Batch, "not an id", 0),
        (Batch, "00000000-0000-4000-8000-000000000000", 0),
        (ApiRequest, "not an id", 0),
        (QuarantinedRecord, "", 1),
    ],
)
def test_search_finds_whole_ids(model: Any, term: str, number: int, team: Browser, filled: Environment) -> None:
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    answer = team.get(page, {"q": term})

    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == number


def test_search_and_detail_read_an_index_however_many_records_there_are(team: Browser, filled: Environment) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO entities_customer (environment_id, customer_id, signup_date, affiliate_id, received_at,
                                           updated_at, source, batch_id)
            SELECT %s, 'c' || n, now(), 'aff_1', now(), now(), 'push', gen_random_uuid()
              FROM generate_series(1, 20000) n
            """,
            [filled.pk],
        )
        cursor.execute("ANALYZE entities_customer")
    number = Customer.objects.get(customer_id="c777").pk

    with CaptureQueriesContext(connection) as queries:
        team.get(reverse("admin:entities_customer_changelist"), {"q": "c777"})
        team.get(reverse("admin:entities_customer_changelist"), {"environment": filled.pk})
        team.get(reverse("admin:entities_customer_change", args=[number]))

    read = [query["sql"] for query in queries if 'FROM "entities_customer"' in query["sql"]]
    assert len(read) >= 6
    with connection.cursor() as cursor:
        for sql in read:
            cursor.execute("EXPLAIN " + sql)
            plan = "\n".join(line for (line,) in cursor.fetchall())
            counts = "COUNT(*)" in sql  # to 10,000 and no further, whatever the plan
            assert ("Limit" in plan) if counts else ("Seq Scan on entities_customer" not in plan), (sql, plan)


@pytest.mark.parametrize("object_id", ["0", "999999", "abc", "9" * 30, "1_5"])
def test_a_record_that_is_not_there_leads_back(object_id: str, team: Browser, filled: Environment) -> None:
    answer = team.get(f"/admin/entities/customer/{object_id}/change/")

    assert answer.status_code == 302


@pytest.mark.parametrize("model", ["customer", "transaction", "activity", "batch", "quarantinedrecord"])
def test_records_cannot_be_made_changed_or_removed(model: str, team: Browser, filled: Environment) -> None:
    row = admin.site._registry
    number = next(m for m in row if m._meta.model_name == model)._default_manager.first().pk

    assert team.get(f"/admin/entities/{model}/add/").status_code == 403
    assert team.post(f"/admin/entities/{model}/{number}/change/", {}).status_code == 403
    assert team.post(f"/admin/entities/{model}/{number}/delete/", {"post": "yes"}).status_code == 403


def test_a_list_is_filtered_by_environment(team: Browser, filled: Environment) -> None:
    other = create_partner(name="Borealis Sports").environments.first()
    assert other is not None
    page = reverse("admin:entities_customer_changelist")

    assert len(team.get(page, {"environment": filled.pk}).context["cl"].result_list) == 1
    assert len(team.get(page, {"environment": other.pk}).context["cl"].result_list) == 0
    assert team.get(page, {"environment": "x"}).status_code == 200


def test_a_client_shows_the_end_of_its_secrets_and_no_more(team: Browser, filled: Environment) -> None:
    client = Client.objects.get()

    text = team.get(f"/admin/integrations/client/{client.pk}/change/").content.decode()

    assert "…wxyz" in text
    assert "d" * 64 not in text


@pytest.mark.parametrize("model", ["connection", "feed", "syncrun", "daytotals"])
def test_what_is_fetched_is_looked_at_and_its_secrets_are_not(model: str, team: Browser, filled: Environment) -> None:
    row = next(m for m in admin.site._registry if m._meta.model_name == model)._default_manager.get()
    place = f"/admin/integrations/{model}/"
    sealed = Connection.objects.get().sealed_secret
    SyncRun.objects.update(lease_token=uuid.UUID(int=7))
    shown = team.get(place).content.decode() + team.get(f"{place}{row.pk}/change/").content.decode()

    assert len(sealed) > 20
    assert sealed not in shown
    assert CONNECTION_SECRET not in shown
    assert str(uuid.UUID(int=7)) not in shown
    assert team.get(f"{place}add/").status_code == 403
    assert team.post(f"{place}{row.pk}/change/", {}).status_code == 403
    assert team.post(f"{place}{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", ["connection", "feed", "syncrun", "daytotals"])
def test_lists_of_what_is_fetched_take_as_many_queries_for_many_rows_as_for_few(model: str, team: Browser) -> None:
    def queries(number: int) -> int:
        for _ in range(number):
            run = RunFactory()
            DayTotals.objects.create(environment=run.environment, entity="activity", day=FRIDAY, side="stored")
        with CaptureQueriesContext(connection) as captured:
            team.get(f"/admin/integrations/{model}/")
        return len(captured)

    queries(1)
    assert queries(1) == queries(6)


def formset(prefix: str, *rows: dict[str, Any]) -> dict[str, Any]:
    form = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for i, row in enumerate(rows):
        form |= {f"{prefix}-{i}-{name}": value for name, value in row.items()}
    return form


def test_a_new_partner_has_both_environments_its_members_and_an_audit_row(team: Browser, superuser: User) -> None:
    person = User.objects.create_user("owner@aurora.test")
    form = {
        "name": "Cobalt Poker",
        "slug": "cobalt-poker",
        "status": "active",
        **formset("environments"),
        **formset("memberships", {"user": person.pk, "role": "owner"}),
    }

    answer = team.post(reverse("admin:track360_partner_add"), form)

    assert answer.status_code == 302, answer.context["errors"]
    partner = Partner.objects.get(slug="cobalt-poker")
    assert {environment.kind for environment in partner.environments.all()} == {"sandbox", "production"}
    assert Membership.objects.filter(partner=partner, user=person, role="owner").exists()
    event = AuditEvent.objects.get(action="partner.created")
    assert (event.actor, event.partner) == (superuser, partner)


def test_renaming_a_partner_is_audited_by_field_and_its_status_stays(team: Browser, partner: Partner) -> None:
    """It is suspended and closed in the portal, where that takes a reason."""
    form = {
        "name": "Another name",
        "status": "suspended",
        **formset("environments"),
        **formset("memberships"),
    }
    form["environments-INITIAL_FORMS"] = 0

    team.post(reverse("admin:track360_partner_change", args=[partner.pk]), form)

    partner.refresh_from_db()
    assert (partner.name, partner.status) == ("Another name", "active")
    assert "Name" in str(AuditEvent.objects.get(action="partner.changed").detail)


@pytest.mark.django_db
def test_a_member_of_the_team_without_all_rights_makes_no_users(client: Browser) -> None:
    client.force_login(UserFactory(email="staff@track360.test", is_staff=True))

    assert client.get(reverse("admin:track360_partner_changelist")).status_code == 200
    assert client.get(reverse("admin:track360_user_changelist")).status_code == 200
    assert client.get(reverse("admin:track360_user_add")).status_code == 403
    assert client.get(reverse("admin:track360_user_changelist")).context["action_form"] is None


def test_a_superuser_makes_a_person(team: Browser) -> None:
    form = {"email": "New@Aurora.test", "usable_password": "false", **formset("memberships")}

    answer = team.post(reverse("admin:track360_user_add"), form)

    assert answer.status_code == 302, answer.context["errors"]
    assert not User.objects.get(email="new@aurora.test").has_usable_password()


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"currency": "USD"}, "currency"),
        ({"currency": "EUX"}, "currency"),
        ({"usd_rate": "10"}, "usd_rate"),
        ({"usd_rate": "0"}, "usd_rate"),
        ({"usd_rate": "1e400"}, "usd_rate"),
        ({"day": "2999-01-01"}, "day"),
        ({"day": "yesterday"}, "day"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(form: dict[str, str], field: str, team: Browser) -> None:
    answer = team.post(
        reverse("admin:entities_fxrate_add"),
        {"currency": "EUR", "day": "2026-11-02", "usd_rate": "1.2", **form},
    )

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors


def test_the_team_enters_changes_and_removes_its_own_rates_and_not_the_banks(team: Browser) -> None:
    team.post(reverse("admin:entities_fxrate_add"), {"currency": "eur", "day": FRIDAY, "usd_rate": "1.2"})

    ours, bank = FxRate.objects.filter(currency="EUR", day=FRIDAY).order_by("-source")
    assert (ours.source, ours.usd_rate) == ("manual", Decimal("1.2"))
    ours_page = reverse("admin:entities_fxrate_change", args=[ours.pk])
    bank_page = reverse("admin:entities_fxrate_change", args=[bank.pk])
    assert team.post(bank_page, {"currency": "EUR", "day": FRIDAY, "usd_rate": "2"}).status_code == 403
    assert team.post(ours_page, {"currency": "EUR", "day": FRIDAY, "usd_rate": "1.3"}).status_code == 302
    team.post(reverse("admin:entities_fxrate_delete", args=[ours.pk]), {"post": "yes"})
    assert list(FxRate.objects.filter(currency="EUR", day=FRIDAY)) == [bank]


def test_mappings_and_affiliates_are_changed_where_their_history_is_kept(team: Browser) -> None:
    for model in ("statusmapping", "affiliate"):
        assert team.get(reverse(f"admin:entities_{model}_changelist")).status_code == 200
        assert team.get(reverse(f"admin:entities_{model}_add")).status_code == 403


def test_only_the_admin_may_run_what_its_theme_brings(team: Browser) -> None:
    assert "'unsafe-eval'" in team.get("/admin/")["Content-Security-Policy"]
    assert "unsafe" not in team.get(reverse("account_reauthenticate"))["Content-Security-Policy"]


@pytest.mark.django_db
def test_seen_statuses_have_a_page(team: Browser, sandbox: Environment) -> None:
    SeenStatus.objects.create(environment=sandbox, field="status", raw_value="odd")

    assert "odd" in team.get(reverse("admin:entities_seenstatus_changelist")).content.decode()
