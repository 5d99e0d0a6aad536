"""Clients and their secrets: made, rotated, revoked, each with its audit row; and the two commands."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from integrations.api.authentication import caller_for
from integrations.clients import (
    NewSecret,
    Override,
    create_client,
    issue_token,
    revoke_client,
    revoke_secret,
    rotate_secret,
)
from integrations.models import Client, ClientSecret
from track360.models import AuditEvent, Environment, Partner, User
from track360.partners import create_partner


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        call(*args, **kwargs)
    return str(caught.value.code)


def audited() -> list[str]:
    return list(AuditEvent.objects.order_by("at").exclude(action="partner.created").values_list("action", flat=True))


def test_a_secret_is_random_alphanumeric_and_stored_as_a_digest_only(credentials: NewSecret) -> None:
    row = str(ClientSecret.objects.values().get()) + str(Client.objects.values().get())

    assert len(credentials.clear) >= 43  # 256 bits in 62 characters
    assert credentials.clear.isascii()
    assert credentials.clear.isalnum()
    assert credentials.clear not in row
    assert credentials.clear not in repr(credentials)
    assert credentials.client.client_secret == ""
    assert credentials.secret.last_four == credentials.clear[-4:]


def test_creating_a_client_is_audited_without_its_secret(sandbox: Environment, staff: User) -> None:
    new = create_client(sandbox, name=" crm ", actor=staff, scopes=["write", "read"], ip_ranges=["10.0.0.1"], ip="::1")

    event = AuditEvent.objects.get(action="client.created")
    assert (event.actor, event.environment, event.target, event.ip) == (staff, sandbox, new.client.client_id, "::1")
    assert event.detail == {"name": "crm", "scope": "read write"}
    assert new.client.allowed_ip_ranges == ["10.0.0.1/32"]
    assert new.clear not in str(event.detail)


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb", "x" * 101])
def test_a_client_needs_a_printable_name(sandbox: Environment, name: str) -> None:
    assert refused(create_client, sandbox, name=name, actor=None) == "name"


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", ""], "read"])
def test_a_client_needs_known_scopes(sandbox: Environment, scopes: Any) -> None:
    assert refused(create_client, sandbox, name="a", actor=None, scopes=scopes) == "scope"


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "example.com", "10.0.0.1-10.0.0.9", "1\x00"])
def test_a_client_needs_real_ip_ranges(sandbox: Environment, text: str) -> None:
    assert refused(create_client, sandbox, name="a", actor=None, ip_ranges=[text]) == "ip_range"


def test_production_credentials_wait_for_the_steps(production: Environment, staff: User) -> None:
    person = User.objects.create_user("eve@aurora.test")

    assert refused(create_client, production, name="a", actor=None) == "not_ready"
    assert refused(create_client, production, name="a", actor=person, override=Override(person, "now")) == "override"
    assert refused(create_client, production, name="a", actor=staff, override=Override(staff, " ")) == "override"
    assert Client.objects.count() == 0


def test_an_override_stands_in_the_audit_log(production: Environment, staff: User) -> None:
    create_client(production, name="a", actor=staff, override=Override(staff, "launch is tonight"))

    detail = AuditEvent.objects.get(action="client.created").detail
    assert (detail["override_by"], detail["override_reason"]) == (staff.email, "launch is tonight")


def test_rotating_makes_a_second_secret_and_ends_the_first(credentials: NewSecret) -> None:
    before = timezone.now()

    second = rotate_secret(credentials.client, actor=None)

    credentials.secret.refresh_from_db()
    assert second.clear != credentials.clear
    assert second.secret.expires_at is None
    assert credentials.secret.expires_at is not None
    assert timedelta(hours=24) <= credentials.secret.expires_at - before < timedelta(hours=24, minutes=1)
    assert audited() == ["client.created", "client.secret_rotated"]


@pytest.mark.parametrize("overlap", [timedelta(days=7, seconds=1), timedelta(seconds=-1)])
def test_an_overlap_is_at_most_seven_days(credentials: NewSecret, overlap: timedelta) -> None:
    assert refused(rotate_secret, credentials.client, actor=None, overlap=overlap) == "overlap"
    rotate_secret(credentials.client, actor=None, overlap=timedelta(days=7))


def test_there_are_never_more_than_two_live_secrets(credentials: NewSecret) -> None:
    client = credentials.client
    rotate_secret(client, actor=None)

    assert refused(rotate_secret, client, actor=None) == "two_live_secrets"
    revoke_secret(credentials.secret, actor=None)
    rotate_secret(client, actor=None, overlap=timedelta(0))

    assert client.secrets.live().count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_rotations_at_once_cannot_make_a_third_secret(credentials: NewSecret) -> None:
    def rotate(_: int) -> bool:
        try:
            rotate_secret(credentials.client, actor=None)
        except ValidationError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        rotated = list(pool.map(rotate, range(8)))

    assert sum(rotated) == 1
    assert credentials.client.secrets.live().count() == 2


def test_revoking_twice_is_audited_once(credentials: NewSecret) -> None:
    for _ in range(2):
        revoke_secret(credentials.secret, actor=None)
        revoke_client(credentials.client, actor=None)

    assert audited() == ["client.created", "client.secret_revoked", "client.revoked"]
    assert refused(rotate_secret, credentials.client, actor=None) == "revoked"


def test_a_page_can_give_out_a_sandbox_token(credentials: NewSecret, staff: User) -> None:
    token = issue_token(credentials.client, actor=staff)

    assert caller_for(token).client_id == credentials.client.pk
    assert audited()[-1] == "client.token_issued"
    revoke_secret(credentials.secret, actor=staff)
    assert refused(issue_token, credentials.client, actor=staff) == "no_live_secret"


def test_a_page_gives_out_no_production_token(production: Environment, staff: User) -> None:
    new = create_client(production, name="a", actor=staff, override=Override(staff, "why"))

    assert refused(issue_token, new.client, actor=staff) == "sandbox_only"


def run(command: str, *arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return json.loads(out.getvalue())


def failure(command: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(command, *arguments)
    return str(caught.value)


def test_create_partner_prints_the_slug_and_both_environments(db: None) -> None:
    assert run("create_partner", "--name", "Café Royal & Söhne") == {
        "partner": "cafe-royal-sohne",
        "environments": ["sandbox", "production"],
    }
    assert Environment.objects.filter(partner__slug="cafe-royal-sohne").count() == 2


def test_create_partner_takes_a_slug(db: None) -> None:
    assert run("create_partner", "--name", "赌场", "--slug", "du-chang")["partner"] == "du-chang"


@pytest.mark.parametrize(
    ("name", "slug", "message"),
    [
        ("Aurora", "", "taken"),
        ("Other", "aurora", "taken"),
        ("赌场", "", "Give one"),
        ("A", "Not A Slug", "not valid"),
        ("A", "a-", "not valid"),
        ("A", "a" * 64, "not valid"),
        (" ", "a", "name"),
    ],
)
def test_create_partner_says_what_is_wrong_with_a_slug(
    sandbox: Environment, name: str, slug: str, message: str
) -> None:
    assert message in failure("create_partner", "--name", name, "--slug", slug)
    assert Partner.objects.count() == 1


def test_issue_credentials_prints_what_fetches_a_token(sandbox: Environment, ask_for_token: Any) -> None:
    arguments = ("--partner", "aurora", "--environment", "sandbox", "--name", "feed", "--scope", "write manage")

    issued = run("issue_credentials", *arguments)

    assert set(issued) == {"client_id", "client_secret", "scope"}
    assert issued.pop("scope") == "write manage"
    assert ask_for_token(**issued).json()["scope"] == "write manage"


def test_issue_credentials_says_what_is_wrong(production: Environment) -> None:
    def fail(partner: str = "aurora", environment: str = "sandbox", *more: str) -> str:
        return failure("issue_credentials", "--partner", partner, "--environment", environment, "--name", "feed", *more)

    assert "no partner 'nobody'" in fail("nobody")
    assert "scopes read, write, manage" in fail("aurora", "sandbox", "--scope", "admin")
    assert "steps 1 to 7" in fail("aurora", "production")
    assert "--reason" in fail("aurora", "production", "--override-by", "ada@track360.test")
    assert "not a member" in fail("aurora", "production", "--override-by", "x@y.test", "--reason", "z")
    assert Client.objects.count() == 0


def test_issue_credentials_can_be_overridden_by_the_team(production: Environment, staff: User) -> None:
    run(
        *("issue_credentials", "--partner", "aurora", "--environment", "production", "--name", "feed"),
        *("--override-by", staff.email.upper(), "--reason", "agreed by phone"),
    )

    event = AuditEvent.objects.get(action="client.created")
    assert (event.actor, event.detail["override_reason"]) == (staff, "agreed by phone")


def test_two_partners_of_one_slug_leave_one(db: None) -> None:
    create_partner(name="Twice")

    assert refused(create_partner, name="Twice") == "slug_taken"
    assert AuditEvent.objects.filter(action="partner.created").count() == 1
