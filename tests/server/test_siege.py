"""The server under siege: connections that send nothing, other sites' pages, killed workers and servers, full disks."""

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

import handlers  # noqa: E402
from live import serving  # noqa: E402
from starlette.requests import ClientDisconnect  # noqa: E402

from fourpass.errors import ConfigError, ImageError  # noqa: E402
from fourpass.server import problems  # noqa: E402
from fourpass.server.guard import Guard  # noqa: E402
from fourpass.server.pool import Failure  # noqa: E402
from fourpass.server.settings import Settings  # noqa: E402

IMAGE = {"image": ("photo.png", b"fine")}
CLI = [sys.executable, "-c", "from fourpass.cli.app import main; main()"]


@pytest.fixture(scope="module")
def server():
    with serving(handlers.by_name, requests=20, head_seconds=2, idle_seconds=2) as client:
        yield client


def connect(client, content=b""):
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    connection.sendall(content)
    return connection


def closed_within(connection, seconds):
    """Whether the other side ends a connection by then, without a byte more from here."""
    connection.settimeout(seconds)
    try:
        while connection.recv(10_000):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize(
    "start", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"GET /healthz HTTP/1.1\r\n"]
)
def test_connections_that_ask_for_nothing_shut_out_nobody(server, start):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server, start)) for _ in range(135)]
        for _ in range(3):
            with httpx.Client(base_url=server.base_url, timeout=5) as fresh:
                assert fresh.get("/healthz").status_code == 200
                assert fresh.post("/v1/upscale", files=IMAGE).status_code == 200
        assert all(closed_within(connection, 5) for connection in idle)


def test_a_head_that_comes_a_byte_at_a_time_has_a_deadline(server):
    for first in (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):  # of a new connection, of a used one
        with connect(server, first) as connection:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)
            assert time.monotonic() - began < 6


def test_health_is_answered_when_all_requests_are_taken(server):
    with contextlib.ExitStack() as stack:
        job = server.post("/v1/jobs", files={"image": ("a", b"sleep 8")}).json()["id"]
        watch = f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        watching = [stack.enter_context(connect(server, watch)) for _ in range(20)]
        for connection in watching:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        with httpx.Client(base_url=server.base_url, timeout=5) as fresh:
            answer = fresh.get("/v1/models")
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert fresh.get("/healthz").status_code == 200
    for _ in range(50):
        if server.delete(f"/v1/jobs/{job}").status_code == 204:
            return
        time.sleep(0.1)
    raise AssertionError("the server stays busy when its clients have gone")


def asked(guard, path, send):
    """Ask a guard for a path, as a web server would."""

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": True}

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", b"localhost")]}
    return guard(scope, receive, send)


def test_health_is_answered_while_others_are_turned_away():
    async def scene():
        over, statuses = asyncio.Event(), []

        async def application(scope, receive, send):
            if scope["path"] != "/healthz":
                await over.wait()
            await send({"type": "http.response.start", "status": 200})

        async def slow(message):
            await over.wait()  # a client that takes its time to read

        async def fast(message):
            statuses.append(message.get("status"))

        guard = Guard(application, Settings(requests=2), lambda: False)
        others = [asyncio.create_task(asked(guard, "/v1/models", slow)) for _ in range(5)]
        await asyncio.sleep(0.05)
        await asked(guard, "/healthz", fast)
        assert statuses == [200]
        over.set()
        await asyncio.gather(*others)
        assert guard.answered == {("GET", 200): 3, ("GET", 503): 3}

    asyncio.run(scene())


def test_a_client_that_leaves_during_its_upload_is_no_fault_of_the_server():
    async def application(scope, receive, send):
        raise ClientDisconnect

    async def send(message):
        raise AssertionError(message)

    guard = Guard(application, Settings(), lambda: False)
    asyncio.run(asked(guard, "/v1/upscale", send))
    assert guard.answered == {("GET", 499): 1}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "photos.example:443"}, 200),  # given by name below
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost", "Origin": "https://photos.example"}, 200),  # a proxy that says another host
        ({"Host": "evil.example"}, 403),  # a name that was made to point here
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "evil.example#localhost"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost:8000", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000.evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/v1/upscale", "/v1/jobs", "/v1/models", "/v1/jobs/x/result"])
def test_pages_of_other_sites_get_nothing(sited, path, headers, status):
    if path in ("/v1/upscale", "/v1/jobs"):
        answer = sited.post(path, files=IMAGE, headers=headers)
    else:
        answer = sited.get(path, headers=headers)
    assert (answer.status_code == 403) == (status == 403), answer.text
    if path == "/v1/jobs" and answer.status_code == 202:
        sited.delete(f"/v1/jobs/{answer.json()['id']}")


