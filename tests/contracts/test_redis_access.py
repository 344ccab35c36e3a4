"""Redis behind TLS and access control: what passes, and what is said of what does not."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from builders.stores import NOON_MS, contents, entry, everything, key
from servers.certificates import Certificates, made_certificates
from servers.cluster import LocalCluster
from servers.ports import reserved_port
from servers.redis import LocalRedis, store_binary
from servers.selection import Unavailable

from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, ModelCommit
from schemas.errors import Retry, Stop
from schemas.finding import Stream
from schemas.redis_settings import RedisSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
USER_LINE: Final = re.compile(
    r"^user watchkeeper on >PASSWORD (~\S+) resetchannels -@all ((?:\+\S+ ?)+)$", re.MULTILINE
)
CONNECTION: Final = {"select", "info", "eval", "evalsha"}
CLUSTER: Final = {"cluster|slots", "command", "asking"}
PASSWORD: Final = "hunter2%40night"
SPELT: Final = "hunter2@night"


def documented() -> tuple[str, list[str]]:
    """Return the keys and the rights of the user in docs/operations.md."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").replace("\\\n", "")
    found = USER_LINE.search(re.sub(r" +", " ", text))
    assert found is not None, "docs/operations.md has no line of the user"
    return found[1], found[2].split()


def acl_file(folder: Path, *, without: str = "", default: str = "~* +@all") -> Path:
    keys, rights = documented()
    granted = " ".join(right for right in rights if right != f"+{without}")
    path = folder / "users.acl"
    path.write_text(
        f"user default on nopass {default}\nuser watchkeeper on >{SPELT} {keys} resetchannels -@all {granted}\n"
    )
    return path


def as_user(url: str) -> str:
    return url.replace("://", f"://watchkeeper:{PASSWORD}@")


def use_everything(gate: RedisGate) -> None:
    """Call each method of both stores once."""
    store, models = RedisPartitions(gate, "watchkeeper", buckets=1, load=1), RedisModels(gate, "watchkeeper")
    put = {key(number): entry(NOON_MS) for number in range(50)}
    for partition in range(6):
        token = store.claim(partition).token
        attempt = everything(token)
        attempt = replace(attempt, partition=partition, entries={**attempt.entries, **put})
        assert store.commit(attempt) is CommitStatus.COMMITTED
        assert store.fetch(partition, list(put)) == put
        assert len(list(store.entries(partition))) == 51
        assert contents(store, partition).letters
        assert store.drop_dead_letters(partition, token, 1)
        store.trim(partition, "fraud", Stream.PREDICTIONS, 10_000)
    claimed = models.claim("fraud")
    assert models.commit(ModelCommit("fraud", claimed.token, 0, b"s", [b"e"], [b"h"])) is (
        CommitStatus.COMMITTED
    )
    assert (models.state("fraud"), models.events("fraud", 1), models.history("fraud", 1)) == (
        b"s",
        [b"e"],
        [b"h"],
    )
    assert models.drop_events("fraud", claimed.token, 1)
    assert (
        gate.pipeline([("HGET", "{watchkeeper:0}m", "seq"), ("HGET", "{watchkeeper:1}m", "seq")])
        == [b"1"] * 2
    )
    assert gate.check()
    assert {eviction.policy for eviction in gate.policies().values()} == {"noeviction"}
    assert gate.used_memory_bytes() > 0
    gate.close()


