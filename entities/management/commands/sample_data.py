"""Make a file of records to push."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from entities.generator import SEED, sample
from entities.models import Entity
from track360 import exact_json


class Command(BaseCommand):
    help = (
        "Print a JSON array of made-up records that can be pushed as it is. Transactions and activity are of the "
        "first customers of the same seed, whose ids the demo's sandbox knows; a bulk call takes 1000 at most."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entity", required=True, choices=[str(entity) for entity in Entity])
        parser.add_argument("--count", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=SEED)

    def handle(self, *args: Any, entity: str, count: int, seed: int, **options: Any) -> None:
        if not 1 <= count <= 1_000_000:
            raise CommandError("--count is from 1 to 1000000.")
        records = sample(entity, count, seed=seed, today=timezone.now().date())
        lines = map(exact_json.dumps, records)
        self.stdout.write("[\n " + ",\n ".join(lines) + "\n]")
