"""`manage.py issue_credentials`: a client for a partner, its secret printed once."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.clients import DEFAULT_SCOPES, Override, create_client
from track360.models import Environment, User


class Command(BaseCommand):
    help = "Make an OAuth client. Prints {client_id, client_secret, scope}; the secret is never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partner", required=True, metavar="SLUG")
        parser.add_argument("--environment", required=True, choices=Environment.Kind.values)
        parser.add_argument("--name", required=True, help="what the client is for")
        parser.add_argument("--scope", default=" ".join(DEFAULT_SCOPES), help='default: "%(default)s"')
        parser.add_argument(
            "--override-by",
            metavar="EMAIL",
            help="member of the integrations team who allows production credentials before steps 1 to 7 are green",
        )
        parser.add_argument("--reason", help="why; goes into the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        environment = (
            Environment.objects.select_related("partner")
            .filter(partner__slug=options["partner"], kind=options["environment"])
            .first()
        )
        if environment is None:
            raise CommandError(f"There is no partner {options['partner']!r}. Make one with create_partner.")
        override = _override(options["override_by"], options["reason"])
        try:
            new = create_client(
                environment,
                name=options["name"],
                actor=override.by if override else None,
                scopes=options["scope"].split(),
                override=override,
            )
        except ValidationError as error:
            raise CommandError(_explained(error)) from None
        issued = {
            "client_id": new.client.client_id,
            "client_secret": new.clear,
            "scope": new.client.allowed_scopes,
        }
        self.stdout.write(json.dumps(issued))


def _override(email: str | None, reason: str | None) -> Override | None:
    if email is None and reason is None:
        return None
    if not email or not reason:
        raise CommandError("Give both --override-by EMAIL and --reason TEXT.")
    user = User.objects.filter(email__iexact=email, is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(f"{email} is not a member of the integrations team.")
    return Override(by=user, reason=reason)


def _explained(error: ValidationError) -> str:
    text = " ".join(error.messages)
    return f"{text} Here: --override-by EMAIL --reason TEXT." if error.code == "not_ready" else text
