"""The API's rate limits (contract, section 5): for one access token, and for all the tokens of one client.

The second one is there because a client may fetch as many tokens as it likes. While Valkey is away nothing is limited.
"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings

from integrations.api.authentication import Caller
from track360.limits import Limit, State, take
from track360.problems import Problem


class RateState(NamedTuple):
    """What the answer says about the limit; empty while Valkey is away."""

    state: State | None

    def headers(self) -> dict[str, str]:
        if self.state is None:
            return {}
        return {
            "RateLimit-Limit": str(self.state.limit),
            "RateLimit-Remaining": str(self.state.remaining),
            "RateLimit-Reset": str(self.state.reset_seconds),
        }


def check(caller: Caller) -> RateState:
    """Count one request of this caller; its `headers()` belong on every answer to it, whatever the status.

    Raises Problem `rate_limited`, which bears the headers itself. A refused request uses nothing of either limit.
    """
    states = take(
        (Limit("api-token", settings.API_TOKEN_LIMIT), str(caller.token_id)),
        (Limit("api-client", settings.API_CLIENT_LIMIT), str(caller.client_id)),
    )
    if states is None:
        return RateState(None)
    token, client = states
    _refuse_beyond(token, "for one access token")
    _refuse_beyond(client, "for one client")
    return RateState(token)


def _refuse_beyond(state: State, whose: str) -> None:
    if not state.allowed:
        raise Problem(
            "rate_limited",
            f"More than {state.limit} requests in 60 seconds {whose}. Try again in {state.reset_seconds} s.",
            headers={"Retry-After": str(state.reset_seconds), **RateState(state).headers()},
        )
