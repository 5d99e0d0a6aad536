from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg2
import pytest
import redis

from track360 import embedded


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    return tmp_path / "var"


def postmaster(var: Path) -> int:
    return int((var / "postgres/postmaster.pid").read_text().split()[0])


def test_servers_live_as_long_as_their_last_user_and_keep_their_data(var: Path) -> None:
    postgres, valkey = embedded.Postgres(var), embedded.Valkey(var)
    with embedded.running(var):
        first = postmaster(var)
        with embedded.running(var):
            assert postmaster(var) == first
            redis.Redis.from_url(valkey.url).set("kept", "yes")
        assert postgres.alive()
        assert valkey.alive()
    assert not postgres.alive()
    assert not valkey.alive()
    with embedded.running(var):
        assert redis.Redis.from_url(valkey.url).get("kept") == b"yes"


def test_killed_servers_start_again(var: Path) -> None:
    with embedded.running(var):
        os.kill(postmaster(var), signal.SIGKILL)
        os.kill(int((var / "valkey/server.pid").read_text()), signal.SIGKILL)
        with embedded.running(var):
            psycopg2.connect(embedded.Postgres(var).url).close()
            assert embedded.Valkey(var).alive()


def test_servers_outlive_a_killed_user_until_the_next_one_leaves(var: Path) -> None:
    program = f"""
        import os, signal
        from pathlib import Path
        from track360 import embedded
        with embedded.running(Path({str(var)!r})):
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert embedded.Postgres(var).alive()
    with embedded.running(var):
        pass
    assert not embedded.Postgres(var).alive()


def test_pid_file_that_names_another_program_is_forgotten(var: Path) -> None:
    with embedded.running(var):
        pass
    (var / "postgres/postmaster.pid").write_text(f"{os.getpid()}\n{var}/postgres\n")
    with embedded.running(var):
        assert embedded.Postgres(var).alive()


def test_long_and_odd_paths_get_a_short_socket(var: Path) -> None:
    var = var / ("Long and 100% odd " * 8)
    with embedded.running(var):
        assert embedded.Postgres(var).alive()
        assert embedded.Valkey(var).alive()
        assert redis.Redis.from_url(embedded.Valkey(var).url).ping()


def test_named_servers_are_not_started(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/track360")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    with embedded.running(var):
        assert not var.exists()


def test_folder_that_cannot_be_written_says_so(var: Path) -> None:
    var.touch()
    with pytest.raises(embedded.Unavailable, match="into TRACK360_VAR"), embedded.running(var):
        pass
