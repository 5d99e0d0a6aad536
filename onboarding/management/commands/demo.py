"""`manage.py demo`: a partner to look at, with two weeks of play, and fresh passwords."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from onboarding.demo import people
from onboarding.demo.fill import fill_once
from onboarding.demo.story import Scale


class Command(BaseCommand):
    help = "Make or refresh the demo partner. Prints addresses, passwords and a client as one JSON object."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--force", action="store_true", help="also where DEBUG is off")

    def handle(self, *args: Any, force: bool, **options: Any) -> None:
        if not settings.DEBUG and not force:
            raise CommandError("The demo is for development: it makes users with known rights. Use --force to insist.")
        new = fill_once(scale=Scale(), now=timezone.now(), stream=sys.stderr)
        partner = new.client.environment.partner
        owner = people.owner_sign_in(partner)
        staff, totp_secret = people.staff_sign_in()
        demo = {
            "url": settings.BASE_URL,
            "partner_user": {"email": owner.email, "password": owner.password},
            "staff_user": {"email": staff.email, "password": staff.password, "totp_secret": totp_secret},
            "client": {
                "client_id": new.client.client_id,
                "client_secret": new.clear,
                "environment": new.client.environment.kind,
            },
        }
        self.stdout.write(json.dumps(demo))
