"""Settings, top to bottom: core, apps, database, sign-in, OAuth, API, work, static files, security, logging.

What differs between machines comes from the environment through `track360.env`; `.env.example` lists it all.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from track360 import admin_look, embedded, env

# -- Core ---------------------------------------------------------------------

BASE_DIR = env.BASE_DIR
VAR = env.VAR
DEBUG = env.DEBUG
BASE_URL = env.base_url()
SECRET_KEY = env.secret_key()
HTTPS = BASE_URL.startswith("https://")
HOST = urlsplit(BASE_URL).hostname or ""
# The names of this machine in development, and no others: a page from elsewhere must not read the debug pages.
ALLOWED_HOSTS = [HOST, ".localhost", "127.0.0.1", "[::1]"] if DEBUG else [HOST]
ROOT_URLCONF = "track360.urls"
WSGI_APPLICATION = "track360.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = ["track360.formats"]

# -- Apps ---------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular_sidecar",
    "django_htmx",
    "template_partials",
    "csp",
    "track360",
    "entities",
    "integrations",
    "onboarding",
]

MIDDLEWARE = [
    "track360.proxy.TrustedProxyMiddleware",
    "integrations.api.middleware.ApiMiddleware",
    "track360.health.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "track360.csp.PolicyMiddleware",
    "track360.uploads.UploadLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "track360.second_factor.SecondFactorMiddleware",
    "track360.sessions.LastSeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "track360.not_allowed.middleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.debug",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "onboarding.notification_views.notices",
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "track360.templatetags.frame",
                "track360.templatetags.ui",
            ],
        },
    },
]

FORM_RENDERER = "track360.form_renderer.QuickRenderer"

# -- Database -----------------------------------------------------------------

DATABASES = {
    "default": dj_database_url.parse(
        env.database_url(embedded.Postgres(VAR).url),
        engine="track360.postgresql",
        conn_max_age=None,
        conn_health_checks=True,
    )
}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
# Outside a transaction such a cursor belongs to the session, which a pooler in transaction mode gives to somebody else.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True

# In the database, shared by all processes and there whether Valkey is or not: what allauth counts to limit sign-in,
# and the one-time codes that have been used.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "track360_cache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# -- Sign-in ------------------------------------------------------------------

AUTH_USER_MODEL = "track360.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed password or second factor
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Track360: "
ACCOUNT_ADAPTER = "track360.access.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "track360.account_forms.LoginForm",
    "reauthenticate": "track360.account_forms.ReauthenticateForm",
    "change_password": "track360.account_forms.ChangePasswordForm",
    "reset_password": "track360.account_forms.ResetPasswordForm",
    "reset_password_from_key": "track360.account_forms.ResetPasswordKeyForm",
}
MFA_FORMS = {
    "authenticate": "track360.account_forms.AuthenticateForm",
    "reauthenticate": "track360.account_forms.ReauthenticateByCodeForm",
    "add_webauthn": "track360.passkey_forms.AddPasskeyForm",
    "edit_webauthn": "track360.passkey_forms.RenamePasskeyForm",
    "authenticate_webauthn": "track360.passkey_forms.AuthenticateByPasskeyForm",
    "reauthenticate_webauthn": "track360.passkey_forms.ReauthenticateByPasskeyForm",
    "login_webauthn": "track360.passkey_forms.SignInByPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ADAPTER = "track360.sealed.MfaAdapter"
MFA_TOTP_ISSUER = "Track360"
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("home")
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("account_login")

# -- OAuth --------------------------------------------------------------------

OAUTH_SIGNING_KEY = env.signing_key()
OAUTH2_PROVIDER_APPLICATION_MODEL = "integrations.Client"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "oauth2_provider.AccessToken"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "integrations.oauth.server.ClientCredentialsServer",
    "OAUTH2_VALIDATOR_CLASS": "integrations.oauth.server.SecretValidator",
    "OAUTH2_BACKEND_CLASS": "integrations.oauth.server.FormBackend",
    "ACCESS_TOKEN_GENERATOR": "integrations.oauth.tokens.signed_token",
    "SCOPES": {"read": "Read", "write": "Write", "manage": "Manage"},
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    # RFC 9700: a token is stored as its checksum only, and nothing but client credentials exists
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
}
TOKEN_ISSUE_LIMIT = 60  # tokens a minute for one client
TOKEN_FAILURE_LIMIT = 30  # failed token requests a minute for one client id from one address

# -- API ----------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000  # the mapping page has one for each value, up to 1,400 a status field
# Which steps stand between a partner and production credentials: asked by name, since it stands above who asks.
PRODUCTION_GATE = "onboarding.checklist.open_steps_before_production"
API_TOKEN_LIMIT = 1000  # requests in any 60 s for one access token
API_CLIENT_LIMIT = 10_000  # and for one client

# -- Work ---------------------------------------------------------------------

REDIS_URL = env.redis_url(embedded.Valkey(VAR).url)
CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: a worker that gives up has to be noticed
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A task whose worker died is given out again after this long, so it must be over twice the hard time limit.
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # A Valkey that hangs must not hold up a request.
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1}
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Fetching takes its time, and must not keep emails and checks waiting: it has workers of its own.
CELERY_TASK_ROUTES = {
    "integrations.pull": {"queue": "pulls"},
    "integrations.check_conformance": {"queue": "pulls"},
}
CELERY_BEAT_SCHEDULER = "track360.celery.ScheduleInMemory"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "clear-expired-tokens": {"task": "integrations.clear_expired_tokens", "schedule": timedelta(hours=1)},
    "refresh-fx-rates": {
        "task": "entities.refresh_fx_rates",
        "schedule": crontab(hour=16, minute=30),  # UTC; the ECB publishes at about 16:00 in Frankfurt
    },
    "roll-up-batches": {
        "task": "entities.roll_up_batches",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300},
    },
    "ring-for-replays": {"task": "entities.ring_for_replays", "schedule": timedelta(minutes=1)},
    "release-waiting": {
        "task": "entities.release_waiting",
        "schedule": timedelta(seconds=20),
        "options": {"expires": 20},
    },
    "compute-checklists": {
        "task": "onboarding.compute_checklists",
        "schedule": timedelta(seconds=20),
        "options": {"expires": 20},  # a worker that was away need not do it for each time it missed
    },
    "reconcile": {
        "task": "onboarding.reconcile",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    "ring-for-samples": {"task": "onboarding.ring_for_samples", "schedule": timedelta(minutes=1)},
    "ring-for-jobs": {"task": "onboarding.ring_for_jobs", "schedule": timedelta(minutes=1)},
    "keep-stores": {"task": "onboarding.keep_stores", "schedule": crontab(hour=2, minute=20)},
    "watch-partners": {
        "task": "onboarding.watch_partners",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    },
    # A ring that no worker heard in time is worth nothing: the next one follows.
    "send-emails": {"task": "onboarding.send_emails", "schedule": timedelta(seconds=10), "options": {"expires": 10}},
    "call-webhooks": {
        "task": "onboarding.call_webhooks",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 10},
    },
    "ring-for-tests": {"task": "integrations.ring_for_tests", "schedule": timedelta(minutes=1)},
    "ring-for-conformance": {"task": "integrations.ring_for_conformance", "schedule": timedelta(minutes=1)},
    "ring-for-runs": {
        "task": "integrations.ring_for_runs",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 15},
    },
    "keep-request-log": {"task": "integrations.keep_request_log", "schedule": crontab(hour=0, minute=5)},
}

# -- Static files -------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# In production names bear a hash of the content, so that browsers may keep the files for ever; needs collectstatic.
_STATIC_STORAGE = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if DEBUG
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
# What partners take away, such as exports: handed out by views that check who asks, never served as files.
MEDIA_ROOT = VAR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}

# -- Mail ---------------------------------------------------------------------

globals().update(env.email())
DEFAULT_FROM_EMAIL = f"Track360 <no-reply@{HOST}>"

# -- Admin --------------------------------------------------------------------

UNFOLD = admin_look.UNFOLD

# -- Security -----------------------------------------------------------------

TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")  # only their X-Forwarded-* counts
OUTBOUND_ALLOWED = env.outbound_allowed()  # beyond public addresses at 443, for integrations.outbound
FIELD_KEYS = env.field_keys()  # encrypt secrets at rest, by track360.sealed
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [
    r"^api/",
    r"^oauth/",
    r"^\.well-known/",
]  # 403 https_required: a redirect would hide the fault
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # HSTS for other hosts of the domain is not ours to say
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "track360.views.csrf_failure"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "object-src": [NONE],
        "img-src": [SELF, "data:"],
    }
}

# -- Logging ------------------------------------------------------------------

# To stderr, in production too. Of answers only the 5xx: a refusal is the caller's affair, and the request log's.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
