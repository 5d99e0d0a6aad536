"""Invitations and the team page: who may ask whom, what a link does, and who may leave."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.factories import PASSWORD, MembershipFactory, PartnerFactory, UserFactory
from track360 import people
from track360.audit import Actor
from track360.models import AuditEvent, Invitation, Membership, Partner, User

TEAM = "/p/aurora-casino/sandbox/team/"
INVITE = f"{TEAM}invite/"
NEW = "new@aurora.example"
GOOD_PASSWORD = "correct horse battery"


@pytest.fixture
def owner(partner: Partner, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(MembershipFactory(partner=partner, role="owner", user__email="owner@aurora.example").user)


@pytest.fixture
def invited(partner: Partner) -> Callable[..., tuple[Invitation, str]]:
    """An open invitation and the path of its link."""

    def inviting(email: str = NEW, role: str = "developer") -> tuple[Invitation, str]:
        ingrid = UserFactory(name="Ingrid Solberg")
        invitation, token = people.invite(partner, email=email, role=role, actor=Actor(user=ingrid))
        return invitation, f"/invitations/{token}/"

    return inviting


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("at", "id").values_list("action", flat=True))


# -- Inviting -----------------------------------------------------------------


@pytest.mark.usefixtures("partner")
def test_an_invitation_is_mailed_and_its_link_shown_to_the_team_once(
    staff: Client, owner: Client, django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(INVITE, {"email": " New@Aurora.example ", "role": "developer"})

    html = answer.content.decode()
    (link,) = set(re.findall(r"http://[^\s<\"]+/invitations/[\w-]+/", html))
    assert answer["Cache-Control"].count("no-store")
    (sent,) = mail.outbox
    assert sent.to == [NEW]
    assert link in sent.body
    assert "Aurora Casino" in sent.subject
    invitation = Invitation.objects.get()
    token = link.rstrip("/").rpartition("/")[2]
    assert (invitation.email, invitation.role) == (NEW, "developer")
    assert invitation.digest == sha256(token.encode()).hexdigest()
    assert len(token) >= 43  # 256 bits
    assert abs(invitation.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert "invitation.created" in actions()
    assert token not in str(AuditEvent.objects.values_list("detail", "target"))
    page = owner.get(TEAM).content.decode()
    assert NEW in page
    assert "Waiting" in page
    assert token not in page


def test_who_invites_cannot_accept_in_the_place_of_the_invited(owner: Client, django_capture_on_commit_callbacks: Any):
    """The link proves the mailbox, and is its reader's alone: no page shows it to who sent it."""
    pages = []
    with django_capture_on_commit_callbacks(execute=True):
        pages.append(owner.post(INVITE, {"email": NEW, "role": "developer"}, follow=True))
    with django_capture_on_commit_callbacks(execute=True):
        pages.append(owner.post(f"{TEAM}invitations/{Invitation.objects.get().pk}/send/", follow=True))

    tokens = [re.findall(r"/invitations/([\w-]{43,})/", message.body)[0] for message in mail.outbox]
    assert len(set(tokens)) == 2
    for page in pages:
        assert page.redirect_chain == [(TEAM, 302)]
        assert not any(token in page.content.decode() for token in tokens)


def test_a_mail_that_does_not_go_out_is_seen_on_the_team_page_and_sent_again(
    owner: Client, settings: Any, django_capture_on_commit_callbacks: Any
):
    settings.EMAIL_BACKEND, working = "django.core.mail.backends.smtp.EmailBackend", settings.EMAIL_BACKEND
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with django_capture_on_commit_callbacks(execute=True):
        answer = owner.post(INVITE, {"email": NEW, "role": "viewer"}, follow=True)
    # The callbacks run after the answer here, as they do before it in a transaction of its own.
    assert "did not go out" in answer.content.decode()
    page = owner.get(TEAM).content.decode()
    assert "Not mailed" in page
    assert "An invitation was not mailed. Next: send again" in page

    settings.EMAIL_BACKEND = working
    invitation = Invitation.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        owner.post(f"{TEAM}invitations/{invitation.pk}/send/")
    assert [message.to for message in mail.outbox] == [[NEW]]
    assert "Not mailed" not in owner.get(TEAM).content.decode()


