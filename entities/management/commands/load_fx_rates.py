"""Load the ECB's rate history that is shipped with the product."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from entities.fx import load_history, shipped_history


class Command(BaseCommand):
    help = "Store the shipped ECB rates that are not yet there. Safe to repeat; `migrate` does it once."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.write(f"{load_history(shipped_history())} rates added.")
