"""Who may do what, as one table: each address of the portal with each role, each address of the API with each scope.

An address that has no line here fails the test. To add one, say who may GET and who may POST it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from integrations import clients
from tests.factories import PASSWORD, MembershipFactory, StaffFactory, UserFactory
from tests.portal import test_isolation
from track360 import people
from track360.audit import Actor
from track360.models import Environment, Partner, User

rows = test_isolation.rows  # one of everything, by what stands for it in a route

# -- The roles ------------------------------------------------------------------

# `viewing`: a member of the integrations team who views the partner as a developer, which is read only.
ANONYMOUS, STRANGER, VIEWER, DEVELOPER, OWNER, STAFF, VIEWING = ROLES = (
    "anonymous",
    "stranger",
    "viewer",
    "developer",
    "owner",
    "staff",
    "viewing",
)
EVERY = {VIEWER, DEVELOPER, OWNER, STAFF, VIEWING}
MANAGERS = {DEVELOPER, OWNER, STAFF, VIEWING}
OWNERS = {OWNER, STAFF}
TEAM = {STAFF, VIEWING}
NOBODY: set[str] = set()  # the method is not allowed


@dataclass(frozen=True)
class May:
    """Who may GET, and who may POST."""

    get: set[str]
    post: set[str]


READ = May(EVERY, EVERY)  # shows, and takes a POST for a GET
READ_ONLY = May(EVERY, NOBODY)
READ_AND_CHANGE = May(EVERY, MANAGERS)
CHANGE = May(MANAGERS, MANAGERS)  # a form on a page of its own
DO = May(NOBODY, MANAGERS)  # a button
MANAGERS_READ = May(MANAGERS, NOBODY)
OWNERS_CHANGE = May(OWNERS, OWNERS)
OWNERS_READ = May(OWNERS, NOBODY)
OWNERS_DO = May(NOBODY, OWNERS)
TEAM_CHANGES = May({STAFF}, {STAFF})
TEAM_DOES = May(NOBODY, {STAFF})

# -- The table --------------------------------------------------------------------

# Pages under /p/<partner>/<environment>/, by name.
PORTAL = {
    "overview": READ,
    "freshness": READ,
    # The walk
    "checklist": READ,
    "checklist-step": READ,
    "checklist-note": DO,
    "checklist-override": TEAM_DOES,
    "checklist-scope": May(EVERY, OWNERS),
    "checklist-scope-accept": OWNERS_DO,
    "checklist-rehearsal": READ_AND_CHANGE,
    "checklist-sign-off": OWNERS_DO,
    # Records
    "customer-list": READ,
    "customer-detail": READ,
    "transaction-list": READ,
    "transaction-detail": READ,
    "activity-list": READ,
    "activity-detail": READ,
    "quarantine-list": READ,
    "quarantine-detail": READ,
    "quarantine-download": READ,
    "quarantine-mapping": MANAGERS_READ,
    "quarantine-edit": CHANGE,
    "quarantine-replay-one": DO,
    "quarantine-drop-one": CHANGE,
    "quarantine-drop": CHANGE,
    "quarantine-replay-new": DO,
    "quarantine-replay": READ,
    "quarantine-replay-run": DO,
    "quarantine-replay-cancel": DO,
    # Credentials and requests
    "client-list": READ,
    "client-new": CHANGE,
    "client-detail": READ,
    "client-rotate": CHANGE,
    "client-revoke": CHANGE,
    "secret-revoke": CHANGE,
    "request-list": READ,
    "request-detail": READ,
    # Connections
    "connection-list": READ,
    "connection-new": CHANGE,
    "connection-new-kind": CHANGE,
    "connection-detail": READ,
    "connection-edit": CHANGE,
    "connection-secret": CHANGE,
    "connection-test": DO,
    "connection-switch": DO,
    "connection-remove": CHANGE,
    "connection-feed-new": CHANGE,
    "connection-feed-edit": CHANGE,
    "connection-feed-switch": DO,
    "connection-feed-cursor": CHANGE,
    "connection-feed-backfill": CHANGE,
    "connection-feed-remove": CHANGE,
    "conformance-new": READ_AND_CHANGE,
    "conformance-detail": READ,
    # What is fetched
    "sync-run-list": READ,
    "sync-run-now": DO,
    "sync-run-detail": READ,
    "sync-run-stop": DO,
    "sync-run-pause": DO,
    "sync-run-resume": DO,
    # Samples
    "sample-list": READ,
    "sample-new": CHANGE,
    "sample-lesson": DO,
    "sample-detail": READ,
    "sample-columns": CHANGE,
    "sample-switch": DO,
    "sample-mend": CHANGE,
    "sample-record": READ,
    "sample-refused": READ,
    # Mappings, affiliates
    "mapping-list": READ_AND_CHANGE,
    "mapping-history": READ,
    "mapping-undo": DO,
    "mapping-canonical": TEAM_DOES,
    "affiliate-list": READ_AND_CHANGE,
    "affiliate-add": DO,
    "affiliate-remove": DO,
    # Reconciliation
    "reconciliation": READ,
    "reconciliation-totals": CHANGE,
    "reconciliation-day": READ,
    "reconciliation-count": DO,
    "reconciliation-cell": READ,
    "reconciliation-download": READ,
    "reconciliation-take": DO,
    "reconciliation-leave": DO,
    "reconciliation-waive": DO,
    "reconciliation-withdraw": DO,
    "reconciliation-verdict": DO,
    # Settings, notifications
    "notification-list": READ,
    "settings": READ_ONLY,
    "settings-retention": READ_ONLY,
    "settings-reset": OWNERS_CHANGE,
    "settings-export": OWNERS_CHANGE,
    "settings-export-download": OWNERS_READ,
    "settings-close": TEAM_CHANGES,
    "settings-erasures": OWNERS_READ,
    "settings-erase": OWNERS_CHANGE,
    "settings-erasure": OWNERS_READ,
    "settings-erasure-download": OWNERS_READ,
    "settings-webhooks": CHANGE,
    "settings-webhook-new": CHANGE,
    "settings-webhook": CHANGE,
    "settings-webhook-test": CHANGE,
    "settings-webhook-switch": CHANGE,
    "settings-webhook-rotate": CHANGE,
    "settings-webhook-remove": CHANGE,
    # Docs
    "docs": READ,
    "docs-page": READ,
    "swagger": READ,
    "docs-token": DO,
    # Team and trail
    "team": READ,
    "team-invite": OWNERS_CHANGE,
    "team-invitation-send": OWNERS_DO,
    "team-invitation-revoke": OWNERS_DO,
    "team-member": OWNERS_CHANGE,
    "team-remove": OWNERS_CHANGE,
    "audit-list": MANAGERS_READ,
    "audit-export": MANAGERS_READ,
    "audit-detail": MANAGERS_READ,
}

# Where what the test has lacks something that the page asks for: not found by those who may, too.
NOT_THERE = {"quarantine-mapping", "sample-switch", "settings-export-download", "docs-token"}

# Pages of the integrations team, by name: nobody else learns that they exist.
TEAM_PAGES = {
    "partner-list": May(TEAM, TEAM),
    "partner-new": May(TEAM, TEAM),
    "partner-detail": May(TEAM, TEAM),
    "partner-suspend": May(TEAM, TEAM),
    "partner-lift": May(TEAM, TEAM),
    "staff-audit-list": May(TEAM, NOBODY),
    "staff-audit-export": May(TEAM, NOBODY),
    "staff-audit-detail": May(TEAM, NOBODY),
    "staff-reset-list": May(TEAM, TEAM),
    "staff-reset-approve": May(NOBODY, TEAM),
    "staff-reset-refuse": May(NOBODY, TEAM),
    "viewing-start": May(NOBODY, TEAM),
    "viewing-stop": May(NOBODY, TEAM),
}

# The rest, by name, or by route where there is none.
PUBLIC = {"docs", "docs-page", "swagger", "problem", "theme", "account_inactive"}
# For whoever is not signed in; sends others on.
ENTRANCE = {
    "account_login",
    "account_logout",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_authenticate",
    "mfa_login_webauthn",
}
# For every signed-in person, about himself.
OWN_ACCOUNT = {
    "home",
    "account_reauthenticate",
    "account_change_password",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_download_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_edit_webauthn",
    "session-list",
    "session-end",
    "session-end-others",
}
# Of a library and not of the portal, or for development only: nobody finds them.
NOT_OFFERED = {
    "accounts/signup/",
    "account_signup",
    "accounts/email/",
    "account_email",
    "^accounts/confirm-email/",
    "account_email_verification_sent",
    "account_confirm_email",
    "accounts/password/set/",
    "account_set_password",
    "accounts/login/code/confirm/",
    "account_confirm_login_code",
    "styleguide",
}
# Known to no session: the OAuth server and the API have their own doors, see below and tests/integrations.
NOT_PAGES = {"oauth-token", "oauth-revoke", "^oauth(?:/|$)", "oauth-metadata", "oauth-jwks", "openapi", "^api(/|$)"}
OF_A_LINK = {"invitation"}

# The API: scope by method; None where none is needed. Every other method is not allowed.
READ_RECORDS = {"GET": "read", "POST": "write"}
MANAGE, MANAGE_LIST = {"GET": "manage"}, {"GET": "manage", "POST": "manage"}
CHANGED = {"GET": "manage", "PUT": "manage", "DELETE": "manage"}
API: dict[str, dict[str, str | None]] = {
    **{f"api/v1/igaming/{entity}": dict(READ_RECORDS) for entity in ("customers", "transactions", "activity")},
    **{f"api/v1/igaming/{entity}/bulk": {"POST": "write"} for entity in ("customers", "transactions", "activity")},
    **{f"api/v1/igaming/{entity}/validate": {"POST": "write"} for entity in ("customers", "transactions", "activity")},
    **{f"api/v1/igaming/schemas/{entity}": {"GET": None} for entity in ("customers", "transactions", "activity")},
    "api/v1/igaming/customers/<path:key>": {"GET": "read"},
    "api/v1/igaming/transactions/<path:key>": {"GET": "read"},
    "api/v1/igaming/activity/days/<str:day>": {"PUT": "write"},
    "api/v1/igaming/customers/<path:key>/erase": {"GET": "read", "POST": "manage"},
    "api/v1/requests": dict(MANAGE),
    "api/v1/requests/<str:request_id>": dict(MANAGE),
    "api/v1/quarantine": dict(MANAGE),
    "api/v1/quarantine/causes": dict(MANAGE),
    "api/v1/quarantine/drop": {"POST": "manage"},
    "api/v1/quarantine/replays": dict(MANAGE_LIST),
    "api/v1/quarantine/replays/<uuid:replay_id>": dict(MANAGE),
    "api/v1/quarantine/replays/<uuid:replay_id>/run": {"POST": "manage"},
    "api/v1/quarantine/replays/<uuid:replay_id>/cancel": {"POST": "manage"},
    "api/v1/quarantine/<int:number>": {"GET": "manage", "PUT": "manage"},
    "api/v1/quarantine/<int:number>/drop": {"POST": "manage"},
    "api/v1/clients": dict(MANAGE_LIST),
    "api/v1/sync-runs": dict(MANAGE_LIST),
    "api/v1/sync-runs/<uuid:run_id>": dict(MANAGE),
    "api/v1/sync-runs/<uuid:run_id>/events": dict(MANAGE),
    "api/v1/sync-runs/<uuid:run_id>/stop": {"POST": "manage"},
    "api/v1/sync-runs/<uuid:run_id>/pause": {"POST": "manage"},
    "api/v1/sync-runs/<uuid:run_id>/resume": {"POST": "manage"},
    "api/v1/partner": dict(MANAGE),
    "api/v1/checklist": dict(MANAGE),
    "api/v1/freshness": dict(MANAGE),
    "api/v1/checklist/scope": {"GET": "manage", "PUT": "manage"},
    "api/v1/checklist/scope/accept": {"POST": "manage"},
    "api/v1/checklist/rehearsal": {"POST": "manage"},
    "api/v1/checklist/steps/<int:number>/notes": dict(MANAGE_LIST),
    "api/v1/mappings": {"GET": "manage", "PUT": "manage", "DELETE": "manage"},
    "api/v1/mappings/changes": dict(MANAGE),
    "api/v1/mappings/changes/<uuid:change_id>/undo": {"POST": "manage"},
    "api/v1/affiliates": {"GET": "manage", "POST": "manage", "PUT": "manage"},
    "api/v1/affiliates/unknown": {"GET": "manage", "DELETE": "manage"},  # an affiliate of that name, too
    "api/v1/affiliates/<path:affiliate_id>": {"DELETE": "manage"},
    "api/v1/reconciliation": dict(MANAGE),
    "api/v1/reconciliation/<str:entity>/count": {"POST": "manage"},
    "api/v1/reconciliation/doubled/<int:number>": {"POST": "manage"},
    "api/v1/reconciliation/<str:entity>/days/<str:date>": {"GET": "manage", "PUT": "manage"},
    "api/v1/reconciliation/<str:entity>/days/<str:date>/differences": dict(MANAGE),
    "api/v1/reconciliation/<str:entity>/days/<str:date>/differences/waive": {"POST": "manage"},
    "api/v1/reconciliation/<str:entity>/days/<str:date>/take": {"POST": "manage"},
    "api/v1/reconciliation/<str:entity>/days/<str:date>/waive": {"POST": "manage", "DELETE": "manage"},
    "api/v1/samples": dict(MANAGE_LIST),
    "api/v1/samples/<str:sample_id>": dict(MANAGE),
    "api/v1/samples/<str:sample_id>/refused": dict(MANAGE),
    "api/v1/connections": dict(MANAGE_LIST),
    "api/v1/connections/<uuid:connection_id>": dict(CHANGED),
    "api/v1/connections/<uuid:connection_id>/secret": {"PUT": "manage"},
    "api/v1/connections/<uuid:connection_id>/switch": {"POST": "manage"},
    "api/v1/connections/<uuid:connection_id>/test": dict(MANAGE_LIST),
    "api/v1/connections/<uuid:connection_id>/feeds": dict(MANAGE_LIST),
    "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>": dict(CHANGED),
    "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>/switch": {"POST": "manage"},
    "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>/cursor": {"PUT": "manage"},
    "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>/conformance": dict(MANAGE_LIST),
    "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>/conformance/<uuid:report_id>": {"GET": "manage"},
    "api/v1/clients/<str:client_id>": {"GET": "manage", "DELETE": "manage"},
    "api/v1/clients/<str:client_id>/rotate": {"POST": "manage"},
    "api/v1/clients/<str:client_id>/secrets/<uuid:secret_id>": {"DELETE": "manage"},
}

# -- The walk ---------------------------------------------------------------------


def routes(patterns: list[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Route and name of every address but those of the admin."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.name or ""


def is_portal(route: str) -> bool:
    return route.startswith(test_isolation.PORTAL)


def is_of_the_team(route: str) -> bool:
    return route.startswith(("staff/", "partners/"))


def outcome(response: HttpResponse) -> str:
    """`in`, or how somebody was kept out."""
    status = response.status_code
    assert status < 500
    if status == 302 and response["Location"].startswith(("/accounts/login/", "/admin/login/")):
        return "sign in"
    return {403: "refused", 404: "not found", 405: "no such method"}.get(status, "in")


@pytest.fixture
def people_of_all_roles(partner: Partner, sandbox: Environment, sign_in: Any) -> dict[str, Client]:
    found = {
        role: sign_in(MembershipFactory(partner=partner, role=role, user__password=PASSWORD).user)
        for role in (VIEWER, DEVELOPER, OWNER)
    }
    MembershipFactory(partner=partner, role=OWNER)  # so that nobody is the last one
    found[ANONYMOUS] = Client()
    found[STRANGER] = sign_in(MembershipFactory(role=OWNER, user__password=PASSWORD).user)
    found[STAFF] = sign_in(StaffFactory(password=PASSWORD))
    found[VIEWING] = sign_in(StaffFactory(password=PASSWORD))
    started = found[VIEWING].post(reverse("viewing-start", args=[partner.slug]), {"role": DEVELOPER})
    assert started.status_code == 302
    return found


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """What happens inside is taken back, signing out too."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    client.cookies.clear()
    client.cookies.update(cookies)


