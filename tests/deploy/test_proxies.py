"""Real nodes behind the nginx and the Caddy that deploy/ sets up."""

import json
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from federation.limits import (
    ACTIVITY_BYTES_MAX,
    ADDRESS_RATE,
    PAGE_BYTES_MAX,
    REQUEST_BODY_TIMEOUT,
)
from node.limits import FORM_BYTES_MAX
from tests.cli.conftest import entry_file, free_ports, wait_until
from tests.deploy.authority import Authority
from tests.deploy.conftest import Server
from tests.deploy.programs import ROOT
from tests.deploy.proxies import KINDS, SHORT_SECONDS, Proxy, read_all, running
from tests.deploy.recorder import Recorder

OTHER_CLIENT = "127.0.0.3"
ACTIVITY_JSON = "application/activity+json"
JSON_BODY = {"Content-Type": ACTIVITY_JSON}


def test_page_of_the_cluster_comes_with_its_headers(machine: Server) -> None:
    answer = machine.proxy.ask(machine.nord.host, "/")
    assert answer.status == 200, answer
    assert "Cluster Nord" in answer.body.decode()
    names = [name.lower() for name, _ in answer.fields]
    assert answer.field("Strict-Transport-Security") == "max-age=31536000"
    assert names.count("strict-transport-security") == 1
    assert "private" in str(answer.field("Cache-Control"))
    assert answer.field("Content-Encoding") is None
    server = answer.field("Server") or ""
    assert not any(letter.isdigit() for letter in server), server


def test_each_name_leads_to_its_own_node(machine: Server) -> None:
    for node in (machine.nord, machine.sued):
        answer = machine.proxy.ask(node.host, "/actor")
        assert json.loads(answer.body)["id"] == f"{node.base_url}/actor"


