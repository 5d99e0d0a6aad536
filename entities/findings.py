"""What each finding about a record means and how to mend it: one list for the docs, the request pages and the tests.

The codes are those of the contract, section 4. A warning never stops a record.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    code: str
    meaning: str
    hint: str


def _by_code(*codes: Code) -> dict[str, Code]:
    return {code.code: code for code in codes}


ERROR_CODES = _by_code(
    Code(
        "required",
        "A field that every record must have is missing or null.",
        "Send the field. Null counts as missing; an optional field may be null or left out.",
    ),
    Code(
        "type",
        "The value has the wrong JSON type.",
        'Numbers without quotes, text with quotes: 12.50, not "12.50".',
    ),
    Code("enum", "The value is not one of the allowed ones.", "Use one of the values that the message lists."),
    Code(
        "pattern",
        "The text does not have the shape that the field asks for.",
        "Country and currency codes are upper case, language codes lower case.",
    ),
    Code("min_length", "The text is empty.", "Send at least one character, or leave an optional field out."),
    Code(
        "max_length",
        "The text is too long.",
        "At most 500 characters; customer_id, transaction_id and game_type at most 128.",
    ),
    Code(
        "minimum",
        "The number is below the lowest allowed.",
        "bets_count, total_bets and wins start at 0. A day on which the player won shows as a negative ggr.",
    ),
    Code(
        "additional_property",
        "The record has a field that the schema does not know.",
        "Leave it out. Check the spelling: field names are lower case with underscores.",
    ),
    Code(
        "format",
        "The text does not have the form of a time, a day or an email address.",
        "Times need an offset: 2026-03-12T09:15:00Z. Days are 2026-03-12. An email address has one @ and a domain.",
    ),
    Code(
        "currency",
        "No such ISO 4217 currency at the time of the record.",
        "Use the three-letter code, such as EUR. Units like mBTC or points are not currencies: convert first.",
    ),
    Code("country", "No such ISO 3166-1 alpha-2 country.", "Use the two-letter code: GB, not UK."),
    Code("language", "No such ISO 639-1 language.", "Use the two-letter code: en, not en-GB."),
    Code(
        "date_time",
        "The time is not one that we accept.",
        "RFC 3339 with an offset: 2026-03-12T09:15:00Z. From 1900 to one day ahead; no second 60, no hour 24.",
    ),
    Code(
        "decimal_places",
        "An amount has more than two decimal places.",
        "Round on your side, the way your books do; we never round what you send.",
    ),
    Code(
        "significant_digits",
        "A number has more than 15 significant digits.",
        "Digits count as written, trailing zeros too. It often is a float printed in full: format it to 2 places.",
    ),
    Code(
        "range",
        "The number is too large.",
        "Amounts stay under 1,000,000,000,000,000; bets_count under 2,147,483,648.",
    ),
    Code(
        "negative_amount",
        "Only an adjustment may be negative.",
        "Send withdrawals as positive amounts; the type says which way money went. Use an adjustment for clawbacks.",
    ),
    Code(
        "sign_mismatch",
        "amount_currency and amount_usd have different signs.",
        "Both describe the same money: send both positive, or for an adjustment both negative.",
    ),
    Code(
        "identifier",
        "An id holds blanks at its ends, control characters or text that is not in Unicode NFC.",
        "Trim and normalise ids where they are made. We never change an id, or two of yours could become one.",
    ),
    Code("control_character", "The text holds a NUL character.", "Remove it; databases cannot keep it."),
    Code(
        "unknown_customer",
        "The record names a customer that this environment does not have.",
        "Send the customer first, then the transaction or activity again. Sandbox and production are separate. "
        "In a sample it is a warning, and the customers of your newest valid customer sample count as known.",
    ),
    Code(
        "duplicate_in_batch",
        "The same key stands in the batch more than once with different content.",
        "Send one version a batch. Identical copies are fine, and so are customers that differ in last_modified_date.",
    ),
    Code("too_many_records", "The array holds more than 1000 records.", "Split it: 1 to 1000 records a request."),
    Code(
        "wrong_day",
        "A row of a replaced day bears another date.",
        "All rows of the request belong to the day in its address.",
    ),
    Code(
        "wrong_customer",
        "A row of a customer's replaced day names another customer.",
        "All rows belong to the customer_id in the address; leave that out to replace the day of all customers.",
    ),
    Code("empty_batch", "The array is empty.", "Send nothing when there is nothing to send."),
)

WARNING_CODES = _by_code(
    Code(
        "unmapped_status",
        "A status value has no agreed meaning yet.",
        "The record is stored. Map the value, and the records that bear it are understood at once, old ones too.",
    ),
    Code(
        "unknown_affiliate",
        "The affiliate is not among those you registered.",
        "Register it or correct the id: without it nobody can be credited. Given only once affiliates are registered.",
    ),
    Code(
        "ggr_mismatch",
        "ggr differs from total_bets minus wins by more than 0.01.",
        "Your ggr is stored as sent. Check which of the three figures leaves something out.",
    ),
    Code(
        "fx_rate_missing",
        "There is no exchange rate for this currency and day.",
        "amount_usd stays null and is filled in when a rate comes. Or send amount_usd yourself.",
    ),
    Code(
        "late",
        "The record came later than the freshness target.",
        "See the freshness page for the targets. Backfills never get this warning.",
    ),
    Code(
        "stale",
        "A newer version of this customer is already stored; nothing was changed.",
        "Nothing to do if messages overtook each other. If it is the newer one, correct its last_modified_date.",
    ),
    Code(
        "future_date",
        "last_modified_date lies more than five minutes ahead of our clock.",
        "Check your clock and time zone. The time of receipt is used in its place to decide which version wins.",
    ),
    Code(
        "attribution_changed",
        "A stored customer now has another affiliate, campaign or click.",
        "Stored as sent. Moving a player changes who is paid: make sure that it was meant.",
    ),
    Code(
        "attribution_cleared",
        "A stored customer lost its campaign or click.",
        "A re-sent record replaces the whole old one: send every field again, not only those that changed.",
    ),
    Code(
        "amount_changed",
        "A stored transaction now has another amount.",
        "Stored as sent. To correct money that was right at the time, send an adjustment with an id of its own.",
    ),
    Code(
        "customer_changed",
        "A stored transaction now belongs to another customer.",
        "Stored as sent. Check that transaction ids are never used twice.",
    ),
    Code(
        "erased_customer",
        "The customer was erased: first_name, last_name and email were dropped, and with them all that is no field.",
        "The rest of the record counts. Take the person out of your own exports too; an erasure cannot be undone.",
    ),
    Code(
        "too_many_values",
        "More than 200 different values have been seen in a status field.",
        "Something else is probably sent there, such as a free text or an id.",
    ),
)