def outcomes(client: Client, address: str) -> tuple[str, str]:
    """Of GET and of an empty POST; neither changes anything."""
    found = []
    for send in (client.get, client.post):
        with undone(client):
            found.append(outcome(send(address)))
    return found[0], found[1]


def expected_in_the_portal(role: str, may: May) -> tuple[set[str], set[str]]:
    """What GET and POST may come to. A method that nobody may use is refused to some by their role first."""
    if role == ANONYMOUS:
        return {"sign in"}, {"sign in"}
    if role == STRANGER:
        return {"not found"}, {"not found"}
    get, post = (
        {"in"} if role in allowed else {"refused"} if allowed else {"refused", "no such method"}
        for allowed in (may.get, may.post)
    )
    return get, {"refused"} if role == VIEWING else post


def test_every_page_of_a_partner_opens_to_the_roles_of_the_table(
    people_of_all_roles: dict[str, Client], rows: dict[str, object]
):
    names = {route: name for route, name in routes() if is_portal(route)}
    assert set(names.values()) == set(PORTAL), "a line is missing in PORTAL, or one too many"
    wrong = []
    for route, address in zip(names, test_isolation.addresses(rows, slug="aurora-casino", kind="sandbox"), strict=True):
        for role, client in people_of_all_roles.items():
            wanted = expected_in_the_portal(role, PORTAL[names[route]])
            for method, found, allowed in zip(("GET", "POST"), outcomes(client, address), wanted, strict=True):
                if found == "not found" and role != STRANGER and names[route] in NOT_THERE:
                    found = "in"
                if found not in allowed:
                    wrong.append(f"{names[route]}: {method} by {role}: {found}, wanted {' or '.join(sorted(allowed))}")
    assert not wrong, "\n".join(wrong)


