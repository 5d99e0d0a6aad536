"""The demo's partners, people, mappings and rates."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from entities.generator import AFFILIATES
from entities.models import FxRate, StatusField
from integrations.clients import NewSecret, create_client, revoke_secret, rotate_secret
from integrations.models import Client
from onboarding.affiliates import Entry, add_affiliates
from onboarding.mappings import Wish, save_mappings
from track360.audit import Actor
from track360.models import Environment, Membership, Partner, User
from track360.partners import create_partner

SLUG = "aurora-casino"
PARTNERS = {
    SLUG: "Aurora Casino",
    "borealis-sports": "Borealis Sports",
    "cobalt-poker": "Cobalt Poker",
    "delta-bingo": "Delta Bingo",
}
CLIENT_NAME = "Demo platform"
OWNER = ("owner@aurora-casino.example", "Ingrid Solberg")
TEAM = ("team@track360.example", "Tomas Lindqvist")
COLLEAGUES = (
    (*OWNER, Membership.Role.OWNER),
    ("dev@aurora-casino.example", "Rafael Costa", Membership.Role.DEVELOPER),
    ("platform@aurora-casino.example", "Aino Virtanen", Membership.Role.DEVELOPER),
    ("finance@aurora-casino.example", "Clara Koch", Membership.Role.VIEWER),
)
# Everything that the generator sends but `manual_review` and `doc_requested`: those wait to be mapped.
MAPPINGS = {
    StatusField.KYC_STATUS: {value: value for value in ("not_started", "pending", "approved", "rejected", "expired")},
    StatusField.SALES_STATUS: {value: value for value in ("new", "contacted", "qualified", "converted", "lost")},
    StatusField.TRANSACTION_STATUS: {
        **{value: value for value in ("pending", "approved", "declined", "reversed")},
        "chargeback": "reversed",
    },
}
BRL_RATE = Decimal("0.1843")


@dataclass(frozen=True)
class SignIn:
    email: str
    password: str


def make_partners() -> dict[str, Partner]:
    """`aurora-casino` with its people, and three partners beside it, by slug."""
    found = {partner.slug: partner for partner in Partner.objects.filter(slug__in=PARTNERS)}
    for slug, name in PARTNERS.items():
        if slug not in found:
            found[slug] = create_partner(name=name, slug=slug)
    for email, name, role in COLLEAGUES:
        Membership.objects.get_or_create(user=_person(email, name), partner=found[SLUG], defaults={"role": role})
    return found


def _person(email: str, name: str, **flags: bool) -> User:
    return User.objects.filter(email=email).first() or User.objects.create_user(email, None, name=name, **flags)


def team_member() -> User:
    return _person(*TEAM, is_staff=True, is_superuser=True)


def teach(partner: Partner, *, until: dt.date) -> None:
    """What the integrations team has entered for the partner before its first record comes."""
    actor = Actor(user=team_member())
    wishes = [Wish(field, raw, canonical) for field, values in MAPPINGS.items() for raw, canonical in values.items()]
    save_mappings(partner, wishes, actor=actor)
    add_affiliates(partner, [Entry(affiliate, f"Affiliate {affiliate[4:]}") for affiliate in AFFILIATES], actor=actor)
    # The newest rates of the bank may be weeks away; for one currency the team has entered its own.
    FxRate.objects.bulk_create(
        (
            FxRate(currency="BRL", day=until - dt.timedelta(days=back), usd_rate=BRL_RATE + Decimal(back) / 10000)
            for back in range(0, 16, 3)
        ),
        ignore_conflicts=True,
    )


def owner_sign_in(partner: Partner) -> SignIn:
    """The owner of the demo partner, with a new password."""
    user, sign_in = _with_new_password(*OWNER)
    Membership.objects.update_or_create(user=user, partner=partner, defaults={"role": Membership.Role.OWNER})
    return sign_in


def staff_sign_in() -> tuple[SignIn, str]:
    """A member of the integrations team with a new password and a new second factor: its secret in base32."""
    user, sign_in = _with_new_password(*TEAM, is_staff=True, is_superuser=True)
    Authenticator.objects.filter(user=user).delete()
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return sign_in, secret


def _with_new_password(email: str, name: str, **flags: bool) -> tuple[User, SignIn]:
    password = secrets.token_urlsafe(18)
    user = User.objects.filter(email=email).first() or User(email=email, name=name)
    user.is_active = True
    for flag, value in flags.items():
        setattr(user, flag, value)
    user.set_password(password)
    user.save()
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user, SignIn(email, password)


def client_with_new_secret(sandbox: Environment) -> NewSecret:
    """The one demo client; its former secret fetches no more tokens, those it fetched live on until they expire."""
    client = Client.objects.filter(environment=sandbox, name=CLIENT_NAME, revoked_at=None).order_by("pk").first()
    if client is None:
        return create_client(sandbox, name=CLIENT_NAME, actor=None)
    for surplus in client.secrets.live().order_by("-created_at")[1:]:
        revoke_secret(surplus, actor=None)
    return rotate_secret(client, actor=None, overlap=timedelta(0))