def test_sending_again_ends_the_link_before(
    owner: Client, client: Client, invited: Any, django_capture_on_commit_callbacks: Any
):
    invitation, path = invited()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    with django_capture_on_commit_callbacks(execute=True):
        owner.post(f"{TEAM}invitations/{invitation.pk}/send/")
    (new,) = set(re.findall(r"/invitations/[\w-]{43,}/", mail.outbox[-1].body))
    assert client.get(path).status_code == 404
    assert client.get(new).status_code == 200


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"email": "", "role": "viewer"}, "This field is required."),
        ({"email": "nobody", "role": "viewer"}, "Write an email address"),
        ({"email": "a@b.example\x00", "role": "viewer"}, "Null characters are not allowed."),
        ({"email": "a" * 300 + "@b.example", "role": "viewer"}, "at most 254 characters"),
        ({"email": NEW, "role": "staff"}, "Select a valid choice."),
        ({"email": NEW}, "This field is required."),
        ({"email": "OWNER@aurora.example", "role": "viewer"}, "belongs to this team already"),
    ],
)
def test_what_cannot_be_invited_is_said_at_the_field(owner: Client, data: dict[str, str], sentence: str):
    answer = owner.post(INVITE, data)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert sentence in html
    assert 'aria-invalid="true"' in html
    if data.get("email"):
        assert data["email"][:10] in html  # what was typed stays
    assert not Invitation.objects.exists()


def test_the_same_address_is_invited_once(owner: Client, invited: Any):
    invited()
    assert "is invited already" in owner.post(INVITE, {"email": NEW.upper(), "role": "viewer"}).content.decode()
    assert Invitation.objects.count() == 1


def test_nobodys_mailbox_is_filled_from_here(owner: Client, invited: Any):
    invitation, _ = invited()
    for _turn in range(people.MAILS_A_MINUTE.amount - 1):
        sent = owner.post(f"{TEAM}invitations/{invitation.pk}/send/", follow=True)
        assert "Try again in" not in sent.content.decode()
    answer = owner.post(f"{TEAM}invitations/{invitation.pk}/send/", follow=True)
    assert "Try again in" in answer.content.decode()


def test_another_partners_invitation_is_not_found(owner: Client, staff: Client):
    other, _ = people.invite(PartnerFactory(), email=NEW, role="viewer", actor=Actor(user=UserFactory()))
    for door in ("send", "revoke"):
        assert owner.post(f"{TEAM}invitations/{other.pk}/{door}/").status_code == 404
        assert staff.post(f"{TEAM}invitations/{other.pk}/{door}/").status_code == 404


# -- Joining ------------------------------------------------------------------


def test_a_new_person_gives_name_and_password_and_is_in(client: Client, invited: Any):
    invitation, path = invited()
    html = client.get(path).content.decode()
    assert "Ingrid Solberg invites new@aurora.example to the partner portal as developer" in html
    assert "Join Aurora Casino" in html

    answer = client.post(path, {"name": "Nora New", "password": GOOD_PASSWORD})

    assert answer["Location"].startswith("/p/aurora-casino/sandbox/")
    assert client.get(answer["Location"]).status_code == 200
    person = User.objects.get(email=NEW)
    assert (person.name, person.memberships.get().role) == ("Nora New", "developer")
    assert actions()[:3] == ["invitation.created", "user.created", "invitation.accepted"]
    assert Client().post("/accounts/login/", {"login": NEW, "password": GOOD_PASSWORD}).status_code == 302
    invitation.refresh_from_db()
    assert invitation.accepted_by == person


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": "", "password": GOOD_PASSWORD}, "This field is required."),
        ({"name": "N" * 201, "password": GOOD_PASSWORD}, "at most 200 characters"),
        ({"name": "No\x00ra", "password": GOOD_PASSWORD}, "Null characters are not allowed."),
        ({"name": "Nora", "password": "short"}, "too short"),
        ({"name": "Nora", "password": "new@aurora.example"}, "too similar"),
        ({"name": "Nora", "password": "password1234"}, "too common"),
    ],
)
def test_a_new_person_is_told_what_is_wrong(client: Client, invited: Any, data: dict[str, str], sentence: str):
    _, path = invited()
    answer = client.post(path, data)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not User.objects.filter(email=NEW).exists()
    assert Membership.objects.count() == 0