def filled_in(route: str, partner: Partner) -> str:
    """Something that fits for each part; for the partner's slug his own."""
    address = route.replace("<slug:slug>", partner.slug)
    address = re.sub(r"<uuid:\w+>", str(uuid4()), address)
    address = re.sub(r"<int:\w+>", "1", address)
    return "/" + re.sub(r"<\w+:\w+>", "x", address)


def test_the_pages_of_the_team_are_found_by_the_team_alone(people_of_all_roles: dict[str, Client], partner: Partner):
    names = {route: name for route, name in routes() if is_of_the_team(route)}
    assert set(names.values()) == set(TEAM_PAGES), "a line is missing in TEAM_PAGES, or one too many"
    wrong = []
    for route, name in names.items():
        for role, client in people_of_all_roles.items():
            may = TEAM_PAGES[name]
            for method, found, allowed in zip(
                ("GET", "POST"), outcomes(client, filled_in(route, partner)), (may.get, may.post), strict=True
            ):
                if role == ANONYMOUS:
                    wanted = {"sign in"}
                elif role not in TEAM:
                    wanted = {"not found"}
                elif role in allowed:
                    wanted = {"in", "not found"} if "<" in route else {"in"}  # the row is made up
                else:
                    wanted = {"no such method"}
                if found not in wanted:
                    wrong.append(f"{name}: {method} by {role}: {found}, wanted {' or '.join(sorted(wanted))}")
    assert not wrong, "\n".join(wrong)


