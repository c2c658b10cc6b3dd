"""Real Redis servers in every state in which they are of no use, each named; and those that only look strange."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import trustme

from bridge.config import Settings
from bridge.doctor_network import redis as doctor_on_redis
from bridge.errors import ConfigError
from bridge.gateway.server import free_port
from bridge.store.redis import RedisStore
from bridge.store.redis_check import redis_trouble
from bridge.store.settings import StoreSettings, redis_address

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on the PATH")
Commands = tuple[tuple[str, ...], ...]
RIGHTS = ("~bridge:*", "&bridge:*", "+@read", "+@write", "+@scripting", "+@pubsub", "+@connection")
RESET: Commands = (
    ("CONFIG", "SET", "maxmemory", "0"),
    ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ("CONFIG", "SET", "requirepass", ""),
    ("REPLICAOF", "NO", "ONE"),
    ("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all"),
    ("ACL", "DELUSER", "joe"),
)


@contextmanager
def server(folder: Path, *options: str) -> Iterator[str]:
    """A Redis of its own, at a Unix socket; its path."""
    path = f"{folder}/s"
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(folder), *options]
    with started(command, path):
        yield path


@contextmanager
def started(command: list[str], path: str) -> Iterator[None]:
    """A process that answers at a Unix socket as Redis does."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120.0
        while True:
            try:
                redis.Redis(unix_socket_path=path).ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.01)  # waiting for a process
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("redis")) as path:
        yield path


Prepared = Callable[[str, Commands], str]


@pytest.fixture
async def prepared(one_server: str) -> AsyncIterator[Prepared]:
    """Brings the Redis into a state, and returns its address for this user."""
    admin = redis.Redis(unix_socket_path=one_server)

    def prepare(user: str, commands: Commands) -> str:
        for command in commands:
            admin.execute_command(*command)  # type: ignore[no-untyped-call]
        return f"unix://{user}{one_server}"

    yield prepare
    for command in RESET:
        admin.execute_command(*command)  # type: ignore[no-untyped-call]
    admin.close()


JOE = ("ACL", "SETUSER", "joe", "on", ">pw")
OF_USE: dict[str, tuple[str, Commands]] = {
    "anybody's": ("", ()),
    "a user with all rights": ("joe:pw@", ((*JOE, "~bridge:*", "&bridge:*", "+@all"),)),
    "a user with the rights that we name": ("joe:pw@", ((*JOE, *RIGHTS),)),
}
OF_NO_USE: dict[str, tuple[str, Commands, str]] = {
    "read-only replica": ("", (("REPLICAOF", "127.0.0.1", "1"),), "it is a replica that is read-only"),
    "full": ("", (("CONFIG", "SET", "maxmemory", "1"),), "it is full, and gives nothing up"),
    "too few replicas": ("", (("CONFIG", "SET", "min-replicas-to-write", "1"),), "it has too few replicas"),
    "no scripts": ("", (("ACL", "SETUSER", "default", "-@scripting"),), "run the 'eval' command"),
    "no streams": ("", (("ACL", "SETUSER", "default", "-@stream"),), "run the 'xadd' command"),
    "other keys": ("joe:pw@", ((*JOE, "~other:*", "&*", "+@all"),), "access one of the keys"),
    "other channels": ("joe:pw@", ((*JOE, "~*", "resetchannels", "+@all"),), "access one of the channels"),
    "wrong password": ("joe:no@", ((*JOE, "~*", "+@all"),), "it does not know this user and password"),
    "needless password": (":pw@", (), "it has no password"),
    "no password": ("", (("CONFIG", "SET", "requirepass", "pw"),), "it wants a password"),
}


@pytest.mark.parametrize("kind", OF_USE)
async def test_a_redis_that_does_all_that_is_asked_is_left_as_it_was(kind: str, prepared: Prepared) -> None:
    url = prepared(*OF_USE[kind])
    there = redis.Redis(unix_socket_path=url.rpartition("@")[2].removeprefix("unix://"))
    before = there.keys()  # of other tests
    assert await redis_trouble(url) is None
    assert there.keys() == before
    [finding] = [await doctor_on_redis(Settings(store=StoreSettings(redis_url_env="URL")), {"URL": url})]
    assert finding.status == "ok"


