"""The API: what it answers, what it refuses, and that it serves on whatever comes."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

import handlers  # noqa: E402
from live import serving  # noqa: E402

from fourpass.errors import ConfigError  # noqa: E402
from fourpass.imaging import files  # noqa: E402
from fourpass.server.settings import Settings  # noqa: E402


@pytest.fixture(scope="module")
def api():
    with serving(handlers.nearest, max_bytes=200_000, max_pixels=1_000_000, small_pixels=30_000) as client:
        yield client


@pytest.fixture(scope="module")
def slow():
    with serving(handlers.by_name, queue=3, workers=1, job_seconds=4, idle_seconds=1.5, upload_seconds=3) as client:
        yield client


@pytest.fixture(scope="module")
def png(tmp_path_factory):
    file = tmp_path_factory.mktemp("server") / "a.png"
    files.write(file, np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    return file.read_bytes()


def post(client, content, path="/v1/upscale", name="photo.png", headers=None, **fields):
    data = {key: str(value) for key, value in fields.items()}
    return client.post(path, files={"image": (name, content)}, data=data, headers=headers)


def finished(client, id):
    for _ in range(200):
        state = client.get(f"/v1/jobs/{id}").json()
        if state["state"] not in ("queued", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"job {id} does not end: {state}")


def problem(response, status):
    """The problem that an answer tells; checks that it is one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    assert "\n" not in body["detail"]
    return body["detail"]


def test_a_small_picture_is_answered_at_once(api, png):
    answer = post(api, png, scale=3, name="Käse & Brot.png")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert "K%C3%A4se%20%26%20Brot_x3.png" in answer.headers["content-disposition"]
    pixels, original = files.read(answer.content).pixels, files.read(png).pixels
    np.testing.assert_array_equal(pixels, original.repeat(3, axis=0).repeat(3, axis=1))


def test_format_and_size_can_be_chosen(api, png):
    answer = post(api, png, width=45, format="webp", quality=80)
    assert answer.headers["content-type"] == "image/webp"
    assert files.read(answer.content).header.size == (30, 45)


def test_a_job_from_start_to_removal(api, png):
    created = post(api, png, "/v1/jobs", fit="90x600")
    assert created.status_code == 202
    job = created.json()
    assert created.headers["location"] == f"/v1/jobs/{job['id']}"
    assert len(job["id"]) >= 32
    state = finished(api, job["id"])
    assert state["state"] == "done"
    assert state["progress"] == 1
    assert state["report"]["output_size"] == [90, 60]
    assert "file" not in state["report"]
    result = api.get(f"/v1/jobs/{job['id']}/result")
    assert files.read(result.content).header.size == (60, 90)
    assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert "no such job" in problem(api.get(f"/v1/jobs/{job['id']}"), 404)