def test_every_other_page_is_public_or_a_persons_own(people_of_all_roles: dict[str, Client], partner: Partner):
    others = [
        (route, name or route)
        for route, name in routes()
        if not (is_portal(route) or is_of_the_team(route) or route.startswith("api/v1/"))
    ]
    listed = PUBLIC | ENTRANCE | OWN_ACCOUNT | NOT_OFFERED | NOT_PAGES | OF_A_LINK
    assert {name for _, name in others} == listed, "a line is missing, or one too many"
    wrong = []
    for route, name in others:
        if name in NOT_PAGES | OF_A_LINK or "^" in route:
            continue
        for role, client in people_of_all_roles.items():
            get, post = outcomes(client, filled_in(route, partner))
            if name in NOT_OFFERED:
                wanted = {"not found"}
            elif name in OWN_ACCOUNT and role == ANONYMOUS:
                wanted = {"sign in"}
            else:
                wanted = {"in", "sign in"} if name in ENTRANCE else {"in"}
            no_get = {"no such method"} if name in {"theme", "session-end", "session-end-others"} else set()
            # A page about something that is not there, such as a passkey that this person does not have.
            missing = {"not found", "refused"} if name in {"problem", "docs-page"} or name.startswith("mfa_") else set()
            if not (get in wanted | no_get | missing and post in wanted | {"no such method"} | missing):
                wrong.append(f"{name} by {role}: {get}, {post}; wanted {' or '.join(sorted(wanted))}")
    assert not wrong, "\n".join(wrong)