@pytest.fixture(scope="module")
def sited():
    with serving(handlers.by_name, names=("photos.example",)) as client:
        yield client


def test_a_strange_host_gets_no_page_but_health(sited):
    assert sited.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert "add evil.example to the names" in sited.get("/", headers={"Host": "evil.example"}).json()["detail"]
    assert sited.get("/healthz", headers={"Host": "10.0.0.7.pod.cluster"}).status_code == 200


def test_with_a_token_other_names_are_nobodys_business():
    with serving(handlers.by_name, token="a-long-secret-1") as client:
        headers = {"Host": "behind.a.proxy", "Authorization": "Bearer a-long-secret-1"}
        assert client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_head_is_answered(server, path):
    answer = server.head(path)
    assert answer.status_code == 200
    assert not answer.content


@pytest.mark.parametrize("charset", ["idna", "punycode", "utf-16", "rot13", "nonsense", "hex", '"utf-7"'])
def test_odd_charsets_are_refused(server, charset):
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a\xff.png"\r\n\r\nfine\r\n--b--\r\n'
    headers = {"Content-Type": f"multipart/form-data; charset={charset}; boundary=b"}
    assert server.post("/v1/upscale", content=body, headers=headers).status_code == 415
    headers = {"Content-Type": "multipart/form-data; charset=utf-8; boundary=b"}
    assert server.post("/v1/upscale", content=body, headers=headers).status_code in (200, 400)


def test_a_full_disk_is_507_in_words_for_a_client(server):
    answer = server.post("/v1/upscale", files={"image": ("a", b"full")})
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["detail"]
    assert "-o" not in answer.json()["detail"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk")
def test_an_upload_on_a_full_disk_is_507_and_leaves_nothing(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        with serving(handlers.by_name, folder=tmp_path) as client:
            answer = client.post("/v1/jobs", files={"image": ("a", b"x" * 3 * 2**20)})
            assert answer.status_code == 507
            assert not list(tmp_path.glob("*/*/*"))
            assert client.post("/v1/upscale", files=IMAGE).status_code == 200
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ImageError("claims 9x9", subject="image", hint="raise the limit", key="max-pixels", values={"pixels": 9}),
            "image: claims 9x9; make it smaller first",
        ),
        (
            ImageError("cannot be encoded (x)", subject="result", hint="try another format", key="format"),
            "result: cannot be encoded (x); try another format",
        ),
        (ImageError("is not written", subject="result", hint="elsewhere", key="unwritable"), "result: is not written"),
        (ConfigError("quality 101 is not within 1..100", key="quality"), "quality 101 is not within 1..100"),
    ],
)  # fmt: skip
def test_a_client_is_told_only_ways_out_that_it_has(error, told):
    assert problems.of_error(error).detail == told
    failure = Failure(type(error).__name__, str(error), pickle.loads(pickle.dumps(error)))
    assert problems.of_failure(failure).detail == told
    assert problems.of_failure(failure).status == problems.of_error(error).status == 422


def test_files_are_private_and_go_with_the_server(tmp_path):
    old = os.umask(0o022)
    try:
        with serving(handlers.by_name, folder=tmp_path / "new") as client:
            job = client.post("/v1/jobs", files=IMAGE).json()["id"]
            while client.get(f"/v1/jobs/{job}").json()["state"] != "done":
                time.sleep(0.05)
            kept = list((tmp_path / "new").rglob("*"))
            assert len(kept) >= 4  # the server's folder, its lock, the job's folder, the result
            for file in [tmp_path / "new", *kept]:
                assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    finally:
        os.umask(old)
    assert not list((tmp_path / "new").iterdir())


def test_what_a_killed_server_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "fourpass-holiday").mkdir()
    (tmp_path / "fourpass-holiday" / "photo.jpg").write_bytes(b"mine")
    with serving(handlers.by_name, folder=tmp_path) as living:
        port = free_port()
        killed = subprocess.Popen([*CLI, "serve", "--port", str(port), "--folder", tmp_path], stderr=subprocess.DEVNULL)
        try:
            wait_for(port)
            httpx.post(f"http://127.0.0.1:{port}/v1/jobs", files={"image": ("a", b"x" * 10_000)})
        finally:
            killed.kill()
            killed.wait()
        assert len(list(tmp_path.glob("fourpass-*/lock"))) == 2
        with serving(handlers.by_name, folder=tmp_path):
            assert len(list(tmp_path.glob("fourpass-*/lock"))) == 2  # the living one's and its own
        assert living.post("/v1/upscale", files=IMAGE).status_code == 200
    assert [file.name for file in tmp_path.rglob("*")] == ["fourpass-holiday", "photo.jpg"]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not start")


