"""The pages that the `type` of a problem leads to: what the error means and what to do."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entities.findings import ERROR_CODES
from track360.problems import PROBLEM_TYPES

# Meaning, remedy.
EXPLANATIONS = {
    "bad_request": (
        "The request could not be read before its body was looked at: a broken escape in the address, a host name "
        "that is none, a body shorter than its Content-Length.",
        "Look at the address and the headers as they leave your side. The same request will fail again.",
    ),
    "invalid_json": (
        "The body is empty, is not JSON, or is JSON that two readers could understand differently: duplicate keys, "
        "NaN or Infinity, numbers beyond any range, a byte order mark, invalid UTF-8, nesting deeper than 64.",
        "The detail names the byte at which reading stopped. In the portal, the request's page shows the place.",
    ),
    "missing_token": (
        "The call bears no access token. A token in the address does not count.",
        "Fetch a token at /oauth/token and send it in the header: Authorization: Bearer <token>.",
    ),
    "invalid_token": (
        "The token is not one of ours, or it, its secret, its client or the partner is no longer active.",
        "Fetch a new token. If that is refused too, look at the client under Credentials in the portal.",
    ),
    "token_expired": (
        "Access tokens live for 3600 seconds, and this one is older.",
        "Fetch a new token a minute before the old one ends, and repeat the call.",
    ),
    "insufficient_scope": (
        "The token is good, but does not allow this: reading takes the scope read, sending write, and the automation "
        "calls manage.",
        "Ask for the scope when you fetch the token. A client has only the scopes that it was created with.",
    ),
    "https_required": (
        "The call came over plain http, so your token travelled unprotected.",
        "Use the https address. Revoke the secret if the network in between is not yours.",
    ),
    "ip_not_allowed": (
        "The client has a list of addresses that may use it, and the caller's is not on it.",
        "Call from an allowed address, or change the list under Credentials.",
    ),
    "not_found": (
        "There is nothing at this address for you: it is wrong, or the record does not exist in this environment.",
        "Check the address, and whether the token is one of sandbox or of production.",
    ),
    "method_not_allowed": (
        "The address exists, but not for this method.",
        "The header Allow lists the methods.",
    ),
    "not_acceptable": (
        "The Accept header excludes JSON, and nothing else is served.",
        "Send Accept: application/json, or leave the header out.",
    ),
    "length_required": (
        "The call needs a body whose length is known beforehand; it had none, or came in chunks.",
        "Send a Content-Length header. Most clients do so when given the whole body instead of a stream.",
    ),
    "payload_too_large": (
        "The body has more than 10 MB, as sent or unpacked.",
        "Send smaller batches. 1,000 records of usual size have less than half a megabyte.",
    ),
    "unsupported_media_type": (
        "The body is not declared as JSON in UTF-8.",
        "Send Content-Type: application/json, without a charset or with charset=utf-8.",
    ),
    "unsupported_encoding": (
        "The body is packed in a way that is not accepted.",
        "Send it unpacked, or with Content-Encoding: gzip.",
    ),
    "validation_failed": (
        "The body is good JSON, but records in it break a rule. In strict handling nothing of the batch was stored.",
        "Each entry of errors names the record, the field, the rule and what to send instead. To store the good "
        "records and set the bad ones aside, send the header Prefer: handling=lenient to a bulk address.",
    ),
    "invalid_parameter": (
        "A query parameter is unknown here, given twice, or has a value that cannot be read.",
        "Each entry of errors names one parameter and what it takes. Write + as %2B in an address.",
    ),
    "invalid_cursor": (
        "A cursor is good for the list, the filters and the environment that it came from, for a day.",
        "Follow next_cursor as it is, with the same filters, or begin again without a cursor.",
    ),
    "page_too_deep": (
        "Pages by number reach to the 10,000th record.",
        "Follow meta.next_cursor: it goes to the end, at the same speed, whatever is written meanwhile.",
    ),
    "rate_limited": (
        "More than 1,000 requests in 60 seconds for one access token, or more than 10,000 a minute for one client.",
        "Wait for the seconds that Retry-After names. Send records in bulk: 1,000 of them are one request.",
    ),
    "internal_error": (
        "Something went wrong on our side, and it has been logged.",
        "Repeat the call; sending the newest version of a record again is always safe. If it fails again, tell us "
        "the request_id.",
    ),
    "unavailable": (
        "The database cannot be reached, or is too busy with the very records you sent.",
        "Send the same call again after the seconds that Retry-After names. Sending the newest version of a record "
        "twice does no harm.",
    ),
}


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    if code not in PROBLEM_TYPES:
        raise Http404("No such problem.")
    meaning, remedy = EXPLANATIONS[code]
    context = {
        "problem": PROBLEM_TYPES[code],
        "meaning": meaning,
        "remedy": remedy,
        "rules": ERROR_CODES.values() if code == "validation_failed" else (),
    }
    return render(request, "integrations/problem.html", context)