def test_somebody_with_an_account_signs_in_first(client: Client, invited: Any):
    UserFactory(email=NEW, password=PASSWORD)
    _, path = invited(NEW.upper())
    html = client.get(path).content.decode()
    assert f'href="/accounts/login/?next={path}"' in html
    assert client.post(path, {"name": "Eve", "password": GOOD_PASSWORD}).status_code == 200
    assert Membership.objects.count() == 0

    signed_in = client.post("/accounts/login/", {"login": NEW, "password": PASSWORD, "next": path})
    assert signed_in["Location"] == path
    assert "Join Aurora Casino" in client.get(path).content.decode()
    assert client.post(path)["Location"].startswith("/p/aurora-casino/sandbox/")
    assert Membership.objects.get().role == "developer"


def test_whoever_is_signed_in_as_somebody_else_is_told(developer: Client, invited: Any):
    _, path = invited()
    for answer in (developer.get(path), developer.post(path)):
        assert answer.status_code == 403
        assert "this invitation is for new@aurora.example" in answer.content.decode()
    assert not User.objects.filter(email=NEW).exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
        ({"revoked_at": timezone.now()}, "was taken back"),
        ({"accepted_at": timezone.now()}, "was used already"),
    ],
)
@pytest.mark.parametrize("has_account", [False, True])
def test_a_link_that_has_ended_says_so_and_nothing_of_accounts(
    client: Client, developer: Client, invited: Any, change: dict[str, Any], sentence: str, has_account: bool
):
    if has_account:
        UserFactory(email=NEW)
    _, path = invited()
    Invitation.objects.update(**change)
    people_before = User.objects.count()
    for answer in (client.get(path), client.post(path, {"name": "N", "password": GOOD_PASSWORD}), developer.post(path)):
        assert answer.status_code == 410
        assert sentence in answer.content.decode()
        assert NEW not in answer.content.decode()
    assert User.objects.count() == people_before


@pytest.mark.parametrize("token", ["x", "%00", "a" * 3000, "..", "é", "%ff"])
@pytest.mark.django_db
def test_garbage_for_a_link_is_not_found(client: Client, token: str):
    assert client.get(f"/invitations/{token}/").status_code == 404
    assert client.post(f"/invitations/{token}/", {"name": "N", "password": GOOD_PASSWORD}).status_code == 404


def test_a_used_link_leads_whoever_used_it_to_the_partner(client: Client, invited: Any):
    _, path = invited()
    client.post(path, {"name": "Nora", "password": GOOD_PASSWORD})
    assert client.post(path)["Location"].startswith("/p/aurora-casino/")
    assert Client().get(path).status_code == 410


