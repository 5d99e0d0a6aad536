"""The product's settings with the rate limits lifted: a bench asks for more than one token may."""

from __future__ import annotations

from track360.settings import *  # noqa: F403, TID251

API_TOKEN_LIMIT = 10**9
API_CLIENT_LIMIT = 10**9
