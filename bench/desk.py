"""What the team's desk costs with 500 partners: `script/bench desk`.

Server time in this process, on the bench's own servers, without the network: the whole request with session, sign-in
and compression; medians, by the clock and of this process's CPU. The partners are believable: a third live, some over
plan, some refusing, some never computed.
"""

from __future__ import annotations

import datetime as dt
import random
import statistics
import time
from typing import TYPE_CHECKING

from bench import server

if TYPE_CHECKING:
    from django.test import Client

CALLS = 60

PARTNERS = 500
PAGES = {
    "board": "/partners/",
    "list": "/partners/?view=list",
    "list, waiting for the team": "/partners/?view=list&waiting=team",
    "search": "/partners/?q=casino+4",
}


def fill() -> None:
    """500 partners; those of other benches are set aside as closed, which the desk leaves out."""
    from track360.models import Partner

    Partner.objects.update(status=Partner.Status.CLOSED)
    dice = random.Random(8)
    for number in range(PARTNERS):
        make_partner(number, dice)


def make_partner(number: int, dice: random.Random) -> None:
    from django.utils import timezone

    from onboarding.models import Onboarding
    from onboarding.steps import STEPS
    from track360.models import Partner
    from track360.partners import add_environments

    now = timezone.now()
    slug = f"casino-{number}"
    partner, is_new = Partner.objects.get_or_create(slug=slug, defaults={"name": f"Casino {number} of the North"})
    Partner.objects.filter(pk=partner.pk).update(status=Partner.Status.ACTIVE)
    if is_new:
        add_environments(partner)
    if number % 50 == 49:
        return  # never computed
    done = dice.choice([0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 8, 8, 8])
    received = dice.choice([0, 0, 900, 12_000, 400_000])
    figures = {
        "phase": STEPS[min(done, 7)].phase.number,
        "done": done,
        "next_step": done + 1 if done < 8 else None,
        "waiting_for": "nobody" if done == 8 else dice.choice(["partner"] * 5 + ["team"]),
        "days_over_plan": dice.choice([0, 0, 0, 2, 9]),
        "last_traffic_at": (now - dt.timedelta(minutes=dice.randrange(4000))).isoformat() if done > 4 else None,
        "received_24h": received,
        "refused_24h": int(received * dice.choice([0, 0, 0.002, 0.01, 0.09])),
        "unmapped": dice.choice([0, 0, 0, 3]),
        "unknown_affiliates": dice.choice([0, 0, 0, 12]),
        "secrets_expiring": dice.choice([0] * 9 + [1]),
    }
    Onboarding.objects.update_or_create(partner=partner, defaults={"computed_at": now, "figures": figures})


def measure() -> None:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.test import Client

    from track360.models import User

    fill()
    team = Client(headers={"host": "127.0.0.1", "accept-encoding": "gzip"})
    user = User.objects.filter(is_staff=True).first() or User.objects.create_user("team@bench.example", is_staff=True)
    if not Authenticator.objects.filter(user=user).exists():  # the team signs in with a second factor
        TOTP.activate(user, generate_totp_secret())
    team.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    print(f"\n{PARTNERS} partners\n{'what':<30}{'ms':>8}{'CPU ms':>8}{'kB':>8}")
    figures = {}
    for name, address in PAGES.items():
        clock, cpu, size = timed(team, address)
        figures[name.replace(",", "").replace(" ", "_")] = round(clock, 1)
        print(f"{name:<30}{clock:>8.1f}{cpu:>8.1f}{size / 1024:>8.1f}")
    print(server.machine())
    server.print_result("desk", figures)


def timed(team: Client, address: str) -> tuple[float, float, int]:
    """Medians of the calls in milliseconds, by the clock and of CPU, and the bytes of an answer."""
    clock, cpu = [], []
    for number in range(CALLS + 5):
        started, used = time.perf_counter(), time.process_time()
        response = team.get(address)
        assert response.status_code == 200, (address, response)
        if number >= 5:  # some to warm up
            clock.append((time.perf_counter() - started) * 1000)
            cpu.append((time.process_time() - used) * 1000)
    return statistics.median(clock), statistics.median(cpu), len(response.content)


if __name__ == "__main__":
    server.run(measure)
