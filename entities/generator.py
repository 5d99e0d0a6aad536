"""Believable players, money and play from a seed: what the demo and the sample files are made of.

The same seed and end give the same records. Player number n is the same however many players there are, so a file of
customers holds the players whom a file of transactions of the same seed refers to.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, count
from typing import Any

Json = dict[str, Any]

SEED = 360
PLAYERS = 20_000
ESTABLISHED = 17_000  # players who were there before the period begins
DAYS = 14

AFFILIATES = [f"aff_{number}" for number in range(201, 241)]
UNKNOWN_AFFILIATE = "aff_977"

# Country, language, currency, share of players.
MARKETS = (
    ("GB", "en", "GBP", 22),
    ("DE", "de", "EUR", 17),
    ("SE", "sv", "SEK", 12),
    ("BR", "pt", "BRL", 12),
    ("CA", "en", "CAD", 11),
    ("FI", "fi", "EUR", 9),
    ("NO", "nb", "NOK", 6),
    ("NL", "nl", "EUR", 5),
    ("MX", "es", "USD", 4),
    ("NZ", "en", "NZD", 2),
)
# The operator's own dollar rates, rounded as operators do.
USD_RATES = {
    "USD": 1.0,
    "EUR": 1.115,
    "GBP": 1.338,
    "SEK": 0.1015,
    "BRL": 0.184,
    "CAD": 0.716,
    "NOK": 0.1082,
    "NZD": 0.5635,
}


@dataclass(frozen=True, slots=True)
class Game:
    """How a game type plays: its share of sessions, what the house keeps, the spread of one bet's result in stakes."""

    name: str
    share: float
    edge: float
    spread: float
    bets: int
    stake: float


GAMES = (
    Game("slots", 0.52, 0.042, 5.0, 160, 0.8),
    Game("live_casino", 0.17, 0.024, 1.3, 55, 6.0),
    Game("sportsbook", 0.19, 0.065, 1.2, 4, 14.0),
    Game("table_games", 0.08, 0.019, 1.2, 70, 3.5),
    Game("poker", 0.04, 0.050, 0.6, 40, 2.5),
)

# fmt: off
FIRST_NAMES = (
    "Ada", "Noah", "Elin", "Liam", "Sofia", "Mateus", "Freya", "Oscar", "Ines", "Luca", "Aino", "Hugo",
    "Clara", "Emil", "Nora", "Theo", "Maja", "Rafael",
)
LAST_NAMES = (
    "Berg", "Silva", "Smith", "Virtanen", "Jansen", "Koch", "Hansen", "Moreau", "Costa", "Walker", "Lind",
    "Novak", "Tremblay", "Ray", "Wood",
)
# fmt: on
HOURS = (3, 2, 2, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 7, 9, 11, 12, 11, 8, 5)
WEEKDAYS = (0.85, 0.82, 0.88, 0.95, 1.2, 1.35, 1.25)


@dataclass(frozen=True, slots=True)
class Player:
    """A customer record and how its owner plays: `stake` scales amounts, `weight` how often."""

    record: Json
    currency: str
    signup: dt.datetime
    stake: float
    weight: float


def utc(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def money(amount: float) -> Decimal:
    """To the cent, as a Decimal of few digits."""
    return Decimal(round(amount * 100)).scaleb(-2)


def players(seed: int, until: dt.datetime, *, number: int = PLAYERS) -> list[Player]:
    """The first `number` players, oldest first. The established ones and all but the last 200 do not depend on the
    hour of `until`, only on its day."""
    rng = random.Random(f"{seed} players")
    return [_player(rng, n, until) for n in range(1, number + 1)]


def _signup(rng: random.Random, n: int, until: dt.datetime) -> dt.datetime:
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - dt.timedelta(days=DAYS)
    jitter = rng.random()
    if n <= ESTABLISHED:
        return start - dt.timedelta(days=1 + 729 * (1 - (n - jitter) / ESTABLISHED))
    if n <= PLAYERS - 200:
        part = (n - ESTABLISHED - jitter) / (PLAYERS - 200 - ESTABLISHED)
        return start + dt.timedelta(days=part * (DAYS - 1))
    return until - dt.timedelta(hours=24 * jitter)


def _player(rng: random.Random, n: int, until: dt.datetime) -> Player:
    country, language, currency, _ = rng.choices(MARKETS, [market[3] for market in MARKETS])[0]
    signup = _signup(rng, n, until)
    changed = min(signup + dt.timedelta(minutes=rng.expovariate(1 / 90)), until)
    affiliate = AFFILIATES[min(int(rng.expovariate(0.12)), len(AFFILIATES) - 1)]
    if rng.random() < 0.002:
        affiliate = UNKNOWN_AFFILIATE
    record: Json = {
        "customer_id": f"cst_{200_000 + n}",
        "signup_date": utc(signup),
        "last_modified_date": utc(changed),
        "affiliate_id": affiliate,
        "country_code": country,
        "lang_id": language,
        "kyc_status_id": _kyc(rng, established=n <= ESTABLISHED),
        "sales_status_id": rng.choices(("new", "contacted", "qualified", "converted", "lost"), (20, 18, 27, 25, 10))[0],
    }
    if rng.random() < 0.8:
        record["campaign_id"] = f"cmp_{int(affiliate[4:]) * 4 + rng.randrange(4)}"
        record["click_id"] = f"clk_{rng.getrandbits(40):010x}"
    if rng.random() < 0.6:
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        record |= {
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}.{n}@example.com".lower(),
        }
    stake = min(rng.lognormvariate(0, 1.1), 80.0)
    return Player(record, currency, signup, stake, min(rng.paretovariate(1.2), 60.0))