def test_an_invitation_opens_to_whoever_holds_the_link_and_is_not_signed_in_as_somebody_else(
    people_of_all_roles: dict[str, Client], partner: Partner
):
    _, token = people.invite(partner, email="new@aurora.example", role=VIEWER, actor=Actor(user=UserFactory()))
    for role, client in people_of_all_roles.items():
        wanted = "in" if role == ANONYMOUS else "refused"
        assert outcomes(client, f"/invitations/{token}/") == (wanted, wanted), role


def test_the_admin_opens_to_the_team_alone(people_of_all_roles: dict[str, Client]):
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]
    for address in ("/admin/", *lists):
        for role, client in people_of_all_roles.items():
            get, post = outcomes(client, address)
            assert get == post == "in" if role in TEAM else {get, post} <= {"sign in", "refused"}, (address, role)


# -- The API ----------------------------------------------------------------------

SCOPES = ("read", "write", "manage")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def token_of(environment: Environment, *scopes: str) -> str:
    new = clients.create_client(environment, name=" ".join(scopes), actor=None, scopes=scopes)
    return str(clients.issue_token(new.client, actor=User.objects.first()))


def api_outcome(method: str, address: str, token: str | None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = Client()
    with undone(client):
        response = client.generic(method, address, b"{}", content_type="application/json", headers=headers)
    assert response.status_code < 500, (method, address)
    if response.status_code in (401, 403, 405):
        return str(response.json()["code"])
    return "in"


def test_every_call_of_the_api_takes_the_scope_of_the_table(sandbox: Environment):
    StaffFactory()
    tokens: dict[str | None, str | None] = {scope: token_of(sandbox, scope) for scope in SCOPES}
    tokens[None] = None
    all_scopes = token_of(sandbox, *SCOPES)
    found_routes = {route for route, _ in routes() if route.startswith("api/v1/")}
    assert found_routes == set(API), "a line is missing in API, or one too many"
    wrong = []
    for route, calls in API.items():
        address = filled_in(route, sandbox.partner)
        for method in METHODS:
            if method not in calls:
                if (found := api_outcome(method, address, all_scopes)) != "method_not_allowed":
                    wrong.append(f"{method} {route}: {found}, wanted method_not_allowed")
                continue
            needed = calls[method]
            for scope, token in tokens.items():
                wanted = (
                    "in"
                    if needed is None or scope == needed
                    else "missing_token"
                    if scope is None
                    else "insufficient_scope"
                )
                if (found := api_outcome(method, address, token)) != wanted:
                    wrong.append(f"{method} {route} with {scope}: {found}, wanted {wanted}")
    assert not wrong, "\n".join(wrong)
