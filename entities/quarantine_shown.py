"""How refused records are shown: what one reader may see of them, with what is wrong and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.utils.text import Truncator

from entities.findings import ERROR_CODES
from entities.models import QuarantinedRecord
from entities.pipeline.report import PII_FIELDS
from entities.privacy import masked_payload
from entities.retries import MENDED, body_of
from track360 import exact_json
from track360.payload import Line, payload_lines

EXCERPT_LENGTH = 120
TITLE_LENGTH = 48
Json = dict[str, Any]
# What a field that is named or read wrongly in a feed looks like.
OF_A_MAPPING = {"required", "type", "additional_property", "format", "pattern", "enum", "date_time"}
MENDED_MEANS = "Somebody mended it, and nothing is wrong with it any more. Replay it."


@dataclass(frozen=True)
class QuarantineRow:
    pk: int
    title: str  # its key, cut
    entity: str
    code: str
    state: str
    received_at: Any
    message: str  # of the first error
    more_errors: int
    excerpt: str


@dataclass(frozen=True)
class Shown:
    """A refused record as one reader may see it: without `personal`, what may be a person's is dots."""

    record: QuarantinedRecord
    personal: bool

    def body(self) -> Any:
        """As it would be tried."""
        return self._masked(body_of(self.record))

    def as_sent(self) -> Any:
        return self._masked(self.record.payload)

    def _masked(self, body: Any) -> Any:
        return body if self.personal else masked_payload(self.record.entity, body)

    def lines(self) -> list[Line]:
        """As it would be tried, each error on its line. Pointers lead into the batch; here the record stands alone."""
        prefix = f"/{self.record.index}"
        return payload_lines(
            self.body(), [(error["pointer"].removeprefix(prefix), self.message(error)) for error in self.errors]
        )

    @property
    def errors(self) -> list[Json]:
        """As the API gave them (contract, section 5)."""
        return cast(list[Json], self.record.errors)

    @property
    def may_be_the_mapping(self) -> bool:
        """Whether it was fetched, and how the feed reads the fields may be what is wrong."""
        return self.record.run_id is not None and any(error["code"] in OF_A_MAPPING for error in self.errors)

    def message(self, error: Json) -> str:
        """What was said; about a personal field viewers read the rule, not a sentence that may quote the value."""
        if not self.personal and error["field"] in PII_FIELDS:
            return meaning_of(error["code"]) or "is not allowed"
        return str(error["message"])

    def sentence(self, error: Json) -> str:
        """Messages go on where the field's name ends: `lang_id must be an ISO 639-1 language code`."""
        field, message = error["field"] or "The record", self.message(error)
        return message if message.startswith(f"{field} ") else f"{field} {message}"

    def sentences(self) -> str:
        return "; ".join(self.sentence(error) for error in self.errors)

    def explained(self) -> list[Json]:
        """The errors with the rule behind each and what to do about it."""
        return [
            {
                "title": error["field"] or "The record",
                "code": error["code"],
                "message": self.message(error),
                "meaning": meaning_of(error["code"]),
                "hint": found.hint if (found := ERROR_CODES.get(error["code"])) else "",
            }
            for error in self.errors
        ]

    def row(self) -> QuarantineRow:
        record, errors = self.record, self.errors
        return QuarantineRow(
            pk=record.pk,
            title=_cut(record.key) or "without a key",
            entity=record.entity,
            code=record.code,
            state=record.state,
            received_at=record.received_at,
            message=self.sentence(errors[0]) if errors else MENDED_MEANS,
            more_errors=max(len(errors) - 1, 0),
            excerpt=exact_json.dumps(self.body())[:EXCERPT_LENGTH],
        )


def _cut(key: str) -> str:
    """At most 48 characters; Django's way of counting them is slow, and most keys are short."""
    return key if len(key) <= TITLE_LENGTH else Truncator(key).chars(TITLE_LENGTH)


def meaning_of(code: str) -> str:
    if code == MENDED:
        return MENDED_MEANS
    finding = ERROR_CODES.get(code)
    return finding.meaning if finding else ""


def records(count: int) -> str:
    return "record" if count == 1 else "records"