def test_events_tell_progress_to_the_end(slow):
    job = post(slow, b"sleep 0.5", "/v1/jobs").json()
    states = []
    with slow.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        states = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert states[-1]["state"] == "done"
    shares = [state["progress"] for state in states]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scale": "1e9"}, "scale"),
        ({"scale": "-2"}, "scale"),
        ({"scale": "nan"}, "scale"),
        ({"scale": "many"}, "scale"),
        ({"scale": 2, "width": 100}, "scale and width were given"),
        ({"fit": "10"}, "fit"),
        ({"fit": "0x10"}, "fit"),
        ({"strength": 1.5}, "strength"),
        ({"format": "exe"}, "format"),
        ({"format": "../../x"}, "format"),
        ({"colour": "red"}, "colour: .*known keys are scale"),
    ],
)
def test_bad_options_are_named(api, png, fields, words):
    import re

    assert re.search(words, problem(post(api, png, **fields), 422))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is no picture", "image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "image"),
        ("cut", "image"),
    ],
)
def test_bad_pictures_are_named(api, png, content, words):
    assert words in problem(post(api, png[: len(png) // 2] if content == "cut" else content), 422)


def bomb(width, height):
    """A PNG whose header claims a size that its data does not have."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_by_its_header(api):
    began = time.monotonic()
    assert "200000" in problem(post(api, bomb(200_000, 200_000)), 422)
    assert time.monotonic() - began < 10


def test_an_output_too_large_for_an_answer_at_once_names_the_other_way(api, png):
    assert "/v1/jobs" in problem(post(api, png, scale=8), 413)


def test_a_body_too_large_is_refused_without_reading_it(api):
    assert "0.1907 MiB" in problem(post(api, b"x" * 400_000), 413)


def test_a_body_of_unsaid_length_is_counted(api):
    def chunks():
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 10_000

    answer = api.post("/v1/upscale", content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert "larger than this server takes" in problem(answer, 413)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png", ""])
def test_other_content_types_are_refused(api, kind):
    answer = api.post("/v1/upscale", content=b'{"scale": 2', headers={"Content-Type": kind} if kind else {})
    assert "multipart/form-data" in problem(answer, 415)


def test_a_broken_form_is_refused(api):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    problem(api.post("/v1/upscale", content=b"--b\r\nnonsense", headers=headers), 422)
    problem(api.post("/v1/upscale", content=b"x", headers={"Content-Type": "multipart/form-data"}), 400)


def test_a_form_without_a_picture(api):
    answer = api.post("/v1/upscale", files={"other": b"x"})
    assert "image" in problem(answer, 422)


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd.png", "..\\..\\x.png", "/root/a.png", "a\r\nSet-Cookie: b.png", "."]
)
def test_names_never_reach_the_file_system(api, png, name, tmp_path):
    answer = post(api, png, name=name, scale=2)
    assert answer.status_code == 200
    offered = answer.headers["content-disposition"].partition("''")[2]
    assert not {"/", "\\", "\r", "\n", ".."} & set(offered)
    assert "%2F" not in offered
    assert "set-cookie" not in answer.headers


def test_unknown_paths_and_methods(api):
    problem(api.get("/v1/nothing"), 404)
    problem(api.put("/v1/upscale"), 405)
    problem(api.get("/v1/jobs"), 405)  # there is no way to list jobs
    problem(api.get("/v1/jobs/guess"), 404)
    problem(api.get("/page/../app.py"), 404)


def test_a_crashing_picture_takes_down_its_worker_alone(slow):
    job = post(slow, b"crash", "/v1/jobs").json()
    state = finished(slow, job["id"])
    assert state["state"] == "failed"
    assert "worker died" in state["detail"]
    problem(slow.get(f"/v1/jobs/{job['id']}/result"), 500)
    assert finished(slow, post(slow, b"fine", "/v1/jobs").json()["id"])["state"] == "done"


def test_a_mistake_of_ours_is_told_without_its_inside(slow):
    detail = problem(post(slow, b"bug"), 500)
    assert "mistake" not in detail


def test_a_job_that_takes_too_long_is_stopped(slow):
    detail = problem(post(slow, b"sleep 100"), 504)
    assert "longer than 4 s" in detail
    assert post(slow, b"fine").status_code == 200


def test_cancelling_a_running_job_frees_its_worker(slow):
    job = post(slow, b"sleep 100", "/v1/jobs").json()
    while slow.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued":
        time.sleep(0.05)
    problem(slow.get(f"/v1/jobs/{job['id']}/result"), 409)
    assert slow.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert post(slow, b"fine").status_code == 200


def test_more_jobs_than_may_wait_are_sent_away(slow):
    jobs = [post(slow, b"sleep 2", "/v1/jobs") for _ in range(5)]
    accepted = [job.json()["id"] for job in jobs if job.status_code == 202]
    refused = [job for job in jobs if job.status_code == 429]
    assert len(accepted) in (3, 4)
    assert refused
    assert "come back" in problem(refused[0], 429)
    assert int(refused[0].headers["retry-after"]) > 0
    for id in accepted:
        slow.delete(f"/v1/jobs/{id}")
    assert post(slow, b"fine").status_code == 200


def test_three_hundred_uploads_at_once(slow):
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    with httpx.Client(base_url=slow.base_url, timeout=60, limits=limits) as client, ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: post(client, b"sleep 0.01", "/v1/jobs"), range(300)))
    assert {answer.status_code for answer in answers} <= {202, 429, 503}
    for answer in answers:
        if answer.status_code == 202:
            assert finished(slow, answer.json()["id"])["state"] == "done"
    assert slow.get("/healthz").status_code == 200


def raw(client, content):
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    connection.sendall(content)
    return connection


def test_a_client_that_sends_a_byte_a_second_is_dropped(slow):
    head = b"POST /v1/upscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n"
    head += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    with raw(slow, head) as connection:
        began, answer = time.monotonic(), b""
        connection.sendall(b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n')
        connection.settimeout(1)
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8 and b"408" not in answer:
                connection.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    answer += connection.recv(1000)
    assert b" 408 " in answer
    assert slow.get("/healthz").status_code == 200


def test_a_client_that_stops_reading_holds_up_nobody(slow):
    job = post(slow, b"fine", "/v1/jobs").json()
    finished(slow, job["id"])
    path = f"/v1/jobs/{job['id']}/result".encode()
    stuck = [raw(slow, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(20)]
    assert post(slow, b"fine").status_code == 200
    for connection in stuck:
        connection.close()


def test_the_token(png):
    with serving(handlers.by_name, token="a-long-secret-1") as client:
        assert client.get("/healthz").status_code == 200
        assert "bearer token" in problem(client.get("/v1/models"), 401)
        problem(post(client, b"fine"), 401)
        problem(post(client, b"fine", headers={"Authorization": "Bearer a-long-secret-2"}), 401)
        problem(post(client, b"fine", headers={"Authorization": "a-long-secret-1"}), 401)
        assert post(client, b"fine", headers={"Authorization": "Bearer a-long-secret-1"}).status_code == 200


def test_results_age_out_and_give_way(tmp_path):
    with serving(handlers.by_name, folder=tmp_path, keep_seconds=0.5) as client:
        job = post(client, b"fine", "/v1/jobs").json()
        finished(client, job["id"])
        time.sleep(1.5)
        problem(client.get(f"/v1/jobs/{job['id']}"), 404)
        assert [file.name for file in tmp_path.glob("*/*")] == ["lock"]
    assert not list(tmp_path.iterdir())


def test_a_shutdown_cancels_what_waits_and_stops_the_workers():
    with serving(handlers.by_name, workers=1, grace_seconds=0.2) as client:
        for _ in range(3):
            post(client, b"sleep 100", "/v1/jobs")
        began = time.monotonic()
    assert time.monotonic() - began < 15


def test_models_health_and_metrics(api, png):
    models = api.get("/v1/models").json()
    assert "eusr" in [model["name"] for model in models["models"]]
    assert models["limits"]["max_pixels"] == 1_000_000
    assert api.get("/healthz").json()["status"] == "ok"
    text = api.get("/metrics").text
    for line in text.splitlines():
        assert line.startswith("#") or len(line.split(" ")) == 2
    assert 'fourpass_requests_total{method="GET",status="200"}' in text


def test_the_document_describes_the_form(api):
    document = api.get("/openapi.json").json()
    body = document["paths"]["/v1/upscale"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"image", "scale", "strength", "fit"} <= body["schema"]["properties"].keys()
    assert "application/problem+json" in document["paths"]["/v1/jobs"]["post"]["responses"]["429"]["content"]


def test_the_document_describes_every_form_and_every_kind_of_answer(api):
    paths = api.get("/openapi.json").json()["paths"]
    fields = {
        path: calls["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"].keys()
        for path, calls in paths.items()
        if "post" in calls
    }
    assert fields["/v1/view"] == fields["/v1/restore"] == {"image"}
    assert fields["/v1/preview"] == fields["/v1/jobs"] == fields["/v1/upscale"]
    for calls in paths.values():
        for call in calls.values():
            for status, answer in call["responses"].items():
                assert status[0] == "2" or "application/problem+json" in answer["content"], (
                    call["operationId"],
                    status,
                )
    kinds = {
        path: calls["get"]["responses"]["200"]["content"].keys() for path, calls in paths.items() if "get" in calls
    }
    assert kinds["/v1/archive"] == {"application/zip"}
    assert kinds["/v1/jobs/{id}/source"] == {"application/octet-stream"}


def test_a_method_that_is_not_taken_is_told_all_that_are(api):
    answer = api.options("/v1/jobs/some")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"port": 0}, "^port 0 is not positive"),
        ({"port": 70_000}, "^port 70000 is not below"),
        ({"queue": -1}, "^queue -1 is not positive"),
        ({"token": "short"}, "^the token is shorter"),
    ],
)
def test_bad_settings_are_named(bounds, words):
    with pytest.raises(ConfigError, match=words):
        Settings(**bounds)


@pytest.mark.parametrize(
    ("host", "token", "exposed"),
    [
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("box", None, True),
        ("0.0.0.0", "long-enough", False),
    ],
)
def test_who_can_reach_it_is_known(host, token, exposed):
    assert Settings(host=host, token=token).exposed is exposed
