"""The product as in production, with the rate limits lifted: a bench asks for more than one token may."""

from __future__ import annotations

from track360.settings import *  # noqa: F403, TID251

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
API_TOKEN_LIMIT = 10**9
API_CLIENT_LIMIT = 10**9
TOKEN_ISSUE_LIMIT = 10**9
ROOT_URLCONF = "bench.urls"
