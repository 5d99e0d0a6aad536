"""One request to a partner's API: signed in, measured, noted without its secrets, told in a sentence if it fails."""

from __future__ import annotations

import base64
import datetime as dt
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import httpx

from entities.pipeline import InvalidJson, parse_json
from integrations.connections import secret_of
from integrations.models import Connection
from integrations.outbound import Answer, OutboundError, OutboundFailed, OutboundRefused, OutboundUntrusted, Session
from integrations.pull.source import Call, Note, Party, SourceError

CALL_SECONDS = 60
MAX_BYTES = 50_000_000
MAX_TOKEN_BYTES = 100_000
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}

_SECRET_NAME = re.compile(r"key|token|secret|pass|auth|sig|credential", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;])([^=&#;]*)=([^&#;]*)")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
MASK = "***"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page as it was read: its records, the whole document and the headers."""

    records: list[Any]
    document: Any
    headers: httpx.Headers


class NotThere(SourceError):
    """404."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"There is nothing at this address of {host} (404): the path of the feed or the base URL is wrong.",
            party=Party.MAPPING,
            is_final=True,
        )
        self.host = host


class Caller:
    """Calls the API of one connection by one session."""

    def __init__(self, connection: Connection, session: Session, note: Note, *, budget_seconds: float) -> None:
        self._connection, self._session, self._note = connection, session, note
        self._seconds = max(1.0, min(CALL_SECONDS, budget_seconds))
        self._secret = secret_of(connection)
        self._token: str | None = None

    def get(self, url: str, read: Callable[[Any], list[Any]]) -> Fetched:
        """One page; `read` finds the records in its document. Raises SourceError."""
        answer, call = self._send("GET", url, headers={"accept": "application/json", **self._credentials()})
        if answer.status == 401 and self._token is not None:
            self._note(call(problem="The token is no longer accepted; fetching another."))
            self._token = None
            answer, call = self._send("GET", url, headers={"accept": "application/json", **self._credentials()})
        try:
            _require_success(answer, url)
            document = _document(answer, url)
            fetched = Fetched(read(document), document, answer.headers)
        except SourceError as error:
            self._note(call(problem=str(error)))
            raise
        self._note(call(records=len(fetched.records)))
        return fetched

    def sign_in(self) -> None:
        """Where that takes a request of its own."""
        self._credentials()

    # -- Signing in -----------------------------------------------------------

    def _credentials(self) -> dict[str, str]:
        connection, auth = self._connection, Connection.Auth
        match connection.auth:
            case auth.NONE:
                return {}
            case auth.HEADER:
                if not _HEADER_NAME.fullmatch(connection.auth_header):
                    raise _misconfigured("The name of the header that bears the key is none.")
                return {connection.auth_header: _header_value(self._secret)}
            case auth.BASIC:
                return {"authorization": f"Basic {_pair(connection.user, self._secret)}"}
            case auth.BEARER:
                return {"authorization": f"Bearer {_header_value(self._secret)}"}
            case auth.OAUTH:
                self._token = self._token or self._fetch_token()
                return {"authorization": f"Bearer {self._token}"}
        raise AssertionError(connection.auth)

    def _fetch_token(self) -> str:
        """RFC 6749, section 4.4: the client in the header as every server must take it, and where one does not, in
        the body."""
        connection = self._connection
        form = {"grant_type": "client_credentials"} | ({"scope": connection.scope} if connection.scope else {})
        pair = _pair(quote_plus(connection.user), quote_plus(self._secret))
        answer, call = self._send(
            "POST", connection.token_url, headers=FORM | {"authorization": f"Basic {pair}"}, form=form
        )
        if answer.status in (400, 401):
            self._note(call(problem="The client is not taken from the header; sending it in the body."))
            form |= {"client_id": connection.user, "client_secret": self._secret}
            answer, call = self._send("POST", connection.token_url, headers=FORM, form=form)
        try:
            token = _token_in(answer, connection.token_url)
        except SourceError as error:
            self._note(call(problem=str(error)))
            raise
        self._note(call())
        return token

    # -- The request ----------------------------------------------------------

    def _send(
        self, method: str, url: str, *, headers: dict[str, str], form: dict[str, str] | None = None
    ) -> tuple[Answer, Callable[..., Call]]:
        """The answer, and what makes the line of the log once it is known what it was worth."""
        started, at = time.monotonic(), dt.datetime.now(dt.UTC)
        shown = masked(url, self._secret)

        def call(**known: Any) -> Call:
            return Call(url=shown, at=at, duration_ms=int((time.monotonic() - started) * 1000), **known)

        try:
            answer = self._session.send(
                method,
                url,
                headers=headers,
                body=urlencode(form).encode() if form else b"",
                deadline_seconds=self._seconds,
                max_bytes=MAX_BYTES if method == "GET" else MAX_TOKEN_BYTES,
            )
        except OutboundError as error:
            self._note(call(problem=str(error)))
            raise from_outbound(error) from error
        duration = int((time.monotonic() - started) * 1000)

        def answered(**known: Any) -> Call:
            return Call(url=shown, at=at, duration_ms=duration, status=answer.status, size=len(answer.body), **known)

        return answer, answered


def masked(url: str, secret: str = "") -> str:
    """The address as it may be shown: no value of a parameter that could be a secret, and the secret itself nowhere."""
    shown = _PARAMETER.sub(lambda found: f"{found[1]}={MASK if _SECRET_NAME.search(found[1]) else found[2]}", url)
    if len(secret) > 3:
        for spelled in {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}:
            shown = shown.replace(spelled, MASK)
    return shown


def from_outbound(error: OutboundError) -> SourceError:
    """What kept us from the other side, who has to act, and whether it may be gone the next time."""
    if isinstance(error, OutboundRefused):
        return SourceError(str(error), party=Party.MAPPING, is_final=True, step="reached")
    if isinstance(error, OutboundUntrusted):
        return SourceError(str(error), is_final=True, step="tls")
    step = "read" if "answered with more than" in str(error) else "reached"
    return SourceError(str(error), step=step) if isinstance(error, OutboundFailed) else SourceError(str(error))


# -- What the answer is worth ---------------------------------------------------


def _require_success(answer: Answer, url: str) -> None:
    host, status = urlsplit(url).hostname, answer.status
    if 200 <= status < 300:
        return
    if status == 401:
        raise SourceError(
            f"{host} does not accept our credentials (401): the connection needs ones that are valid.",
            party=Party.MAPPING,
            is_final=True,
            step="signed_in",
        )
    if status == 403:
        raise SourceError(
            f"{host} knows us but does not let us read this (403): the partner has to grant it.",
            is_final=True,
            step="signed_in",
        )
    if status == 404:
        raise NotThere(host or "")
    wait = _retry_after(answer)
    if status == 429:
        asks = "asks us to slow down (429)" + ("" if wait is None else f" and to come back in {wait:,.0f} s")
        raise SourceError(f"{host} {asks}.", retry_after=wait)
    if status >= 500 or status in (408, 425):
        raise SourceError(f"{host} has a problem of its own ({status}).", retry_after=wait)
    if 300 <= status < 400:
        raise SourceError(f"{host} answers with {status} where the records should be.", is_final=True)
    raise SourceError(
        f"{host} does not understand what the feed asks for ({status}): its parameters have to be mended.",
        party=Party.MAPPING,
        is_final=True,
    )


def _retry_after(answer: Answer) -> float | None:
    """RFC 9110, section 10.2.3: seconds or a date."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())


def _document(answer: Answer, url: str) -> Any:
    host, body = urlsplit(url).hostname, answer.body
    if answer.status == 204 or not body.strip():
        if answer.status == 204:
            return None
        raise SourceError(f"{host} answered {answer.status} with nothing in it, where JSON should be.")
    try:
        return parse_json(body)
    except InvalidJson as error:
        if body.lstrip()[:1] == b"<":
            raise SourceError(
                f"{host} answered with a web page ({answer.headers.get('content-type', 'HTML')}), where JSON should be."
            ) from None
        if body[:2] == b"\x1f\x8b":
            raise SourceError(f"{host} answers packed (gzip), though it was asked not to.", is_final=True) from None
        where = "" if error.offset is None else f", at byte {error.offset:,} of {len(body):,}"
        raise SourceError(f"{host} answered with JSON that breaks off or is not in order{where}: {error}.") from None


def _token_in(answer: Answer, url: str) -> str:
    host = urlsplit(url).hostname
    if answer.status in (400, 401, 403):
        raise SourceError(
            f"{host} gives no token for our client ({answer.status}): its id, its secret or its scope is not right.",
            party=Party.MAPPING,
            is_final=True,
            step="signed_in",
        )
    try:
        _require_success(answer, url)
        document = _document(answer, url)
    except SourceError as error:
        error.step = "signed_in"
        raise
    token = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise SourceError(f"{host} answered without a token that can be used.", is_final=True, step="signed_in")
    return token


def _header_value(secret: str) -> str:
    if not secret:
        raise _misconfigured("The connection has no secret yet.")
    if not secret.isascii() or not secret.isprintable() or secret != secret.strip():
        raise _misconfigured("The secret holds characters that no header can carry, or blanks around it.")
    return secret


def _pair(user: str, secret: str) -> str:
    return base64.b64encode(f"{user}:{secret}".encode()).decode()


def _misconfigured(message: str) -> SourceError:
    return SourceError(message, party=Party.MAPPING, is_final=True, step="signed_in")