@pytest.mark.parametrize("kind", OF_NO_USE)
async def test_a_redis_that_is_of_no_use_is_named_by_the_doctor_and_the_log(
    kind: str, prepared: Prepared, caplog: pytest.LogCaptureFixture
) -> None:
    user, commands, says = OF_NO_USE[kind]
    url = prepared(user, commands)
    finding = await doctor_on_redis(Settings(store=StoreSettings(redis_url_env="URL")), {"URL": url})
    assert finding.status == "warn"
    assert says in finding.found
    assert "pw" not in finding.found
    store = RedisStore(url, secret=b"secret")
    await store.start()
    assert says in caplog.text
    await store.put("after:one", b"hang up", 10.0)
    assert await store.get("after:one") == b"hang up"  # this process still knows
    await store.close()


@pytest.mark.parametrize("command", ["EVAL", "GETDEL", "SUBSCRIBE"])
async def test_a_command_that_was_taken_away_is_named(command: str, tmp_path: Path) -> None:
    with server(tmp_path, "--rename-command", command, "") as path:
        trouble = await redis_trouble(f"unix://{path}")
    assert trouble is not None
    assert trouble.found.startswith(f"it is too old, or lacks a command ({command}: ")


async def test_a_sentinel_is_named(tmp_path: Path) -> None:
    (tmp_path / "sentinel.conf").write_text("sentinel monitor one 127.0.0.1 1 1\n")
    path = f"{tmp_path}/s"
    command = ["redis-server", f"{tmp_path}/sentinel.conf", "--sentinel", "--port", "0", "--unixsocket", path]
    with started(command, path):
        trouble = await redis_trouble(f"unix://{path}")
    assert trouble is not None
    assert trouble.found.startswith("it is a sentinel")


async def test_a_database_that_is_not_there_is_named(one_server: str) -> None:
    trouble = await redis_trouble(f"unix://{one_server}?db=99")
    assert trouble is not None
    assert trouble.found.startswith("it has no database of that number")


@pytest.mark.parametrize(
    "address",
    [
        "redis://host:port", "redis://joe:pass/word@host", "redis://[::1", "redis://host/first", "redis://host:1?colour=red",
        "redis://host?socket_timeout=soon", "redis://host:99999999", "host:6379", "http://host", "valkey://host",
    ],
)  # fmt: skip
async def test_an_address_that_cannot_be_read_is_refused_without_its_password(address: str) -> None:
    wanted = Settings(store=StoreSettings(redis_url_env="URL"))
    with pytest.raises(ConfigError, match="environment variable URL: ") as refused:
        redis_address(wanted.store, {"URL": address})
    assert "word" not in str(refused.value).replace("PASSWORD", "").replace("password", "")
    finding = await doctor_on_redis(wanted, {"URL": address})
    assert (finding.status, finding.remedy) == ("fail", "correct environment variable URL")


@pytest.mark.parametrize("slots", [True, False])
async def test_a_cluster_is_named(slots: bool, tmp_path: Path) -> None:
    # Its bus would be at the port plus 10,000, which is no port for one of ten that are free.
    ports = ("--port", str(free_port("127.0.0.1")), "--cluster-port", str(free_port("127.0.0.1")))
    with server(tmp_path, "--cluster-enabled", "yes", *ports) as path:
        if slots:
            client = redis.Redis(unix_socket_path=path)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")  # type: ignore[no-untyped-call]
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):  # type: ignore[no-untyped-call]
                time.sleep(0.05)  # waiting for a process
        trouble = await redis_trouble(f"unix://{path}")
    assert trouble is not None
    assert trouble.found.startswith("it is a cluster")


async def test_tls_works_with_an_authority_that_is_named_and_is_refused_without(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    port = free_port("127.0.0.1")
    tls = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(tmp_path / "ca.pem")]
    tls += ["--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem")]
    with server(tmp_path, *tls):
        assert await redis_trouble(f"rediss://localhost:{port}?ssl_ca_certs={tmp_path}/ca.pem") is None
        trouble = await redis_trouble(f"rediss://localhost:{port}")
    assert trouble is not None
    assert trouble.found.startswith("its certificate is not trusted")