@pytest.fixture
def hangs_up():
    """Processes that are started hear SIGHUP, also where these tests run under nohup; it sets what they inherit."""

    def treat(how):
        signal.signal(signal.SIGHUP, how)

    before = signal.getsignal(signal.SIGHUP)
    treat(signal.SIG_DFL)
    yield treat
    treat(before)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("hangs_up")
def test_a_signal_to_the_whole_group_ends_the_server_in_order(tmp_path, name):
    port = free_port()
    server = subprocess.Popen(
        [*CLI, "serve", "--port", str(port), "--folder", tmp_path],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(port)
    os.killpg(server.pid, getattr(signal, name))
    _, said = server.communicate(timeout=30)
    assert server.returncode == -getattr(signal, name)
    assert b"Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_under_nohup_a_closed_terminal_changes_nothing(tmp_path, hangs_up):
    hangs_up(signal.SIG_IGN)
    port = free_port()
    server = subprocess.Popen(
        [*CLI, "serve", "--port", str(port), "--folder", tmp_path],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_for(port)
        os.killpg(server.pid, signal.SIGHUP)
        time.sleep(1)
        wait_for(port)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == -signal.SIGTERM


def test_a_stop_finishes_what_runs_and_takes_no_more(monkeypatch):
    with serving(handlers.by_name, grace_seconds=20) as client:
        job = client.post("/v1/jobs", files={"image": ("a", b"sleep 2")}).json()["id"]
        waiting = client.post("/v1/jobs", files=IMAGE).json()["id"]
        while client.get(f"/v1/jobs/{job}").json()["state"] != "running":
            time.sleep(0.05)
        client.stop()
        time.sleep(0.5)
        refused = client.post("/v1/jobs", files=IMAGE)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/healthz").status_code == 503
        assert client.get(f"/v1/jobs/{waiting}").json()["state"] == "cancelled"
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            last = [line for line in stream.iter_lines() if line.startswith("data: ")][-1]
        assert '"state":"done"' in last


@pytest.mark.parametrize("whose", ["jobs", "previews"])
def test_an_idle_worker_that_dies_is_replaced_before_a_job_finds_it(whose):
    with serving(handlers.by_name) as client:
        pool = getattr(client.app.state, whose).pool
        [before] = pool.pids()
        os.kill(before, signal.SIGKILL)
        for _ in range(100):
            if pool.pids() != [before] and pool.alive == 1:
                break
            time.sleep(0.1)
        assert pool.replaced == 1
        assert client.get("/healthz").json()["workers"] == 1


@pytest.mark.parametrize("model", ["nonsense", "aesthetic", str(Path(__file__))])
def test_a_model_that_cannot_be_served_is_refused_at_the_start(model):
    refused = subprocess.run([*CLI, "serve", "--model", model], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert model in refused.stderr


def test_the_access_log_does_not_tell_ids(server, caplog):
    from fourpass.server import listener

    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:9", "GET", "/v1/jobs/secret-id/result?a=b", "1.1", 200), None,
    )  # fmt: skip
    assert listener._without_ids(record)
    assert record.getMessage() == '127.0.0.1:9 - "GET /v1/jobs/.../result?a=b HTTP/1.1" 200'
    assert listener._without_ids in logging.getLogger("uvicorn.access").filters


@pytest.mark.parametrize(
    ("host", "token", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:81/"),
        ("0.0.0.0", None, "http://127.0.0.1:81/"),
        ("::1", "a b&c-long", "http://[::1]:81/#token=a%20b%26c-long"),
    ],
)
def test_the_address_to_open(host, token, address):
    from fourpass.server import listener
    from fourpass.server.settings import Settings

    assert listener.address(Settings(host=host, token=token), 81) == address


def test_open_opens_a_browser_on_the_page(tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    port = free_port()
    environment = {**os.environ, "BROWSER": str(browser)}
    server = subprocess.Popen(
        [*CLI, "serve", "--open", "--port", str(port)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            if (tmp_path / "opened").exists() and (tmp_path / "opened").read_text():
                break
            time.sleep(0.1)
        assert (tmp_path / "opened").read_text().strip() == f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(30)