class TestAccessControl:
    def test_the_user_in_the_documents_has_the_rights_that_the_code_needs_and_no_other(self) -> None:
        scripts = (path.read_text(encoding="utf-8") for path in (ROOT / "consumers" / "lua").glob("*.lua"))
        used = {name for text in scripts for name in re.findall(r"call\('([A-Z]+)'", text)}
        for path in (ROOT / "consumers" / f"redis_{name}.py" for name in ("gate", "partitions", "models")):
            used |= set(re.findall(r"[(\[]\s*\"([A-Z]{3,})\",", path.read_text(encoding="utf-8")))
        wanted = {name.lower() for name in used} | CONNECTION | CLUSTER
        assert {right.removeprefix("+") for right in documented()[1]} == wanted

    @pytest.mark.servers
    def test_that_user_can_do_all_the_work_of_a_single_redis(self, tmp_path: Path) -> None:
        settings = {"aclfile": str(acl_file(tmp_path, default="-@all +info"))}
        server = LocalRedis(binary=store_binary(), directory=tmp_path, settings=settings)
        server.start()
        try:
            use_everything(RedisGate(as_user(server.url)))
            use_everything(RedisGate(as_user(server.url).removesuffix("/0") + "/1"))
            with pytest.raises(Stop, match="user or password refused") as caught:
                RedisGate(server.url.replace("://", "://watchkeeper:wrong-one@")).check()
            assert "wrong-one" not in str(caught.value)
            with pytest.raises(Stop, match=r"(?i)no permissions to access .*key"):
                RedisModels(RedisGate(as_user(server.url)), "another-app").state("fraud")
        finally:
            server.stop()

    @pytest.mark.servers
    def test_that_user_can_do_all_the_work_of_a_cluster(self, tmp_path: Path) -> None:
        settings = {"aclfile": str(acl_file(tmp_path))}
        cluster = LocalCluster(binary=store_binary(), directory=tmp_path, settings=settings, appendonly=False)
        cluster.start()
        try:
            use_everything(RedisGate(as_user(cluster.url), cluster=True))
            with pytest.raises(Stop, match="user or password refused") as caught:
                RedisGate(cluster.url.replace("://", "://watchkeeper:wrong-one@"), cluster=True).check()
            assert "wrong-one" not in str(caught.value)
        finally:
            cluster.stop()

    @pytest.mark.servers
    @pytest.mark.parametrize("missing", ["evalsha", "hset", "info"])
    def test_a_right_that_is_missing_is_named_on_one_line_without_the_password(
        self, tmp_path: Path, missing: str
    ) -> None:
        settings = {"aclfile": str(acl_file(tmp_path, without=missing, default="-@all +info"))}
        server = LocalRedis(binary=store_binary(), directory=tmp_path, settings=settings)
        server.start()
        try:
            with pytest.raises(Stop, match=f"'{missing}'.*docs/operations.md") as caught:
                use_everything(RedisGate(as_user(server.url)))
            assert "\n" not in str(caught.value)
            assert SPELT not in str(caught.value)
            assert PASSWORD not in str(caught.value)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    try:
        return made_certificates(tmp_path_factory.mktemp("certificates"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def tls_url(tmp_path: Path, certificates: Certificates) -> Iterator[str]:
    port = reserved_port()
    settings = {**certificates.server_settings, "tls-port": str(port), "aclfile": str(acl_file(tmp_path))}
    server = LocalRedis(binary=store_binary(), directory=tmp_path, settings=settings)
    start_or_skip(server)
    yield f"rediss://127.0.0.1:{port}/0"
    server.stop()


def start_or_skip(server: LocalRedis | LocalCluster) -> None:
    """Skip where the server was built without TLS, which no demand for servers can change."""
    try:
        server.start()
    except Stop as error:
        if not re.search("TLS support|tls-port", str(error)):
            raise
        pytest.skip(f"{store_binary().name} was built without TLS; install redis-server")


@pytest.mark.servers
class TestTls:
    def test_a_certificate_of_ones_own_authority_and_a_client_certificate_pass_through(
        self, tls_url: str, certificates: Certificates
    ) -> None:
        use_everything(RedisGate(f"{as_user(tls_url)}?{certificates.client_options}"))

    def test_a_server_that_is_not_trusted_is_not_talked_to(self, tls_url: str) -> None:
        with pytest.raises(Retry, match=r"no TLS connection .certificate: ") as caught:
            RedisGate(as_user(tls_url)).call("HGET", "{watchkeeper:0}m", "seq")
        assert "hunter2" not in str(caught.value)

    def test_a_client_without_a_certificate_is_refused_by_the_server(
        self, tls_url: str, certificates: Certificates
    ) -> None:
        gate = RedisGate(f"{as_user(tls_url)}?ssl_ca_certs={certificates.certificate('authority')}")
        with pytest.raises(Stop, match=r"no (TLS connection|answer).*start Redis"):
            gate.check()

    def test_a_cluster_behind_tls_is_followed_from_node_to_node(
        self, tmp_path: Path, certificates: Certificates
    ) -> None:
        cluster = LocalCluster(
            binary=store_binary(),
            directory=tmp_path,
            settings={"aclfile": str(acl_file(tmp_path))},
            appendonly=False,
            tls=certificates.server_settings,
        )
        start_or_skip(cluster)
        try:
            use_everything(
                RedisGate(f"{as_user(cluster.tls_url)}?{certificates.client_options}", cluster=True)
            )
        finally:
            cluster.stop()


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path, option: str) -> None:
    url = f"rediss://watchkeeper:{PASSWORD}@store:6379/0?{option}={tmp_path}/nothing.pem"
    with pytest.raises(
        Stop, match=f"expected {option} to name a file, found '{tmp_path}/nothing.pem'"
    ) as caught:
        RedisGate(url)
    assert "hunter2" not in str(caught.value)


def test_no_secret_of_the_url_is_in_a_repr_or_a_dump() -> None:
    settings = RedisSettings(url=f"rediss://watchkeeper:{PASSWORD}@store:6379/0?ssl_password=hunter2")
    gate = RedisGate(settings.url)
    for text in (repr(settings), str(settings.model_dump()), settings.safe_url, repr(gate), str(gate)):
        assert "hunter2" not in text
