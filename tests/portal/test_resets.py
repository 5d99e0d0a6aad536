"""A lost second factor comes off by two members of the team, never by one, never by the person himself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.factories import PASSWORD, StaffFactory, UserFactory
from track360 import factor_resets
from track360.audit import Actor
from track360.models import AuditEvent, SecondFactorReset, User

RESETS = "/staff/resets/"
EMAIL = "ann@aurora.example"
REASON = "Phone lost in a taxi; called back on the number in the contract."


@pytest.fixture
def ann(db: None) -> User:
    user = UserFactory(email=EMAIL, password=PASSWORD)
    TOTP.activate(user, generate_totp_secret())
    return user


@pytest.fixture
def colleague(db: None, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(StaffFactory(email="colleague@track360.example"))


def asked(client: Client, email: str = EMAIL, reason: str = REASON) -> Any:
    return client.post(RESETS, {"email": email, "reason": reason})


def has_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user).exists()


def test_one_asks_another_approves_and_everybody_is_told(
    ann: User, staff: Client, colleague: Client, django_capture_on_commit_callbacks: Any
):
    Authenticator.objects.create(user=ann, type=Authenticator.Type.RECOVERY_CODES, data={})
    session = _session_of(ann)
    assert asked(staff)["Location"] == RESETS
    reset = SecondFactorReset.objects.get()
    assert "1 reset waits" in colleague.get(RESETS).content.decode()
    assert "A colleague decides." in staff.get(RESETS).content.decode()
    assert has_factor(ann)

    with django_capture_on_commit_callbacks(execute=True):
        assert colleague.post(f"{RESETS}{reset.pk}/approve/")["Location"] == RESETS

    assert not has_factor(ann)
    assert session.get("/accounts/password/change/").status_code == 302
    assert sorted(message.to[0] for message in mail.outbox) == [
        EMAIL,
        "colleague@track360.example",
        "team@track360.example",
    ]
    assert all(REASON in message.body for message in mail.outbox)
    trail = AuditEvent.objects.filter(action__startswith="second_factor.reset").order_by("at")
    assert [(event.action, event.target) for event in trail] == [
        ("second_factor.reset_requested", EMAIL),
        ("second_factor.reset", EMAIL),
    ]
    assert trail[1].actor.email == "colleague@track360.example"
    assert (trail[1].detail["requested_by"], trail[1].detail["types"]) == (
        "team@track360.example",
        ["totp", "recovery_codes"],
    )
    assert "Taken off" in staff.get(RESETS).content.decode()


def _session_of(user: User) -> Client:
    """A session that has given password and code."""
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    UserSession.objects.create(user=user, ip="192.0.2.1", session_key=client.session.session_key, user_agent="x")
    assert client.get("/accounts/password/change/").status_code == 200
    return client


def test_who_asked_does_not_decide(ann: User, staff: Client):
    asked(staff)
    reset = SecondFactorReset.objects.get()
    for door in ("approve", "refuse"):
        assert "a colleague decides it" in staff.post(f"{RESETS}{reset.pk}/{door}/", follow=True).content.decode()
    assert has_factor(ann)


def test_a_member_of_the_team_needs_two_others(staff: Client, colleague: Client, sign_in: Any):
    me = User.objects.get(email="team@track360.example")
    assert "it takes two colleagues" in asked(staff, me.email).content.decode()
    assert asked(colleague, me.email).status_code == 302
    reset = SecondFactorReset.objects.get()
    assert "your own second factor" in staff.post(f"{RESETS}{reset.pk}/approve/", follow=True).content.decode()
    assert has_factor(me)
    assert sign_in(StaffFactory()).post(f"{RESETS}{reset.pk}/approve/").status_code == 302
    assert not has_factor(me)


def test_the_database_itself_refuses_one_who_decides_alone_or_for_himself(ann: User):
    one, two = StaffFactory(), StaffFactory()
    for wrong in (
        {"user": ann, "requested_by": one, "decided_by": one},
        {"user": one, "requested_by": one},
        {"user": one, "requested_by": two, "decided_by": one},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            SecondFactorReset.objects.create(reason="x", decided_at=timezone.now(), **wrong)


def test_a_refusal_leaves_everything(ann: User, staff: Client, colleague: Client):
    asked(staff)
    reset = SecondFactorReset.objects.get()
    colleague.post(f"{RESETS}{reset.pk}/refuse/")
    assert has_factor(ann)
    assert "decided this already" in colleague.post(f"{RESETS}{reset.pk}/approve/", follow=True).content.decode()
    assert has_factor(ann)
    assert AuditEvent.objects.filter(action="second_factor.reset_refused").count() == 1
    assert asked(staff).status_code == 302  # and may be asked anew


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"email": "", "reason": REASON}, "This field is required."),
        ({"email": EMAIL, "reason": ""}, "This field is required."),
        ({"email": EMAIL, "reason": "  "}, "This field is required."),
        ({"email": EMAIL, "reason": "x" * 2001}, "at most 2000 characters"),
        ({"email": EMAIL, "reason": "x\x00y"}, "Null characters are not allowed."),
        ({"email": "nobody@example.com", "reason": REASON}, "Nobody has an account with this address."),
        ({"email": "bare@example.com", "reason": REASON}, "has no second factor"),
    ],
)
def test_what_cannot_be_asked_is_said(ann: User, staff: Client, data: dict[str, str], sentence: str):
    UserFactory(email="bare@example.com")
    answer = staff.post(RESETS, data)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not SecondFactorReset.objects.exists()


def test_one_reset_waits_for_a_person(ann: User, staff: Client, colleague: Client):
    asked(staff)
    assert "waits already" in asked(colleague).content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_does(ann: User):
    reset = factor_resets.request_reset(ann, reason=REASON, actor=Actor(user=StaffFactory()))

    def decide(decider: tuple[Any, User]) -> str:
        action, user = decider
        try:
            action(reset, actor=Actor(user=user))
        except ValidationError as refusal:
            return str(refusal.code)
        finally:
            connection.close()
        return "done"

    deciders = [(factor_resets.approve_reset, StaffFactory()), (factor_resets.refuse_reset, StaffFactory())]
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, deciders)) == ["decided", "done"]
