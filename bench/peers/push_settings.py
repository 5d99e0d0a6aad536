"""Django's settings for both of its peers: no middleware, connections that stay, and PEER's module of addresses."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

_dsn = urlsplit(os.environ["PEER_DSN"])
_query = {name: values[-1] for name, values in parse_qs(_dsn.query).items()}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _query.get("host", _dsn.hostname),
        "PORT": _query.get("port", _dsn.port),
        "NAME": _dsn.path.strip("/"),
        "USER": _dsn.username,
        "PASSWORD": _dsn.password or "",
        "CONN_MAX_AGE": None,
    }
}
ROOT_URLCONF = os.environ["PEER"]
SECRET_KEY = "signs nothing"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
USE_TZ = True
TIME_ZONE = "UTC"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}
