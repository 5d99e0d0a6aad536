"""Production credentials wait for the steps 1 to 7, and say which are open."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from integrations.clients import create_client
from integrations.models import Client
from onboarding import agreements
from onboarding.models import StepState
from tests.factories import ClientFactory, ClientSecretFactory, UserFactory
from track360.audit import Actor
from track360.models import Environment, Partner, User
from track360.partners import create_partner


@pytest.fixture
def partner(db: None) -> Partner:
    return create_partner(name="Aurora", slug="aurora")


@pytest.fixture
def production(partner: Partner) -> Environment:
    return partner.environments.get(kind="production")


@pytest.fixture
def staff(db: None) -> User:
    return UserFactory(is_staff=True)


def override_all_but(partner: Partner, staff: User, *open_steps: int) -> None:
    for number in set(range(1, 8)) - set(open_steps):
        agreements.override_step(partner, number, reason="known to work", actor=Actor(user=staff))


def refusal(production: Environment) -> str:
    with pytest.raises(ValidationError) as caught:
        create_client(production, name="Platform", actor=None)
    assert caught.value.code == "not_ready"
    return " ".join(caught.value.messages)


def test_the_refusal_names_the_open_steps(partner: Partner, production: Environment, staff: User) -> None:
    assert "Still open: steps 1, 2, 3, 4, 5, 6, 7." in refusal(production)
    override_all_but(partner, staff, 2, 7)
    assert "Still open: steps 2, 7." in refusal(production)
    assert not Client.objects.exists()


def test_met_and_overridden_steps_open_production(partner: Partner, production: Environment, staff: User) -> None:
    override_all_but(partner, staff, 2)
    assert "Still open: step 2." in refusal(production)
    client = ClientFactory(environment=partner.environments.get(kind="sandbox"))
    secret = ClientSecretFactory(client=client, last_used_at=client.created)

    create_client(production, name="Platform", actor=None)

    assert StepState.objects.get(partner=partner, number=2).state == "met"
    secret.delete()
    assert "Still open: step 2." in refusal(production)  # judged anew, although nothing told of it


def test_step_8_is_no_condition(partner: Partner, production: Environment, staff: User) -> None:
    override_all_but(partner, staff)
    create_client(production, name="Platform", actor=None)


def test_the_sandbox_needs_no_step(partner: Partner) -> None:
    create_client(partner.environments.get(kind="sandbox"), name="Platform", actor=None)


def test_the_command_names_them_too_and_takes_a_reason(partner: Partner, staff: User) -> None:
    arguments = ["--partner", "aurora", "--environment", "production", "--name", "Platform"]
    with pytest.raises(CommandError, match=r"Still open: steps 1, .*--override-by EMAIL --reason TEXT"):
        call_command("issue_credentials", *arguments)

    reason = ["--override-by", staff.email, "--reason", "launch is tonight"]
    call_command("issue_credentials", *arguments, *reason, stdout=StringIO())

    assert Client.objects.filter(environment__kind="production").count() == 1