def test_nobody_joins_a_closed_partner(client: Client, invited: Any, partner: Partner):
    _, path = invited()
    Partner.objects.filter(pk=partner.pk).update(status=Partner.Status.CLOSED)
    assert client.get(path).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_one_link_at_once_one_joins(invited: Any):
    invitation, path = invited()

    def join(number: int) -> int:
        try:
            return Client().post(path, {"name": f"N{number}", "password": GOOD_PASSWORD}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        codes = sorted(pool.map(join, range(2)))
    assert codes[0] in (200, 302)
    assert 302 in codes
    assert User.objects.filter(email=NEW).count() == Membership.objects.filter(partner=invitation.partner).count() == 1


# -- Members ------------------------------------------------------------------


def test_an_owner_changes_a_role_and_removes_a_member(owner: Client, developer: Client, partner: Partner):
    member = Membership.objects.get(user__email="dev@aurora.example")
    here = f"{TEAM}{member.pk}/"
    assert owner.get(here).status_code == 200
    assert owner.post(here, {"role": "viewer"})["Location"] == TEAM
    assert developer.get("/p/aurora-casino/sandbox/credentials/new/").status_code == 403
    assert "Leave" not in owner.get(f"{here}remove/").content.decode()
    assert owner.post(f"{here}remove/")["Location"] == TEAM
    assert developer.get(TEAM).status_code == 404
    changed, removed = AuditEvent.objects.filter(partner=partner).order_by("at")
    assert (changed.action, changed.detail) == ("member.role_changed", {"before": "developer", "after": "viewer"})
    assert (removed.action, removed.target, removed.ip) == ("member.removed", "dev@aurora.example", "127.0.0.1")
    assert removed.actor.email == "owner@aurora.example"


def test_the_last_owner_stays_unless_staff_decide(owner: Client, staff: Client):
    member = Membership.objects.get()
    refused = owner.post(f"{TEAM}{member.pk}/", {"role": "viewer"})
    assert "is the last owner" in refused.content.decode()
    assert "is the last owner" in owner.post(f"{TEAM}{member.pk}/remove/").content.decode()
    member.refresh_from_db()
    assert member.role == "owner"
    assert staff.post(f"{TEAM}{member.pk}/remove/").status_code == 302
    assert not Membership.objects.exists()


def test_an_owner_who_leaves_another_one_is_out(owner: Client, partner: Partner):
    MembershipFactory(partner=partner, role="owner")
    member = Membership.objects.get(user__email="owner@aurora.example")
    assert "Leave this team?" in owner.get(f"{TEAM}{member.pk}/remove/").content.decode()
    assert owner.post(f"{TEAM}{member.pk}/remove/")["Location"] == "/"
    assert owner.get(TEAM).status_code == 404


def test_an_owner_whose_account_is_shut_does_not_count(owner: Client, partner: Partner):
    MembershipFactory(partner=partner, role="owner", user__is_active=False)
    member = Membership.objects.get(user__email="owner@aurora.example")
    assert "is the last owner" in owner.post(f"{TEAM}{member.pk}/remove/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays(partner: Partner):
    members = [MembershipFactory(partner=partner, role="owner") for _ in range(2)]

    def leave(member: Membership) -> str:
        try:
            people.remove_member(member, actor=Actor(user=member.user))
        except ValidationError as refusal:
            return str(refusal.code)
        finally:
            connection.close()
        return "left"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, members)) == ["last_owner", "left"]


def test_another_partners_member_is_not_found(owner: Client, staff: Client):
    other = MembershipFactory(user__email="else@other.example")
    for client in (owner, staff):
        for path in (f"{TEAM}{other.pk}/", f"{TEAM}{other.pk}/remove/", f"{TEAM}{10**30}/"):
            assert client.get(path).status_code == 404
            assert client.post(path, {"role": "viewer"}).status_code == 404


def test_developers_and_viewers_read_and_are_offered_nothing(developer: Client, viewer: Client, invited: Any):
    invitation, _ = invited()
    for client in (developer, viewer):
        html = client.get(TEAM).content.decode()
        assert NEW in html
        assert "Send again" not in html
        assert 'name="email"' not in html
        for path in ("invite/", f"invitations/{invitation.pk}/send/", f"invitations/{invitation.pk}/revoke/"):
            assert client.post(TEAM + path).status_code == 403