def test_two_nodes_behind_one_proxy_exchange_entries(
    machine: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nord, sued = machine.nord, machine.sued
    code = nord.json("partner", "invite")["code"]
    accepted = sued.json("partner", "accept", code, "--yes")
    confirmed = nord.json("partner", "confirm", "Cluster Süd", "--yes")
    assert confirmed["check_number"] == accepted["check_number"]
    sued.json(
        *("members", "add", "--email", "ben@sued.example", "--name", "Ben"),
        *("--organisation", "Metall Süd"),
    )
    folder = tmp_path_factory.mktemp("entry")
    title = "Freie Stunden hinter einem Proxy"
    offer = entry_file(folder, title={"de": title}, audience={"level": "trusted"})
    published = nord.json("entry", "publish", offer)

    def held() -> list[str]:
        feed = sued.json("feed", "--as", "ben@sued.example")["entries"]
        return [entry["id"] for entry in feed]

    wait_until(lambda: published["id"] in held(), what=lambda: nord.log + sued.log)
    # The signed receipt came back through the proxy as well.
    (row,) = nord.json("ledger", published["id"])["rows"]
    assert row["acknowledged_at"] is not None
    in_sync = nord.json("partner", "show", sued.base_url)["in_sync"]
    assert in_sync["digest_equal"] is True


def test_doctor_finds_the_address_through_the_proxy(machine: Server) -> None:
    done = machine.nord.run("doctor", "--json")
    (address,) = (
        check for check in done.document["checks"] if check["id"] == "address"
    )
    assert address["severity"] == "ok", address


def test_health_is_open_and_readiness_is_not(machine: Server) -> None:
    node = machine.nord
    assert machine.proxy.ask(node.host, "/livez").body == b"ok\n"
    for path in ("/readyz", "/metrics", "/readyz?x", "//readyz", "/%72eadyz"):
        answer = machine.proxy.ask(node.host, path)
        assert answer.status in {400, 404}, path
        assert b"ready" not in answer.body
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as wire:
        wire.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in read_all(wire).partition(b"\r\n")[0]


# Who may speak, and to whom


def test_unknown_name_reaches_no_node(machine: Server) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        machine.proxy.ask("fremd.spalier.test", "/")
    # The name of the certificate is ours, that of the request is not.
    answer = machine.proxy.ask(
        machine.nord.host, "/", fields={"Host": "fremd.spalier.test"}
    )
    assert b"Cluster" not in answer.body
    assert answer.head == b"" or answer.status in {400, 403, 421}


def test_target_that_is_no_path_is_refused(machine: Server) -> None:
    node = machine.nord
    for target in (f"{node.base_url}/actor", f"http://{node.host}/", "*"):
        answer = machine.proxy.ask(node.host, target)
        assert answer.status == 400, target


def test_old_tls_is_refused(machine: Server) -> None:
    context = ssl.create_default_context(cafile=str(machine.proxy.root))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", machine.proxy.port), timeout=5)
    with plain, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(plain, server_hostname=machine.nord.host)


def test_plain_http_leads_to_https(machine: Server) -> None:
    with socket.create_connection(
        ("127.0.0.1", machine.proxy.plain_port), timeout=5
    ) as wire:
        wire.sendall(
            f"GET /eintraege?x=1 HTTP/1.1\r\nHost: {machine.nord.host}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        head = read_all(wire).decode().partition("\r\n\r\n")[0]
    assert head.split()[1] in {"301", "308"}, head
    assert f"Location: https://{machine.nord.host}" in head


# Limits


@pytest.mark.parametrize(
    ("target", "bound"),
    [
        ("/inbox", PAGE_BYTES_MAX),
        ("/partner-requests", ACTIVITY_BYTES_MAX),
        ("/admin/mitglieder/import", FORM_BYTES_MAX),
        ("/anmelden", ACTIVITY_BYTES_MAX),
    ],
)
def test_bodies_are_cut_a_little_above_the_bound_of_the_node(
    machine: Server, target: str, bound: int
) -> None:
    node = machine.nord
    longest = machine.proxy.ask(
        node.host, target, method="POST", fields=JSON_BODY, body=b" " * bound
    )
    # The node refuses it for another reason, in its own words.
    assert longest.status not in {413, 502, 503}, longest
    assert longest.field("X-Content-Type-Options") == "nosniff", longest
    too_long = machine.proxy.ask(
        node.host,
        target,
        method="POST",
        fields={**JSON_BODY, "Content-Length": str(bound + 1024 * 1024)},
    )
    assert too_long.status == 413, too_long


def test_body_without_length_is_cut_too(machine: Server) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    head = (
        f"POST /partner-requests HTTP/1.1\r\nHost: {machine.nord.host}:"
        f"{machine.proxy.port}\r\nContent-Type: {ACTIVITY_JSON}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    answer = machine.proxy.exchange(
        machine.nord.host, head.encode() + chunk * 16 + b"0\r\n\r\n"
    )
    assert answer.split(b" ", 2)[1] == b"413", answer[:300]


def test_head_that_is_too_large_is_refused(machine: Server) -> None:
    many = {f"X-Field-{number}": "x" * 1000 for number in range(60)}
    answer = machine.proxy.ask(machine.nord.host, "/", fields=many)
    assert answer.status == 431, answer
    one = machine.proxy.ask(machine.nord.host, "/", fields={"X-Long": "x" * 9000})
    assert one.status in {400, 431}, one
    address = machine.proxy.ask(machine.nord.host, f"/?{'x' * 9000}")
    assert address.status in {400, 414, 431}, address


def test_slow_heads_are_cut_and_others_are_served(machine: Server) -> None:
    node, proxy = machine.nord, machine.proxy
    half = f"GET / HTTP/1.1\r\nHost: {node.host}:{proxy.port}\r\nX-Sl".encode()
    slow = [proxy.connect(node.host) for _ in range(60)]
    began = time.monotonic()
    try:
        for wire in slow:
            wire.sendall(half)
        for _ in range(5):
            asked = time.monotonic()
            answer = proxy.ask(node.host, "/", source=OTHER_CLIENT)
            assert answer.status == 200
            assert time.monotonic() - asked < 2
        for wire in slow:
            # An answer that says no, or none: closed in any case.
            wire.settimeout(SHORT_SECONDS * 3)
            told = read_all(wire)
            assert told == b"" or told.split(b" ", 2)[1] in {b"400", b"408"}, told
        assert time.monotonic() - began < SHORT_SECONDS * 3
    finally:
        for wire in slow:
            wire.close()


def test_slow_bodies_are_cut_and_others_are_served(machine: Server) -> None:
    node, proxy = machine.nord, machine.proxy
    half = (
        f"POST /inbox HTTP/1.1\r\nHost: {node.host}:{proxy.port}\r\n"
        f"Content-Type: {ACTIVITY_JSON}\r\nContent-Length: 1000\r\n\r\n{{"
    ).encode()
    slow = [proxy.connect(node.host) for _ in range(20)]
    try:
        for wire in slow:
            wire.sendall(half)
        assert proxy.ask(node.host, "/", source=OTHER_CLIENT).status == 200
        for wire in slow:
            wire.settimeout(REQUEST_BODY_TIMEOUT.total_seconds() + 5)
            told = read_all(wire)
            # nginx waits for the body itself; Caddy lets the node say it.
            assert told == b"" or told.split(b" ", 2)[1] == b"408", told
            assert told or proxy.kind == "nginx"
    finally:
        for wire in slow:
            wire.close()


def test_rates_count_the_real_address(machine: Server) -> None:
    # Whatever a client says about itself makes no difference.
    statuses = []
    with machine.proxy.connect(machine.sued.host) as wire:
        reader = wire.makefile("rb")
        for number in range(int(ADDRESS_RATE.burst * 3)):
            wire.sendall(
                f"GET /actor HTTP/1.1\r\nHost: {machine.sued.host}:"
                f"{machine.proxy.port}\r\nX-Forwarded-For: 198.51.100.{number % 250}"
                f"\r\nForwarded: for=198.51.100.{number % 250}\r\n"
                f"X-Real-IP: 198.51.100.{number % 250}\r\n\r\n".encode()
            )
            status_line = reader.readline()
            if not status_line:
                break
            statuses.append(int(status_line.split()[1]))
            length = 0
            while (line := reader.readline()) not in {b"\r\n", b""}:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            reader.read(length)
            if statuses[-1] == 429:
                break
    assert statuses[0] == 200
    assert statuses[-1] == 429, statuses[-5:]
    refused = machine.sued.log_lines("refused")
    assert {line["address"] for line in refused if line["status"] == 429} == {
        "127.0.0.2"
    }
    other = machine.proxy.ask(machine.sued.host, "/actor", source=OTHER_CLIENT)
    assert other.status == 200


def test_one_time_links_are_in_no_log(machine: Server) -> None:
    token = "geheim" * 6
    machine.proxy.ask(machine.nord.host, f"/anmelden/{token}")
    machine.proxy.ask(
        machine.nord.host, f"/anmelden/{token}", fields={"X-Long": "x" * 9000}
    )
    folder = machine.proxy.log.parent
    for path in folder.rglob("*.log"):
        assert token not in path.read_text(errors="replace"), path


# What is changed on the way: nothing


@pytest.fixture(scope="module", params=KINDS)
def mirror(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, Recorder]]:
    """A proxy before a server that keeps what reaches it."""
    kind = str(request.param)
    folder = tmp_path_factory.mktemp(f"mirror-{kind}")
    secure, plain = free_ports(2)
    with (
        Recorder() as recorder,
        running(
            kind,
            {
                "spiegel.spalier.test": f"127.0.0.1:{recorder.port}",
                "weg.spalier.test": "127.0.0.1:9",
            },
            folder=folder,
            ports=(secure, plain),
            authority=Authority(folder),
        ) as proxy,
    ):
        yield proxy, recorder


@pytest.mark.parametrize(
    "target",
    [
        "/entries/a%2Fb",
        "/entries//b",
        "//inbox",
        "/a/../inbox",
        "/a/./b",
        "/inbox?",
        "/outbox?after=1&x=%7e%2F+%20&&y",
        "/%69nbox",
        "/x%C3%BC~!$&'()*+,;=:@",
    ],
)
def test_target_host_and_body_arrive_as_they_were_sent(
    mirror: tuple[Proxy, Recorder], target: str
) -> None:
    proxy, recorder = mirror
    body = b'{"a": "\xc3\xa4\r\n"}'
    signed = {
        "Signature-Input": 'sig1=("@method" "@target-uri");created=1;keyid="x"',
        "Signature": "sig1=:AAAA:",
        "Content-Digest": "sha-256=:AAAA:",
        "Content-Type": ACTIVITY_JSON,
        "Accept-Encoding": "identity",
    }
    answer = proxy.ask(
        "spiegel.spalier.test",
        target,
        method="POST",
        fields={**signed, "X-Forwarded-For": "198.51.100.7, 127.0.0.1"},
        body=body,
    )
    assert answer.status == 200, answer
    got = recorder.requests[-1]
    assert got.head.split(b"\r\n")[0] == f"POST {target} HTTP/1.1".encode("latin-1")
    assert got.body == body
    assert got.field("Host") == f"spiegel.spalier.test:{proxy.port}"
    for name, value in signed.items():
        assert got.field(name) == value, name
    assert [value for name, value in got.fields if name == "X-Forwarded-For"] == [
        "127.0.0.2"
    ]
    # What a signed answer holds comes back as it was.
    assert answer.body == recorder.ANSWER
    assert answer.field("Signature") == "sig1=:BBBB:"
    assert answer.field("Content-Digest") == "sha-256=:BBBB:"


# Caddy does not count: deploy/firewall/spalier.nft does it for both.
@pytest.mark.parametrize("mirror", ["nginx"], indirect=True)
def test_one_address_has_32_requests_at_once(
    mirror: tuple[Proxy, Recorder],
) -> None:
    proxy, recorder = mirror
    host = "spiegel.spalier.test"
    request = f"GET /slow HTTP/1.1\r\nHost: {host}:{proxy.port}\r\n\r\n".encode()
    before = len(recorder.requests)
    with recorder.holding():
        wires = [proxy.connect(host) for _ in range(40)]
        for wire in wires:
            wire.sendall(request)
        # Somebody else is let in: it waits for the answer like the other 32.
        other = proxy.connect(host, source=OTHER_CLIENT)
        other.sendall(request)
        wait_until(lambda: len(recorder.requests) == before + 33)
        refused = 0
        for wire in (*wires, other):
            wire.settimeout(0.02)
            try:
                refused += wire.recv(20).split(b" ")[1] == b"429"
            except TimeoutError:
                continue
        assert refused == 8
    for wire in (*wires, other):
        wire.close()


def test_no_answer_is_kept(mirror: tuple[Proxy, Recorder]) -> None:
    proxy, recorder = mirror
    before = len(recorder.requests)
    for _ in range(3):
        assert proxy.ask("spiegel.spalier.test", "/actor").body == recorder.ANSWER
    assert len(recorder.requests) == before + 3


def test_node_that_is_away_is_said_to_be(mirror: tuple[Proxy, Recorder]) -> None:
    proxy, _ = mirror
    answer = proxy.ask("weg.spalier.test", "/inbox", method="POST", body=b"{}")
    assert answer.status == 503
    assert answer.field("Retry-After") == "30"
    assert answer.field("Cache-Control") == "no-store"
    assert "startet gerade" in answer.body.decode()


def test_every_form_with_a_file_has_room_at_the_proxies() -> None:
    forms = {
        path.relative_to(ROOT).as_posix()
        for folder in ("node", "admin_ui")
        for path in (ROOT / folder).rglob("*.html")
        if "multipart/form-data" in path.read_text(encoding="utf-8")
    }
    # Another one needs its address in deploy/nginx and deploy/caddy.
    assert forms == {"admin_ui/templates/import.html"}
