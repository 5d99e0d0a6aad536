"""The one door for pages: from the signed-in person to the partner, the environment and the role."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.gzip import gzip_page

from track360 import mail, viewing
from track360.audit import Actor
from track360.models import Environment, Membership, Partner, User
from track360.proxy import client_ip

STAFF_ROLE = "staff"
MANAGERS = frozenset({Membership.Role.OWNER, Membership.Role.DEVELOPER, STAFF_ROLE})
OWNERS = frozenset({Membership.Role.OWNER, STAFF_ROLE})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

View = Callable[..., HttpResponse]


class AccountAdapter(DefaultAccountAdapter):
    """People are invited; nobody signs up by himself."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """As allauth does, but a mail server that is away fails no request."""
        mail.send(self.render_mail(template_prefix, email, {"email": email, **context}))


def audit_actor(request: HttpRequest) -> Actor:
    """Who does what a page asks for, as the audit trail writes it down."""
    user = request.user
    return Actor(user=user if isinstance(user, User) else None, ip=client_ip(request))


def partners_for(user: User) -> QuerySet[Partner]:
    """The partners this person may open: all of them for the integrations team, else his memberships.

    A closed partner is the integrations team's alone.
    """
    if user.is_staff:
        return Partner.objects.all()
    return Partner.objects.filter(memberships__user=user).exclude(status=Partner.Status.CLOSED)


def portal_view(*, roles: frozenset[str] | None = None, also_closed: bool = False) -> Callable[[View], View]:
    """Decorate a page under `/p/<partner_slug>/<environment_kind>/`.

    The view gets a request with `.partner`, `.environment` and `.role` instead of the two path parts.
    404 to everybody outside the partner, and to everybody but staff once it is closed; 403 where `roles` is given and
    the role is not among them, and to whoever would change something of a suspended partner's. A member of the team
    who views the partner as somebody else (`.viewing_as`) has that role, and changes nothing; each of the team's
    visits is audited. Of a closed partner nothing is changed any more, but by a page that is `also_closed`. The page
    goes out compressed: a list of 50 records is 90 kB of markup that repeats itself.
    """

    def decorate(view: View) -> View:
        @gzip_page
        @login_required
        @wraps(view)
        def inner(request: Any, *args: Any, partner_slug: str, environment_kind: str, **kwargs: Any) -> HttpResponse:
            environment, role = _entered(request.user, partner_slug, environment_kind)
            if environment is None or role is None:
                raise Http404("No such partner.")
            request.viewing_as = None
            if role == STAFF_ROLE:
                viewing.note_look(request, environment, actor=audit_actor(request))
                request.viewing_as = viewing.viewed_role(request, environment.partner)
                role = request.viewing_as or role
            if request.viewing_as and request.method not in SAFE_METHODS:
                raise PermissionDenied(viewing.READ_ONLY)
            if roles is not None and role not in roles:
                raise PermissionDenied("Your role at this partner does not allow this.")
            if request.method not in SAFE_METHODS:
                _check_may_change(environment.partner, role, also_closed=also_closed)
            request.environment = environment
            request.partner = environment.partner
            request.role = role
            request.memberships = partners_for(request.user)
            return view(request, *args, **kwargs)

        return inner

    return decorate


def _check_may_change(partner: Partner, role: str, *, also_closed: bool) -> None:
    """Raises PermissionDenied."""
    if partner.status == Partner.Status.SUSPENDED and role != STAFF_ROLE:
        raise PermissionDenied(
            "This partner is suspended: everything stays readable, nothing can be changed. "
            "The integrations team lifts it."
        )
    if partner.status == Partner.Status.CLOSED and not also_closed:
        raise PermissionDenied("This partner is closed: everything stays readable, nothing can be changed.")


def _entered(user: User, partner_slug: str, environment_kind: str) -> tuple[Environment | None, str | None]:
    """The environment with its partner, and the person's role there, by one query.

    The role is `owner`, `developer`, `viewer`, `staff`, or None for somebody who may not know that the partner exists.
    """
    role = Membership.objects.filter(user=user, partner=OuterRef("partner")).values("role")[:1]
    environment = (
        Environment.objects.select_related("partner")
        .annotate(member_role=Subquery(role))
        .filter(partner__slug=partner_slug, kind=environment_kind)
        .first()
    )
    if environment is None or user.is_staff:
        return environment, STAFF_ROLE
    is_closed = environment.partner.status == Partner.Status.CLOSED
    return environment, None if is_closed else environment.member_role


def staff_view(view: View) -> View:
    """Decorate a page of the integrations team; 404 to everybody else."""

    @gzip_page
    @login_required
    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise Http404("No such page.")
        return view(request, *args, **kwargs)

    return inner