def _kyc(rng: random.Random, *, established: bool) -> str:
    values = ("approved", "pending", "rejected", "expired", "not_started", "doc_requested")
    shares = (82, 6, 4, 4, 3, 1) if established else (22, 50, 3, 0, 22, 3)
    return rng.choices(values, shares)[0]


def moments(rng: random.Random, number: int, since: dt.datetime, until: dt.datetime) -> list[dt.datetime]:
    """`number` times in order, more of them in the evening and at the weekend."""
    hours = max(1, math.ceil((until - since) / dt.timedelta(hours=1)))
    starts = [since + dt.timedelta(hours=hour) for hour in range(hours)]
    weights = [HOURS[start.hour] * WEEKDAYS[start.weekday()] for start in starts]
    chosen = rng.choices(starts, weights, k=number)
    return sorted(start + (min(start + dt.timedelta(hours=1), until) - start) * rng.random() for start in chosen)


class Crowd:
    """Players to draw from, the lively ones more often."""

    def __init__(self, members: Sequence[Player]) -> None:
        self.members = members
        self.weights = list(accumulate(player.weight for player in members))

    def draw(self, rng: random.Random, moment: dt.datetime) -> Player:
        """Somebody who had signed up by then; the oldest player where luck finds nobody."""
        for _ in range(8):
            player = self.members[bisect(self.weights, rng.random() * self.weights[-1])]
            if player.signup < moment:
                return player
        return self.members[0]


TYPES = ("deposit", "withdrawal", "bonus", "adjustment", "other")
TYPE_SHARES = (61, 17, 16, 4, 2)
SUBTYPES = {
    "deposit": ("card", "card", "card", "e_wallet", "wire", "crypto"),
    "withdrawal": ("wire", "wire", "e_wallet", "crypto"),
    "bonus": ("welcome_bonus", "reload_bonus", "free_spins", "cashback"),
    "adjustment": ("chargeback", "manual_correction", "regulatory_clawback"),
    "other": ("dormancy_fee", "loyalty_points"),
}
STATUSES = ("approved", "declined", "pending", "reversed", "chargeback", "manual_review")
STATUS_SHARES = {
    "deposit": (86, 9, 3, 1, 0.5, 0.5),
    "withdrawal": (80, 4, 12, 1, 0, 3),
    "bonus": (97, 1, 1, 1, 0, 0),
    "adjustment": (96, 2, 2, 0, 0, 0),
    "other": (100, 0, 0, 0, 0, 0),
}
LADDER = (10, 10, 20, 20, 20, 25, 30, 50, 50, 75, 100, 100, 150, 200, 250, 500, 1000)


def transactions(
    rng: random.Random,
    crowd: Crowd,
    *,
    number: int,
    since: dt.datetime,
    until: dt.datetime,
    prefix: str,
) -> Iterator[Json]:
    """Money in and out in order of time; ids are `prefix` and a number from 1."""
    for n, moment in enumerate(moments(rng, number, since, until), start=1):
        player = crowd.draw(rng, moment)
        kind = rng.choices(TYPES, TYPE_SHARES)[0]
        amount = _amount(rng, player, kind)
        record: Json = {
            "transaction_id": f"{prefix}{n:06d}",
            "customer_id": player.record["customer_id"],
            "transaction_type": kind,
            "transaction_subtype": rng.choice(SUBTYPES[kind]),
            "amount_currency": amount,
            "currency": player.currency,
            "transaction_date": utc(moment),
            "status": rng.choices(STATUSES, STATUS_SHARES[kind])[0],
        }
        if rng.random() < 0.94:
            record["amount_usd"] = in_usd(amount, player.currency, moment.date())
        if kind == "adjustment":
            record["note"] = f"case {rng.randrange(10_000, 99_999)}"
        yield record


