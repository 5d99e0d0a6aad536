"""`manage.py rotate_secrets`: what is sealed at rest comes under the first of FIELD_KEYS."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.rotation import rotate


class Command(BaseCommand):
    help = "Seal all secrets at rest under the first of FIELD_KEYS. Prints {rotated, kept}; may be run again, any time."

    def handle(self, *args: Any, **options: Any) -> None:
        found = rotate()
        self.stdout.write(json.dumps({"rotated": found.rotated, "kept": found.kept}))
        if found.lost:
            raise CommandError(
                f"{found.lost} secrets could not be opened and stay as they are: put the key that sealed them back "
                "into FIELD_KEYS, behind the first one, and run this again."
            )
