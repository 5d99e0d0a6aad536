"""Rows for tests: believable, with every field that has no natural default left to the test.

Records written here do not go through the pipeline: for tests of pages and selectors, where the row is the input.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import factory
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.utils import timezone
from factory.django import DjangoModelFactory

from entities.models import (
    Activity,
    Affiliate,
    Batch,
    BatchHour,
    Customer,
    Entity,
    QuarantinedRecord,
    RecordChange,
    RecordCounter,
    SeenStatus,
    StatusMapping,
    Transaction,
)
from integrations.connections import put_secret
from integrations.models import (
    ApiRequest,
    Client,
    ClientSecret,
    ConformanceReport,
    Connection,
    ConnectionTest,
    DayTotals,
    DoubledDay,
    Feed,
    SyncEvent,
    SyncRun,
    WebhookEndpoint,
    default_overlap,
)
from onboarding.models import Onboarding, RehearsalWindow, Sample, Scope, StepChange, StepNote, StepOverride, StepState
from track360.models import Environment, Invitation, Membership, Partner, User
from track360.sealed import seal

PASSWORD = "correct horse battery staple"
CONNECTION_SECRET = "k3y-of-the-partners-api"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DAY = dt.datetime(2026, 3, 15, 12, 10, tzinfo=dt.UTC)


class UserFactory(DjangoModelFactory[User]):
    """A person; one of the integrations team has a second factor, without which nothing opens to him."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = factory.Sequence(lambda n: f"Person {n}")

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        user = model_class.objects.create_user(*args, **kwargs)
        if user.is_staff:
            TOTP.activate(user, generate_totp_secret())
        return user


class StaffFactory(UserFactory):
    is_staff = True


class PartnerFactory(DjangoModelFactory[Partner]):
    """A partner with both its environments: `partner.environments.get(kind="sandbox")`."""

    class Meta:
        model = Partner
        skip_postgeneration_save = True

    slug = factory.Sequence(lambda n: f"partner-{n}")
    name = factory.Sequence(lambda n: f"Partner {n}")
    sandbox = factory.RelatedFactory("tests.factories.EnvironmentFactory", "partner", kind="sandbox")
    production = factory.RelatedFactory("tests.factories.EnvironmentFactory", "partner", kind="production")


class EnvironmentFactory(DjangoModelFactory[Environment]):
    class Meta:
        model = Environment

    partner = factory.SubFactory(PartnerFactory, sandbox=None, production=None)
    kind = "sandbox"


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    partner = factory.SubFactory(PartnerFactory)
    role = Membership.Role.DEVELOPER


class InvitationFactory(DjangoModelFactory[Invitation]):
    class Meta:
        model = Invitation

    partner = factory.SubFactory(PartnerFactory)
    email = factory.Sequence(lambda n: f"invited{n}@example.com")
    role = "developer"
    digest = factory.LazyFunction(lambda: uuid.uuid4().hex * 2)
    invited_by = factory.SubFactory(UserFactory)
    expires_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(days=7))


class ClientFactory(DjangoModelFactory[Client]):
    class Meta:
        model = Client

    environment = factory.SubFactory(EnvironmentFactory)
    name = "Platform"
    client_type = Client.CLIENT_CONFIDENTIAL
    authorization_grant_type = Client.GRANT_CLIENT_CREDENTIALS


class ClientSecretFactory(DjangoModelFactory[ClientSecret]):
    class Meta:
        model = ClientSecret

    client = factory.SubFactory(ClientFactory)
    digest = factory.LazyFunction(lambda: uuid.uuid4().hex * 2)
    last_four = "a1b2"


class BatchFactory(DjangoModelFactory[Batch]):
    class Meta:
        model = Batch

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.TRANSACTIONS
    door = Batch.Door.PUSH
    request_id = factory.LazyFunction(uuid.uuid4)
    started_at = factory.LazyFunction(timezone.now)
    finished_at = factory.SelfAttribute("started_at")
    received = 1
    created = 1


