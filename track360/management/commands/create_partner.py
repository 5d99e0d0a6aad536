"""`manage.py create_partner`: a partner with its sandbox and its production environment."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from track360.models import Environment
from track360.partners import create_partner


class Command(BaseCommand):
    help = "Make a partner. Prints {partner, environments}."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--slug", default="", help="made from the name when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            partner = create_partner(name=options["name"], slug=options["slug"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(json.dumps({"partner": partner.slug, "environments": Environment.Kind.values}))
