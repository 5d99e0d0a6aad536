from __future__ import annotations

import base64
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from track360 import env

KEY = base64.b64encode(b"k" * 32).decode()
ROOT = env.BASE_DIR


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(env, "DEBUG", False)
    monkeypatch.setattr(env, "VAR", tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "read", "sentence"),
    [
        ("PORT", "http", lambda: env.port("PORT", 8000), "write a port number from 1 to 65535"),
        ("PORT", "65536", lambda: env.port("PORT", 8000), "write a port number from 1 to 65535"),
        ("DEBUG", "maybe", lambda: env.flag("DEBUG", False), "write true or false"),
        ("DATABASE_URL", "mysql://host/db", lambda: env.database_url(""), "write postgresql://"),
        ("DATABASE_URL", "postgresql://host:port/db", lambda: env.database_url(""), "write postgresql://"),
        ("DATABASE_URL", "postgresql://host", lambda: env.database_url(""), "names no database"),
        ("REDIS_URL", "localhost:6379", lambda: env.redis_url(""), "write redis://"),
        ("TRACK360_BASE_URL", "portal.example.com", env.base_url, "write https://"),
        ("TRACK360_BASE_URL", "https://portal.example.com/x", env.base_url, "scheme and host only"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", lambda: env.networks("TRUSTED_PROXIES"), "write addresses or networks"),
        ("OUTBOUND_ALLOWED", "10.0.0.0/8,10.0.0.0/99", env.outbound_allowed, "write them like 127.0.0.0/8"),
        ("OUTBOUND_ALLOWED", "api.example.com", env.outbound_allowed, "write them like 127.0.0.0/8"),
        ("OUTBOUND_ALLOWED", "api.example.com:70000", env.outbound_allowed, "write them like 127.0.0.0/8"),
        ("OUTBOUND_ALLOWED", "https://api.example.com:443", env.outbound_allowed, "write them like 127.0.0.0/8"),
        ("OUTBOUND_ALLOWED", "user@api.example.com:443", env.outbound_allowed, "write them like 127.0.0.0/8"),
        ("EMAIL_URL", "mail.example.com", env.email, "write smtp://"),
        ("SECRET_KEY", "short", env.secret_key, "at least 50"),
        ("SECRET_KEY", "", env.secret_key, "SECRET_KEY is missing"),
        ("OAUTH_SIGNING_KEY", "", env.signing_key, "OAUTH_SIGNING_KEY is missing"),
        ("OAUTH_SIGNING_KEY", "no key", env.signing_key, "RSA private key"),
        ("OAUTH_SIGNING_KEY_FILE", "/nowhere", env.signing_key, "cannot be read"),
        ("FIELD_KEYS", "", env.field_keys, "FIELD_KEYS is missing"),
        ("FIELD_KEYS", "only-a-key", env.field_keys, "write NAME:KEY"),
        ("FIELD_KEYS", "name:c2hvcnQ=", env.field_keys, "write NAME:KEY"),
    ],
)
def test_bad_value_stops_the_start_with_a_sentence(monkeypatch, name, value, read, sentence) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(env.Misconfigured, match=sentence):
        read()


def test_bad_address_is_not_repeated_because_it_may_hold_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@host/db")
    with pytest.raises(env.Misconfigured) as error:
        env.database_url("")
    assert "hunter2" not in str(error.value)


def test_keys_are_read_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(env._new_signing_key())
    monkeypatch.setenv("OAUTH_SIGNING_KEY_FILE", str(tmp_path / "key"))
    assert env.signing_key().startswith("-----BEGIN PRIVATE KEY-----")


def test_signing_key_may_stand_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pem = env._new_signing_key()
    monkeypatch.setenv("OAUTH_SIGNING_KEY", pem.replace("\n", "\\n"))
    assert env.signing_key() == pem


def test_field_keys_keep_their_order_the_first_encrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELD_KEYS", f"new:{KEY}, old:{KEY}")
    assert list(env.field_keys().items()) == [("new", b"k" * 32), ("old", b"k" * 32)]


def test_development_makes_keys_once_and_keeps_them_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(env, "DEBUG", True)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: env.secret_key(), range(8)))) == 1
    assert env.signing_key() == env.signing_key()
    assert env.field_keys() == env.field_keys()
    files = list((tmp_path / "keys").iterdir())
    assert sorted(file.name for file in files) == ["field_keys", "oauth_signing_key", "secret_key"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://host:6379/3", "redis://host:6379/3"),
        ("unix:///var/valkey.sock?db=3", "redis+socket:///var/valkey.sock?virtual_host=3"),
    ],
)
def test_broker_url_spells_unix_sockets_as_celery_does(url: str, broker: str) -> None:
    assert env.broker_url(url) == broker


def test_mail_goes_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", "smtp://me%40x:p%2Fw@mail.example.com")
    mail = env.email()
    assert (mail["EMAIL_HOST_USER"], mail["EMAIL_HOST_PASSWORD"], mail["EMAIL_PORT"]) == ("me@x", "p/w", 587)
    assert mail["EMAIL_USE_TLS"] is True


@pytest.mark.parametrize(
    ("environment", "debug"),
    [({}, True), ({"DATABASE_URL": "postgresql://x/y"}, False), ({"DEBUG": "false"}, False), ({"DEBUG": "1"}, True)],
)
def test_debug_is_on_by_default_only_with_the_embedded_database(environment: dict[str, str], debug: bool) -> None:
    bare = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "DATABASE_URL"}}
    program = "from track360 import env; print(env.DEBUG)"
    answer = subprocess.run(
        [sys.executable, "-c", program], env=bare | environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == str(debug)


def test_bad_environment_ends_manage_py_with_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env=os.environ | {"REDIS_URL": "nonsense"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr == "REDIS_URL is no address that can be used; write redis://host:6379/0.\n"


def test_every_variable_stands_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in ("PORT", "TRACK360_VAR", "DATABASE_URL", "REDIS_URL", "TRACK360_BASE_URL", "SECRET_KEY"):
        assert f"{name}=" in example
    for name in ("OAUTH_SIGNING_KEY_FILE", "FIELD_KEYS", "EMAIL_URL", "TRUSTED_PROXIES", "DEBUG"):
        assert f"{name}=" in example


def test_what_may_be_called_is_read_as_networks_addresses_and_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND_ALLOWED", "127.0.0.0/8, 10.1.2.3:5050,[::1]:80 ,API.example.com:8443,")
    assert [(str(what), port) for what, port in env.outbound_allowed()] == [
        ("127.0.0.0/8", None),
        ("10.1.2.3/32", 5050),
        ("::1/128", 80),
        ("api.example.com", 8443),
    ]
    monkeypatch.delenv("OUTBOUND_ALLOWED")
    assert env.outbound_allowed() == []