class BatchHourFactory(DjangoModelFactory[BatchHour]):
    class Meta:
        model = BatchHour

    environment = factory.SubFactory(EnvironmentFactory)
    hour = factory.LazyFunction(lambda: timezone.now().replace(minute=0, second=0, microsecond=0))
    entity = Entity.TRANSACTIONS
    door = Batch.Door.PUSH
    upto = factory.LazyAttribute(lambda made: made.hour + dt.timedelta(hours=1))
    records = created = 1
    refused = updated = unchanged = late = 0
    lags = factory.LazyFunction(lambda: [1] + [0] * 11)
    partner_seconds = own_seconds = 1.0


class CustomerFactory(DjangoModelFactory[Customer]):
    class Meta:
        model = Customer

    environment = factory.SubFactory(EnvironmentFactory)
    customer_id = factory.Sequence(lambda n: f"cst_{100000 + n}")
    signup_date = DAY
    last_modified_date = DAY
    affiliate_id = "aff_204"
    campaign_id = "cmp_981"
    click_id = "clk_abc123"
    lang_id = "en"
    country_code = "GB"
    kyc_status_id = "approved"
    sales_status_id = "qualified"
    first_name = "John"
    last_name = "Dorian"
    email = "john.dorian@example.com"
    received_at = DAY
    updated_at = DAY
    source = "push"


class TransactionFactory(DjangoModelFactory[Transaction]):
    class Meta:
        model = Transaction

    environment = factory.SubFactory(EnvironmentFactory)
    transaction_id = factory.Sequence(lambda n: f"txn_{880000 + n}")
    customer_id = "cst_100245"
    transaction_type = "deposit"
    transaction_subtype = "card"
    amount_currency = Decimal("1500.10")
    currency = "EUR"
    transaction_date = DAY
    status = "approved"
    note = "first approved deposit"
    amount_usd = Decimal("1630.46")
    fx_source = "ecb"
    fx_rate = Decimal("1.0869")
    fx_rate_date = dt.date(2026, 3, 13)
    received_at = DAY
    updated_at = DAY
    source = "push"


class ActivityFactory(DjangoModelFactory[Activity]):
    class Meta:
        model = Activity

    environment = factory.SubFactory(EnvironmentFactory)
    date = factory.Sequence(lambda n: dt.date(2026, 3, 15) - dt.timedelta(days=n % 900))
    customer_id = "cst_100245"
    game_type = "slots"
    currency = "EUR"
    bets_count = 48
    total_bets = Decimal("920.50")
    wins = Decimal("815.25")
    ggr = Decimal("105.25")
    ggr_source = "computed"
    ngr = Decimal("97.40")
    received_at = DAY
    updated_at = DAY
    source = "push"


class RecordCounterFactory(DjangoModelFactory[RecordCounter]):
    class Meta:
        model = RecordCounter

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.CUSTOMERS
    slot = 0
    count = 1


class RecordChangeFactory(DjangoModelFactory[RecordChange]):
    class Meta:
        model = RecordChange

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.CUSTOMERS
    record_id = 1
    changed_at = DAY
    batch_id = factory.LazyFunction(uuid.uuid4)
    old = factory.LazyFunction(dict)


class QuarantinedRecordFactory(DjangoModelFactory[QuarantinedRecord]):
    class Meta:
        model = QuarantinedRecord

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.CUSTOMERS
    batch_id = factory.LazyFunction(uuid.uuid4)
    index = 3
    received_at = factory.LazyFunction(timezone.now)
    key = "cst_7"
    code = "country"
    field = "country_code"
    payload = factory.LazyFunction(
        lambda: {
            "customer_id": "cst_7",
            "signup_date": "2026-03-12T09:15:00Z",
            "affiliate_id": "aff_204",
            "country_code": "ZZ",
            "first_name": "Elliot",
            "email": "elliot@example.com",
        }
    )
    errors = factory.LazyFunction(
        lambda: [
            {
                "index": 3,
                "pointer": "/3/country_code",
                "field": "country_code",
                "code": "country",
                "message": "ZZ is not an ISO 3166-1 alpha-2 country code",
                "value": "ZZ",
            }
        ]
    )


