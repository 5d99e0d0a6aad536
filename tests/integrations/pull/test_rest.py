"""A partner's API: how it is asked, how it is paged through, and what is said where it misbehaves."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from integrations.models import Feed
from integrations.pull import calls as pull_calls
from integrations.pull.opening import open_source
from integrations.pull.source import Call, Page, Party, SourceError, Window
from tests.integrations.pull.feeds import unsaved_feed
from tests.integrations.test_outbound import trust
from tests.partner_server import PartnerServer, answers, asks, certificate, drips, floods, hangs, partner_server

pytestmark = pytest.mark.usefixtures("loopback")

SECRET = "s3cret-of-the-partner"
BASIC = "Basic " + base64.b64encode(f"ada:{SECRET}".encode()).decode()
ALL = Window()


@pytest.fixture
def server() -> Iterator[PartnerServer]:
    with partner_server(keeps=True) as server:
        yield server


def transaction(number: int) -> dict[str, Any]:
    return {"transaction_id": f"T{number}", "amount_currency": number}


def feed_of(server: PartnerServer, *, secret: str = "", connection: Any = None, **values: Any) -> Feed:
    given: dict[str, Any] = {"path": "transactions", "records_at": "/data"}
    return unsaved_feed(
        connection={"kind": "rest", "base_url": f"{server.url}/v1"} | (connection or {}),
        secret=secret,
        **given | values,
    )


def read(
    feed: Feed,
    window: Window = ALL,
    position: Any = None,
    *,
    notes: list[Call] | None = None,
) -> list[Page]:
    with open_source(feed, note=(notes if notes is not None else []).append, budget_seconds=5) as source:
        return list(source.pages(window, position))


def ids(pages: list[Page]) -> list[str]:
    return [record["transaction_id"] for page in pages for record in page.records]


def parameters(call: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(call.path).query))


def pages_by(name: str, *, first: int, size: int, total: int, step: int = 1) -> Any:
    def decide(call: Any) -> tuple[int, Any]:
        number = int(parameters(call).get(name, first))
        start = (number - first) * (size if step == 1 else 1)
        return 200, {"data": [transaction(n) for n in range(total)[start : start + size]]}

    return asks(decide)


# -- Asking -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "since", "until"),
    [
        ("{%s}", "2026-03-28T23:30:00Z", "2026-03-29T12:00:00.500000Z"),
        ("{%s:date}", "2026-03-29", "2026-03-30"),
        ("{%s:unix}", "1774740600", "1774785601"),
        ("{%s:ms}", "1774740600000", "1774785600500"),
        ("[{%s}]", "[2026-03-28T23:30:00Z]", "[2026-03-29T12:00:00.500000Z]"),
    ],
)
def test_the_window_is_written_as_the_api_wants_it_and_never_grows_smaller(
    server: PartnerServer, template: str, since: str, until: str
):
    server.replies = [answers(200, b'{"data": []}')]
    query = {"from": template % "since", "to": template % "until", "sort": "id"}
    feed = feed_of(server, query=query, time_zone="Europe/Malta")
    read(feed, Window("2026-03-28T23:30:00Z", "2026-03-29T12:00:00.500000Z"))
    assert parameters(server.calls[0]) == {"from": since, "to": until, "sort": "id"}


def test_a_bound_that_the_window_does_not_have_is_not_asked_for(server: PartnerServer):
    server.replies = [answers(200, b'{"data": []}')]
    feed = feed_of(server, query={"from": "{since}", "to": "{until}", "sort": "id"})
    read(feed, Window(since="2026-03-28"))
    read(feed, Window())
    assert [parameters(call) for call in server.calls] == [
        {"from": "2026-03-28T00:00:00Z", "sort": "id"},
        {"sort": "id"},
    ]


@pytest.mark.parametrize("path", ["//evil.example/x", "@evil.example/x", "/../x", "http://evil.example/x", "x?a=1&a=2"])
def test_the_path_stands_below_the_base_url_whatever_it_looks_like(server: PartnerServer, path: str):
    server.replies = [answers(200, b'{"data": []}')]
    read(feed_of(server, path=path, query={"q": "a b&c"}))
    assert server.calls[0].path.startswith("/v1/") or path == "/../x"
    assert parse_qs(urlsplit(server.calls[0].path).query)["q"] == ["a b&c"]


def test_hundreds_of_pages_come_by_one_connection(server: PartnerServer):
    server.replies = [pages_by("page", first=1, size=2, total=400)]
    pages = read(feed_of(server, paging="page", paging_options={"page_parameter": "page"}))
    assert len(ids(pages)) == 400
    assert (len(server.calls), server.connections) == (201, 1)


def test_a_connection_that_the_server_has_closed_is_made_anew(server: PartnerServer):
    def closing(handler: Any) -> None:
        answers(200, b'{"data": [{"transaction_id": "%d"}]}' % len(server.calls))(handler)
        handler.close_connection = True  # without having said so

    server.replies = [closing, closing, closing, answers(200, b'{"data": []}')]
    assert len(read(feed_of(server, paging="page", paging_options={"page_parameter": "page"}))) == 4


# -- Signing in ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("connection", "header", "value"),
    [
        ({"auth": "none"}, "authorization", None),
        ({"auth": "header", "auth_header": "X-Api-Key"}, "x-api-key", SECRET),
        ({"auth": "bearer"}, "authorization", f"Bearer {SECRET}"),
        ({"auth": "basic", "user": "ada"}, "authorization", BASIC),
    ],
)
def test_the_secret_goes_where_the_api_wants_it(
    server: PartnerServer, connection: dict[str, str], header: str, value: str | None
):
    server.replies = [answers(200, b'{"data": []}')]
    read(feed_of(server, connection=connection, secret=SECRET))
    assert server.calls[0].headers.get(header) == value


def oauth(server: PartnerServer, decide: Callable[[Any, int], tuple[int, Any]], *, takes_basic: bool = True) -> Feed:
    """Tokens are numbered; `decide` answers a page by the call and the number of the token."""
    issued: list[int] = []

    def answer(call: Any) -> tuple[int, Any]:
        if call.path == "/token":
            form = parse_qs(call.body.decode())
            assert form["grant_type"] == ["client_credentials"]
            known = "authorization" in call.headers if takes_basic else form.get("client_secret") == [SECRET]
            if not known:
                return 401, {"error": "invalid_client"}
            issued.append(1)
            return 200, {"access_token": f"token{len(issued)}", "token_type": "bearer"}
        return decide(call, int(call.headers["authorization"].removeprefix("Bearer token")))

    server.replies = [asks(answer)]
    connection = {"auth": "oauth", "user": "client", "token_url": f"{server.url}/token", "scope": "read"}
    return feed_of(
        server, connection=connection, secret=SECRET, paging="page", paging_options={"page_parameter": "page"}
    )


def three_pages(call: Any, token: int) -> tuple[int, Any]:
    number = int(parameters(call)["page"])
    return 200, {"data": [transaction(number)] if number < 4 else []}


@pytest.mark.parametrize("takes_basic", [True, False])
def test_one_token_serves_all_pages(server: PartnerServer, takes_basic: bool):
    assert ids(read(oauth(server, three_pages, takes_basic=takes_basic))) == ["T1", "T2", "T3"]
    assert [call.path for call in server.calls].count("/token") == (1 if takes_basic else 2)


def test_a_token_that_ends_in_mid_run_is_fetched_anew_once(server: PartnerServer):
    def decide(call: Any, token: int) -> tuple[int, Any]:
        return (401, {}) if token == 1 and parameters(call)["page"] == "2" else three_pages(call, token)

    notes: list[Call] = []
    assert ids(read(oauth(server, decide), notes=notes)) == ["T1", "T2", "T3"]
    assert [note.status for note in notes] == [200, 200, 401, 200, 200, 200, 200]

    feed = oauth(server, lambda call, token: (401, {}))
    with pytest.raises(SourceError, match="does not accept our credentials") as problem:
        read(feed)
    assert problem.value.is_final


def test_a_client_that_gets_no_token_is_told_so(server: PartnerServer):
    feed = oauth(server, three_pages)
    server.replies = [answers(401, b"{}")]
    with pytest.raises(SourceError, match="gives no token for our client") as problem:
        read(feed)
    assert (problem.value.is_final, problem.value.party, problem.value.step) == (True, Party.MAPPING, "signed_in")


def test_no_secret_stands_in_what_is_noted(server: PartnerServer):
    server.replies = [answers(200, b'{"data": []}'), answers(500)]
    feed = feed_of(
        server, connection={"auth": "bearer"}, secret=SECRET, query={"api_key": "k1", "who": SECRET, "limit": "5"}
    )
    notes: list[Call] = []
    read(feed, notes=notes)
    with pytest.raises(SourceError):
        read(feed, notes=notes)
    assert [(note.status, note.records) for note in notes] == [(200, 0), (500, None)]
    assert "limit=5" in notes[0].url
    assert "api_key=***" in notes[0].url
    assert SECRET not in str(notes)
    assert "k1" not in str(notes)


# -- Paging -------------------------------------------------------------------


PAGINGS: dict[str, tuple[dict[str, Any], Any]] = {
    "page": ({"page_parameter": "p", "first_page": 0, "size_parameter": "n"}, pages_by("p", first=0, size=3, total=10)),
    "offset": ({"offset_parameter": "o"}, pages_by("o", first=0, size=3, total=10, step=3)),
}


def linked(kind: str, call: Any, url: str) -> tuple[int, Any, dict[str, str]]:
    start = int(parameters(call).get("at", 0))
    body: dict[str, Any] = {"data": [transaction(n) for n in range(10)[start : start + 3]]}
    after = start + 3
    if after >= 10:
        return 200, body | {"meta": {"next": None}}, {}
    address = f"/v1/transactions?at={after}"
    match kind:
        case "cursor":
            return 200, body | {"meta": {"next": after}}, {}
        case "next":
            return 200, body | {"meta": {"next": address if start else f"{url}{address}"}}, {}
    return 200, body, {"Link": f'<{url}{address}>; rel="next", <{url}/v1>; rel="first"'}


@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "next", "link"])
def test_every_page_comes_once_and_each_position_serves_a_new_process(server: PartnerServer, kind: str):
    if kind in PAGINGS:
        options, reply = PAGINGS[kind]
    else:
        reply = asks(lambda call: linked(kind, call, server.url))
        options = {"cursor_parameter": "at", "cursor_at": "/meta/next", "next_at": "/meta/next"}
    server.replies = [reply]
    feed = feed_of(server, paging=kind, paging_options=options, page_size=3)
    pages = read(feed)
    everything = [f"T{n}" for n in range(10)]
    assert ids(pages) == everything
    assert pages[-1].position is None
    for number, page in enumerate(pages[:-1], start=1):
        position = json.loads(json.dumps(page.position))
        assert ids(pages[:number]) + ids(read(feed, position=position)) == everything


def test_a_page_that_is_shorter_than_asked_for_is_not_taken_for_the_last(server: PartnerServer):
    server.replies = [pages_by("page", first=1, size=100, total=250)]
    feed = feed_of(server, paging="page", paging_options={"page_parameter": "page", "size_parameter": "limit"})
    assert len(ids(read(feed))) == 250
    assert parameters(server.calls[0])["limit"] == "1000"


def test_a_page_of_thousands_is_given_in_parts_that_can_be_gone_on_from(server: PartnerServer):
    server.replies = [asks(lambda call: (200, {"data": [transaction(n) for n in range(2500)]}))]
    pages = read(feed_of(server))
    assert [len(page.records) for page in pages] == [1000, 1000, 500]
    assert [page.position is None for page in pages] == [False, False, True]
    assert ids(read(feed_of(server), position=pages[1].position)) == [f"T{n}" for n in range(2000, 2500)]


def test_the_next_page_of_another_host_is_not_asked_for(server: PartnerServer):
    server.replies = [answers(200, b'{"data": [{}], "next": "https://evil.example/p2"}')]
    feed = feed_of(server, connection={"auth": "bearer"}, secret=SECRET, paging="next")
    with pytest.raises(SourceError, match="leads to another host"):
        read(feed)
    server.replies = [
        answers(200, b'{"data": [{}], "next": "https://127.0.0.1:4/v1/p2"}'),  # as if behind a proxy
        answers(200, b'{"data": [{"transaction_id": "T"}]}'),
    ]
    assert len(read(feed)) == 2
    assert server.calls[-1].path == "/v1/p2"


def test_the_highest_cursor_so_far_is_told(server: PartnerServer):
    moments = ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00.5+01:00", "2026-01-01T01:00:00Z", "no time", None]
    server.replies = [asks(lambda call: (200, {"data": [{"meta": {"at": moment}} for moment in moments]}))]
    assert read(feed_of(server, cursor_column="meta.at"))[0].reached == "2026-01-01T01:00:00.500000Z"
    assert read(feed_of(server))[0].reached is None


def test_numbers_keep_every_digit(server: PartnerServer):
    server.replies = [answers(200, b'{"data": [{"transaction_id": 7, "amount_currency": 123456789012345.67}]}')]
    (record,) = read(feed_of(server))[0].records
    assert record["transaction_id"] == "7"
    assert str(record["amount_currency"]) == "123456789012345.67"


# -- Bad sources --------------------------------------------------------------


def test_the_same_page_for_ever_is_noticed(server: PartnerServer):
    server.replies = [asks(lambda call: (200, {"data": [transaction(1)], "next": "/v1/x", "at": len(server.calls)}))]
    for paging in ("page", "offset", "cursor", "next"):
        with pytest.raises(SourceError, match="same page comes again and again") as problem:
            read(feed_of(server, paging=paging, paging_options={"cursor_at": "/at"}))
        assert (problem.value.is_final, problem.value.party) == (True, Party.MAPPING)


def test_pages_that_go_round_in_a_circle_are_noticed(server: PartnerServer):
    def decide(call: Any) -> tuple[int, Any]:
        at = int(parameters(call).get("cursor", 0))
        return 200, {"data": [transaction(at)], "next": at % 3 + 1}

    server.replies = [asks(decide)]
    with pytest.raises(SourceError, match="again and again"):
        read(feed_of(server, paging="cursor", paging_options={"cursor_at": "/next", "cursor_parameter": "cursor"}))


NO_JSON = [
    (b"<html><body>Log in</body></html>", "answered with a web page"),
    (b'{"data": [{"transaction_id": "T1"}, {"trans', "JSON that breaks off or is not in order"),
    (b"", "with nothing in it"),
    (b"\x1f\x8b\x08\x00", "packed"),
    (b'{"data": [NaN]}', "not in order"),
    (b'{"error": "database is down"}', "200 with an error inside"),
    (b'{"data": [], "errors": [{"message": "no"}]}', "200 with an error inside"),
    (b'{"message": "slow down"}', "An array of records is expected at /data, and nothing is there. .* has: message"),
    (b'{"data": {"id": 1}}', "an object is there"),
    (b'{"data": null}', "nothing is there"),
]


@pytest.mark.parametrize(("body", "sentence"), NO_JSON)
def test_an_answer_that_holds_no_records_is_a_sentence(server: PartnerServer, body: bytes, sentence: str):
    server.replies = [answers(200, body, **{"Content-Type": "text/html"})]
    notes: list[Call] = []
    with pytest.raises(SourceError, match=sentence) as problem:
        read(feed_of(server), notes=notes)
    assert [(note.status, note.problem) for note in notes] == [(200, str(problem.value))]


@pytest.mark.parametrize(
    ("status", "party", "is_final", "sentence"),
    [
        (401, Party.MAPPING, True, "does not accept our credentials"),
        (403, Party.PARTNER, True, "does not let us read"),
        (404, Party.MAPPING, True, "There is nothing at this address"),
        (400, Party.MAPPING, True, "does not understand what the feed asks for"),
        (304, Party.PARTNER, True, "answers with 304"),
        (500, Party.PARTNER, False, "a problem of its own"),
        (503, Party.PARTNER, False, "a problem of its own"),
        (429, Party.PARTNER, False, "asks us to slow down"),
    ],
)
def test_a_status_says_who_has_to_act_and_whether_trying_again_helps(
    server: PartnerServer, status: int, party: str, is_final: bool, sentence: str
):
    server.replies = [answers(status)]
    with pytest.raises(SourceError, match=sentence) as problem:
        read(feed_of(server))
    assert (problem.value.party, problem.value.is_final, problem.value.retry_after) == (party, is_final, None)


def test_a_page_behind_the_last_that_is_not_there_ends_nothing_silently(server: PartnerServer):
    server.replies = [answers(200, b'{"data": [{"transaction_id": "T1"}]}'), answers(404)]
    with pytest.raises(SourceError, match="should answer an empty page behind its last one"):
        read(feed_of(server, paging="page"))


def test_a_key_that_is_withdrawn_in_mid_run_ends_it_after_what_was_read(server: PartnerServer):
    server.replies = [answers(200, b'{"data": [{"transaction_id": "T1"}]}'), answers(401)]
    feed = feed_of(server, connection={"auth": "bearer"}, secret=SECRET, paging="page")
    with open_source(feed, note=[].append, budget_seconds=5) as source:
        pages = source.pages(Window())
        assert next(pages).position is not None
        with pytest.raises(SourceError, match="credentials"):
            next(pages)


@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait_is_taken_from_the_answer(server: PartnerServer, status: int):
    in_a_minute = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60), usegmt=True)
    waits = []
    for text in ("17", in_a_minute, "Wed, 21 Oct 2015 07:28:00 GMT", "soon"):
        server.replies = [answers(status, **{"Retry-After": text})]
        with pytest.raises(SourceError) as problem:
            read(feed_of(server))
        waits.append(problem.value.retry_after)
    assert waits[0] == 17
    assert 50 < waits[1] <= 60
    assert waits[2:] == [0, None]


def test_a_page_of_a_hundred_megabytes_is_not_read_to_its_end(server: PartnerServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_calls, "MAX_BYTES", 1_000_000)
    server.replies = [floods]
    with pytest.raises(SourceError, match="more than 1,000,000 bytes"):
        read(feed_of(server))
    assert pull_calls.MAX_BYTES < 100_000_000


@pytest.mark.parametrize("reply", [drips, hangs])
def test_whoever_drips_or_hangs_is_left_in_time(server: PartnerServer, reply: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_calls, "CALL_SECONDS", 1)
    server.replies = [reply]
    with pytest.raises(SourceError, match="did not answer in time") as problem:
        read(feed_of(server))
    assert not problem.value.is_final


def test_a_redirect_to_the_machines_own_metadata_is_refused_for_good(server: PartnerServer):
    server.replies = [answers(302, Location="https://169.254.169.254/latest/meta-data/")]
    with pytest.raises(SourceError, match="It redirects, and that is refused: 169.254.169.254") as problem:
        read(feed_of(server))
    assert (problem.value.is_final, problem.value.step) == (True, "reached")


def test_a_certificate_out_of_date_is_refused_until_somebody_has_acted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = certificate(tmp_path, days=-1)
    trust(file, monkeypatch)
    with partner_server(file) as server, pytest.raises(SourceError, match="certificate has expired") as problem:
        read(feed_of(server))
    assert (problem.value.is_final, problem.value.party, problem.value.step) == (True, Party.PARTNER, "tls")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"records_at": "data"}, "is no JSON pointer"),
        ({"connection": {"base_url": "ftp://x.example"}}, "must begin with https"),
        ({"connection": {"auth": "bearer"}}, "has no secret yet"),
        ({"connection": {"auth": "header", "auth_header": "X Key:"}, "secret": "x"}, "name of the header"),
        ({"connection": {"auth": "bearer"}, "secret": "a\nX-Other: b"}, "no header can carry"),
    ],
)
def test_what_is_set_up_wrongly_is_said_and_not_tried_again(server: PartnerServer, values: Any, sentence: str):
    with pytest.raises(SourceError, match=sentence) as problem:
        read(feed_of(server, **values))
    assert (problem.value.is_final, problem.value.party) == (True, Party.MAPPING)
    assert server.calls == []