def in_usd(amount: Decimal, currency: str, day: dt.date) -> Decimal:
    """What the operator's books say in dollars: its own rate, which drifts a little from day to day."""
    drift = 1 + 0.004 * math.sin(day.toordinal() / 3) if currency != "USD" else 1
    return money(float(amount) * USD_RATES[currency] * drift)


def _amount(rng: random.Random, player: Player, kind: str) -> Decimal:
    """In the player's currency: round sums go in, odd ones come out; an adjustment may be negative."""
    in_local = 1 / USD_RATES[player.currency]
    scale = 10 ** max(0, round(math.log10(in_local)))
    if kind == "deposit":
        return Decimal(rng.choice(LADDER) * max(1, round(player.stake)) * scale)
    if kind == "bonus":
        return Decimal(rng.choice((5, 10, 10, 20, 25, 50)) * scale)
    amount = money(max(1.0, rng.lognormvariate(3.6, 0.9) * player.stake * in_local))
    return -amount if kind == "adjustment" and rng.random() < 0.6 else amount


def activity(rng: random.Random, crowd: Crowd, *, day: dt.date, number: int | None = None) -> Iterator[Json]:
    """One day's play, one row a player, game type and currency; without `number` everybody plays once."""
    end_of_day = dt.datetime.combine(day, dt.time.max, dt.UTC)
    shares = [game.share for game in GAMES]
    if number is None:
        for player in crowd.members:
            if player.signup < end_of_day:
                yield _session(rng, player, rng.choices(GAMES, shares)[0], day)
        return
    seen: set[tuple[str, str]] = set()
    while len(seen) < number:
        player, game = crowd.draw(rng, end_of_day), rng.choices(GAMES, shares)[0]
        key = (player.record["customer_id"], game.name)
        if key not in seen:
            seen.add(key)
            yield _session(rng, player, game, day)


def _session(rng: random.Random, player: Player, game: Game, day: dt.date) -> Json:
    """A heavy-tailed number of bets; the more of them, the nearer the result comes to the house edge."""
    bets = max(1, round(game.bets * rng.lognormvariate(0, 1)))
    stake = game.stake * player.stake / USD_RATES[player.currency] * rng.uniform(0.6, 1.4)
    total_bets = money(max(0.1, bets * stake))
    shape = bets / game.spread**2  # of a gamma distribution: never negative, its mean is what the house gives back
    wins = money(float(total_bets) * rng.gammavariate(shape, (1 - game.edge) / shape))
    record: Json = {
        "date": day.isoformat(),
        "customer_id": player.record["customer_id"],
        "game_type": game.name,
        "currency": player.currency,
        "bets_count": bets,
        "total_bets": total_bets,
        "wins": wins,
    }
    if rng.random() < 0.9:
        ggr = total_bets - wins
        record["ggr"] = ggr
        deductions = float(total_bets) * 0.004 + max(float(ggr), 0.0) * 0.15  # bonuses, then tax
        record["ngr"] = ggr - money(deductions)
    return record


def sample(entity: str, number: int, *, seed: int = SEED, today: dt.date) -> list[Json]:
    """`number` records to push: customers, or money or play of the first of those customers.

    Transaction ids bear the seed, so they never meet the demo's; play is of the days before the demo's.
    """
    midnight = dt.datetime.combine(today, dt.time(), dt.UTC)
    if entity == "customers":
        return [player.record for player in players(seed, midnight, number=number)]
    pool = players(seed, midnight, number=min(math.ceil(number / 5), PLAYERS))
    rng = random.Random(f"{seed} {entity}")
    if entity == "transactions":
        since = midnight - dt.timedelta(days=DAYS)
        prefix = f"txn_s{seed}_"
        return list(transactions(rng, Crowd(pool), number=number, since=since, until=midnight, prefix=prefix))
    rows: list[Json] = []
    for back in count(DAYS + 1):
        rows += activity(rng, Crowd(pool), day=today - dt.timedelta(days=back))
        if len(rows) >= number:
            return rows[:number]
    raise AssertionError("the days do not end")