class SeenStatusFactory(DjangoModelFactory[SeenStatus]):
    class Meta:
        model = SeenStatus

    environment = factory.SubFactory(EnvironmentFactory)
    field = "kyc_status_id"
    raw_value = "approved"


class StatusMappingFactory(DjangoModelFactory[StatusMapping]):
    class Meta:
        model = StatusMapping

    partner = factory.SubFactory(PartnerFactory)
    field = "kyc_status_id"
    raw_value = "approved"
    canonical_value = "approved"


class AffiliateFactory(DjangoModelFactory[Affiliate]):
    class Meta:
        model = Affiliate

    partner = factory.SubFactory(PartnerFactory)
    affiliate_id = "aff_204"
    name = "Best Odds"


class ApiRequestFactory(DjangoModelFactory[ApiRequest]):
    class Meta:
        model = ApiRequest

    id = factory.LazyFunction(uuid.uuid4)
    at = factory.LazyFunction(timezone.now)
    environment = factory.SubFactory(EnvironmentFactory)
    client_id = "client"
    token_last_four = "f00d"
    method = "POST"
    path = "/api/v1/igaming/customers/bulk"
    entity = Entity.CUSTOMERS
    status = 200
    duration_ms = 41
    request_bytes = 1200
    ip = "192.0.2.7"
    user_agent = "curl/8.5.0"
    received = 1


class DayTotalsFactory(DjangoModelFactory[DayTotals]):
    """What the partner says of a day: that it was empty."""

    class Meta:
        model = DayTotals

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.TRANSACTIONS
    day = DAY.date()
    side = DayTotals.Side.PARTNER
    origin = DayTotals.Origin.API
    lines = factory.LazyFunction(list)


class DoubledDayFactory(DjangoModelFactory[DoubledDay]):
    class Meta:
        model = DoubledDay

    environment = factory.SubFactory(EnvironmentFactory)
    earlier = factory.SubFactory(DayTotalsFactory, environment=factory.SelfAttribute("..environment"))
    later = factory.SubFactory(DayTotalsFactory, environment=factory.SelfAttribute("..environment"))
    entity = Entity.TRANSACTIONS
    day = DAY.date()
    currency = "EUR"
    type = "deposit"


class WebhookEndpointFactory(DjangoModelFactory[WebhookEndpoint]):
    """Its secret is `WEBHOOK_SECRET`."""

    class Meta:
        model = WebhookEndpoint

    id = factory.LazyFunction(uuid.uuid4)
    partner = factory.SubFactory(PartnerFactory)
    url = factory.Sequence(lambda n: f"https://hooks{n}.example.com/track360")
    sealed_secret = factory.LazyAttribute(lambda row: seal(WEBHOOK_SECRET, purpose=f"webhook secret:{row.id}"))


class ConnectionFactory(DjangoModelFactory[Connection]):
    """A REST API that passed its test and is on; `ConnectionFactory(is_sql=True)` is a PostgreSQL server."""

    class Meta:
        model = Connection

    class Params:
        is_sql = factory.Trait(
            kind=Connection.Kind.POSTGRESQL,
            base_url="",
            auth=Connection.Auth.NONE,
            auth_header="",
            host="db.casino.example",
            port=5432,
            database="dwh",
            user="track360",
        )

    id = factory.LazyFunction(uuid.uuid4)
    environment = factory.SubFactory(EnvironmentFactory)
    name = factory.Sequence(lambda n: f"Platform {n}")
    kind = Connection.Kind.REST
    base_url = "https://api.casino.example/v2"
    auth = Connection.Auth.HEADER
    auth_header = "X-Api-Key"
    secret = CONNECTION_SECRET
    is_on = True
    passed_at = factory.LazyFunction(timezone.now)

    @classmethod
    def _build(cls, model_class: type[Connection], *args: Any, **kwargs: Any) -> Connection:
        secret = kwargs.pop("secret")
        connection = model_class(**kwargs)
        put_secret(connection, secret)
        return connection

    @classmethod
    def _create(cls, model_class: type[Connection], *args: Any, **kwargs: Any) -> Connection:
        connection = cls._build(model_class, *args, **kwargs)
        connection.save(force_insert=True)
        return connection


class FeedFactory(DjangoModelFactory[Feed]):
    """Transactions every 15 minutes over REST, tested and on: `FeedFactory(connection__environment=…)`."""

    class Meta:
        model = Feed

    connection = factory.SubFactory(ConnectionFactory)
    environment = factory.SelfAttribute("connection.environment")
    entity = Entity.TRANSACTIONS
    path = "/transactions"
    query = factory.LazyFunction(lambda: {"updated_from": "{since}", "updated_to": "{until}"})
    records_at = "/data"
    paging = Feed.Paging.PAGE
    paging_options = factory.LazyFunction(lambda: {"page_parameter": "page", "size_parameter": "per_page"})
    every_minutes = 15
    overlap = factory.LazyAttribute(lambda feed: default_overlap(feed.entity))
    cursor = "2026-03-15T12:00:00Z"
    cursor_moved_at = factory.LazyFunction(timezone.now)
    is_on = True
    passed_at = factory.LazyFunction(timezone.now)
    next_run_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(minutes=15))


class ConnectionTestFactory(DjangoModelFactory[ConnectionTest]):
    """One that passed."""

    class Meta:
        model = ConnectionTest

    connection = factory.SubFactory(ConnectionFactory)
    environment = factory.SelfAttribute("connection.environment")
    state = ConnectionTest.State.PASSED
    finished_at = factory.LazyFunction(timezone.now)


class RunFactory(DjangoModelFactory[SyncRun]):
    """A run that went well a moment ago; `RunFactory(state="running")` is one that a worker holds."""

    class Meta:
        model = SyncRun

    class Params:
        is_running = factory.LazyAttribute(lambda run: run.state == SyncRun.State.RUNNING)
        is_closed = factory.LazyAttribute(lambda run: run.state not in SyncRun.OPEN)

    feed = factory.SubFactory(FeedFactory)
    environment = factory.SelfAttribute("feed.environment")
    entity = factory.SelfAttribute("feed.entity")
    state = SyncRun.State.DONE
    due_at = factory.LazyFunction(timezone.now)
    started_at = factory.LazyAttribute(lambda run: None if run.state == SyncRun.State.DUE else run.due_at)
    finished_at = factory.LazyAttribute(lambda run: run.due_at + dt.timedelta(seconds=4) if run.is_closed else None)
    since = "2026-03-15T11:45:00Z"
    cursor_before = "2026-03-15T12:00:00Z"
    cursor_after = factory.LazyAttribute(lambda run: "2026-03-15T12:15:00Z" if run.state == SyncRun.State.DONE else "")
    lease_token = factory.LazyAttribute(lambda run: uuid.uuid4() if run.is_running else None)
    lease_until = factory.LazyAttribute(
        lambda run: timezone.now() + dt.timedelta(minutes=1) if run.is_running else None
    )
    pages = 1
    read = 120
    created = 100
    updated = 12
    unchanged = 8
    busy_seconds = 4.0


class SyncEventFactory(DjangoModelFactory[SyncEvent]):
    """A request that was answered."""

    class Meta:
        model = SyncEvent

    run = factory.SubFactory(RunFactory)
    kind = SyncEvent.Kind.CALL
    url = "https://api.casino.example/v2/transactions?page=1&per_page=1000"
    status = 200
    duration_ms = 182
    size = 48_211
    records = 120


class ReportFactory(DjangoModelFactory[ConformanceReport]):
    """One that has found a window that is not half-open, and could not judge one rule."""

    class Meta:
        model = ConformanceReport

    feed = factory.SubFactory(FeedFactory)
    environment = factory.SelfAttribute("feed.environment")
    state = ConformanceReport.State.DONE
    started_at = factory.LazyFunction(timezone.now)
    finished_at = factory.LazyFunction(timezone.now)
    checks = factory.LazyFunction(
        lambda: [
            {
                "code": code,
                "title": title,
                "verdict": verdict,
                "detail": detail,
                "calls": [
                    {
                        "url": "https://api.casino.example/v2/transactions?updated_from=2026-03-15T12:00:00Z&page=1",
                        "status": 200,
                        "ms": 182,
                        "records": 120,
                        "problem": "",
                    }
                ]
                * calls,
            }
            for code, title, verdict, detail, calls in (
                ("reached", "Reached, signed in and read", "pass", "It let us in and gave a page in 182 ms.", 2),
                ("window", "The window is half-open", "fail", "4 records came in both. until must exclude it.", 3),
                ("deep", "Deep pages answer as the first do", "warn", "It grows slower with depth.", 1),
                ("limits", "429 says when to come back", "skip", "No 429 came in 6 calls.", 0),
            )
        ]
    )


class SampleFactory(DjangoModelFactory[Sample]):
    """A checked sample of one sound record; its chunk is left to the test."""

    class Meta:
        model = Sample

    environment = factory.SubFactory(EnvironmentFactory)
    entity = Entity.CUSTOMERS
    origin = Sample.Origin.PASTE
    format = Sample.Format.JSON
    size = 2
    body = b""
    state = Sample.State.DONE
    finished_at = factory.LazyFunction(timezone.now)
    total = 1
    checked = 1


# What `checklist.compute` leaves for the team's board.
BOARD_FIGURES = (
    "phase",
    "done",
    "next_step",
    "waiting_for",
    "days_over_plan",
    "last_traffic_at",
    "received_24h",
    "refused_24h",
    "unmapped",
    "unknown_affiliates",
    "secrets_expiring",
)


class OnboardingFactory(DjangoModelFactory[Onboarding]):
    """A partner whose steps were computed: `OnboardingFactory(done=5)` alters one figure of the board."""

    class Meta:
        model = Onboarding

    class Params:
        phase = 3
        done = 3
        next_step = 4
        waiting_for = "partner"
        days_over_plan = 0
        last_traffic_at = None
        received_24h = 0
        refused_24h = 0
        unmapped = 0
        unknown_affiliates = 0
        secrets_expiring = 0

    partner = factory.SubFactory(PartnerFactory)
    computed_at = factory.LazyFunction(timezone.now)
    figures = factory.LazyAttribute(
        lambda made: {
            name: value.isoformat() if isinstance(value := getattr(made, name), dt.datetime) else value
            for name in BOARD_FIGURES
        }
    )


class ScopeFactory(DjangoModelFactory[Scope]):
    """A version that nobody has accepted."""

    class Meta:
        model = Scope

    partner = factory.SubFactory(PartnerFactory)
    patterns = factory.LazyFunction(lambda: dict.fromkeys(Entity.values, "push"))
    contacts = factory.LazyFunction(lambda: [{"name": "Ada", "email": "ada@casino.example", "role": ""}])


class StepChangeFactory(DjangoModelFactory[StepChange]):
    class Meta:
        model = StepChange

    partner = factory.SubFactory(PartnerFactory)
    number = 3
    before = StepState.State.OPEN
    after = StepState.State.MET


class StepNoteFactory(DjangoModelFactory[StepNote]):
    """`mentioned=2` mentions two people."""

    class Meta:
        model = StepNote
        skip_postgeneration_save = True

    partner = factory.SubFactory(PartnerFactory)
    number = 3
    author = factory.SubFactory(UserFactory)
    text = "Asked our payments team."

    @factory.post_generation
    def mentioned(self: Any, create: bool, count: int | None, **kwargs: Any) -> None:
        self.mentioned.set(UserFactory.create_batch(count or 0))


class StepOverrideFactory(DjangoModelFactory[StepOverride]):
    class Meta:
        model = StepOverride

    partner = factory.SubFactory(PartnerFactory)
    number = 3
    by = factory.SubFactory(UserFactory, is_staff=True)
    reason = "Checked by hand."


class RehearsalWindowFactory(DjangoModelFactory[RehearsalWindow]):
    """One that is open."""

    class Meta:
        model = RehearsalWindow

    partner = factory.SubFactory(PartnerFactory)
    closes_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(hours=24))
