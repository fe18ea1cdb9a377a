"""What the page asks for while somebody looks: parts at once, plans, pictures to look at, archives, an upload again."""

import io
import threading
import time
import zipfile

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
httpx = pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

import handlers  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from live import serving  # noqa: E402
from PIL import Image  # noqa: E402

from fourpass import DEFAULT_MODEL  # noqa: E402
from fourpass.imaging import files  # noqa: E402
from fourpass.server import about, options, worker  # noqa: E402
from fourpass.server.about import Speeds  # noqa: E402
from fourpass.server.settings import Settings  # noqa: E402
from fourpass.weights import family  # noqa: E402


@pytest.fixture(scope="module")
def api():
    with serving(handlers.nearest, max_pixels=1_000_000, max_output_pixels=4_000_000) as client:
        yield client


@pytest.fixture(scope="module")
def slow():
    with serving(handlers.by_name) as client:
        yield client


def picture(folder, suffix=".png", size=(20, 30), dtype=np.uint8):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (*size, 3), dtype)
    files.write(folder / f"a{suffix}", pixels)
    return pixels, (folder / f"a{suffix}").read_bytes()


def done(client, content, **fields):
    job = client.post("/v1/jobs", files={"image": ("a & b.png", content)}, data=fields).json()["id"]
    while (state := client.get(f"/v1/jobs/{job}").json())["state"] in ("queued", "running"):
        time.sleep(0.05)
    return state


def test_a_preview_is_what_the_upscale_gives(api, tmp_path):
    _, content = picture(tmp_path)
    given = {"files": {"image": ("a.png", content)}, "data": {"scale": "2"}}
    assert api.post("/v1/preview", **given).content == api.post("/v1/upscale", **given).content


def test_a_preview_does_not_wait_for_jobs(slow):
    job = slow.post("/v1/jobs", files={"image": ("a", b"sleep 20")}).json()["id"]
    began = time.monotonic()
    assert slow.post("/v1/preview", files={"image": ("a", b"fine")}).status_code == 200
    assert slow.get(f"/v1/jobs/{job}").json()["state"] in ("queued", "running")
    assert time.monotonic() - began < 10
    slow.delete(f"/v1/jobs/{job}")


def test_previews_that_nobody_waits_for_any_more_are_left_off_and_no_worker_dies(slow):
    pool = slow.app.state.previews.pool
    before = pool.pids()
    for _ in range(5):
        with pytest.raises(httpx.ReadTimeout):
            slow.post("/v1/preview", files={"image": ("a", b"sleep 10")}, timeout=0.3)
    began = time.monotonic()
    assert slow.post("/v1/preview", files={"image": ("a", b"fine")}).status_code == 200
    assert time.monotonic() - began < 8
    assert pool.pids() == before
    assert pool.replaced == 0


def test_a_cancelled_job_is_left_off_and_its_worker_goes_on(slow):
    pool = slow.app.state.pool
    before = pool.pids()
    job = slow.post("/v1/jobs", files={"image": ("a", b"sleep 10")}).json()["id"]
    while slow.get(f"/v1/jobs/{job}").json()["progress"] == 0:
        time.sleep(0.05)
    slow.delete(f"/v1/jobs/{job}")
    assert slow.post("/v1/upscale", files={"image": ("a", b"fine")}).status_code == 200
    assert pool.pids() == before


def test_too_many_previews_are_sent_away(slow):
    answers = []

    def send():
        answers.append(slow.post("/v1/preview", files={"image": ("a", b"sleep 0.5")}).status_code)

    threads = [threading.Thread(target=send) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {200, 429} == set(answers)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".avif"])
def test_any_format_can_be_looked_at(api, tmp_path, suffix):
    pixels, content = picture(tmp_path, suffix, dtype=np.uint16 if suffix == ".tif" else np.uint8)
    shown = api.post("/v1/view", files={"image": (f"a{suffix}", content)})
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-size"] == "30x20"
    seen = files.read(shown.content)
    assert seen.header.depth == 8
    if suffix == ".tif":
        np.testing.assert_array_equal(seen.frames[0], pixels >> 8)


def test_a_result_that_browsers_cannot_show_can_be_looked_at(api, tmp_path):
    pixels, content = picture(tmp_path)
    state = done(api, content, scale="2", format="tiff")
    shown = api.get(f"/v1/jobs/{state['id']}/view")
    assert shown.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(files.read(shown.content).frames[0], pixels.repeat(2, axis=0).repeat(2, axis=1))
    assert api.get("/v1/jobs/nonsense/view").status_code == 404


def test_looking_at_what_is_no_picture_is_an_error_of_the_client(api):
    answer = api.post("/v1/view", files={"image": ("a.tif", b"no picture")})
    assert answer.status_code == 422
    assert "image" in answer.json()["detail"]


def test_an_upload_and_its_options_can_be_had_again(api, tmp_path):
    _, content = picture(tmp_path)
    state = done(api, content, scale="2", strength="0")
    assert state["name"] == "a & b.png"
    assert state["options"] == {"scale": 2, "strength": 0}
    again = api.get(f"/v1/jobs/{state['id']}/source")
    assert again.content == content
    assert again.headers["content-type"] == "application/octet-stream"
    assert again.headers["content-disposition"].startswith("attachment")
    assert again.headers["x-content-type-options"] == "nosniff"


def test_results_come_as_one_archive(api, tmp_path):
    _, content = picture(tmp_path)
    ids = [done(api, content, scale=str(scale))["id"] for scale in (2, 2, 3)]
    answer = api.get("/v1/archive", params={"id": [*ids, "gone"]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a & b_x2.png", "a & b_x2 (2).png", "a & b_x3.png"]
        assert archive.read("a & b_x2 (2).png") == api.get(f"/v1/jobs/{ids[1]}/result").content
    assert api.get("/v1/archive", params={"id": "gone"}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"scale": 2}, {"size": [1000, 600], "megapixels": 0.6, "format": "jpg", "problem": None}),
        ({"width": 2000, "format": "png"}, {"size": [2000, 1200], "format": "png", "problem": None}),
        ({}, {"size": [2000, 1200], "sensible": {"scale": 4}}),
    ],
)
def test_a_plan_says_what_would_come_out(api, asked, told):
    plan = api.get("/v1/plan", params={"rows": 300, "columns": 500, "source": ".jpg", **asked}).json()
    assert told.items() <= plan.items()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rows": 800, "columns": 1000, "scale": 8}, "4 megapixels"),  # this server's limit
        ({"rows": 2, "columns": 9000, "scale": 8, "format": "webp"}, "WebP"),
        ({"rows": 10, "columns": 10, "scale": 20}, "beyond this model's largest"),
        ({"rows": 2000, "columns": 2000, "scale": 1}, "more than the 1 megapixels"),
    ],
)
def test_a_plan_warns(api, asked, words):
    plan = api.get("/v1/plan", params=asked).json()
    assert words in plan["problem"]
    assert "--" not in plan["problem"]
    if plan["sensible"]:
        again = {name: value for name, value in asked.items() if name != "scale"}
        assert api.get("/v1/plan", params={**again, **plan["sensible"]}).json()["problem"] is None


def test_a_plan_without_sense_is_refused(api):
    for asked in ({"rows": 0, "columns": 5}, {"rows": 5}, {"rows": 5, "columns": 5, "format": "exe"}):
        answer = api.get("/v1/plan", params=asked)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


@settings(deadline=None)
@given(
    rows=st.integers(1, 2**31),
    columns=st.integers(1, 2**31),
    source=st.sampled_from(["", "jpg", ".TIFF", "heic", "exe", "\0"]) | st.text(max_size=5),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "format": st.sampled_from(["png", "jpg", "webp", "avif", "gif", "tiff"]),
            "quality": st.integers(1, 100).map(str),
            "self_ensemble": st.just("true"),
        },
    ),
    size=st.none()
    | st.tuples(st.just("scale"), st.floats(0, 1000, exclude_min=True))
    | st.tuples(st.just("megapixels"), st.floats(0, 1e6, exclude_min=True))
    | st.tuples(st.sampled_from(["width", "height", "longest"]), st.integers(1, 2**20)),
)
def test_there_is_a_plan_for_every_size(rows, columns, source, fields, size):
    bounds, speeds = Settings(), Speeds()
    speeds.note({"trained": 4, "network_pixels": 2_000_000, "seconds": 6.0})
    asked = {**fields, size[0]: str(size[1])} if size else fields
    plan = about.plan(bounds, speeds, rows, columns, source, options.parse(asked))
    assert plan["problem"] or plan["size"][0] * plan["size"][1] <= bounds.max_output_pixels
    if plan["sensible"]:
        sensible = {**fields, **{name: str(value) for name, value in plan["sensible"].items()}}
        again = about.plan(bounds, speeds, rows, columns, source, options.parse(sensible))
        assert again["problem"] is None


def test_the_time_is_estimated_from_what_was_done():
    speeds = Speeds()
    assert speeds.estimate(4, 1_000_000) is None
    for _ in range(40):
        speeds.note({"trained": 4, "network_pixels": 2_000_000, "seconds": 6.0})
    assert speeds.estimate(4, 1_000_000) == pytest.approx(3.0)
    assert speeds.estimate(8, 1_000_000) == pytest.approx(3.0)  # the nearest that is known
    speeds.note({"trained": 4, "network_pixels": 10_000, "seconds": 6.0})  # a little one says little
    assert speeds.estimate(4, 1_000_000) < 6


def test_after_a_job_a_plan_has_its_time(api, tmp_path):
    done(api, picture(tmp_path)[1], scale="4")
    assert api.get("/v1/plan", params={"rows": 300, "columns": 500, "scale": 4}).json()["seconds"] > 0


def test_the_dials_are_those_of_the_weights(api):
    told = api.get("/v1/models").json()
    known = family.families()[DEFAULT_MODEL]
    [strength] = [dial for dial in told["dials"] if dial["name"] == "strength"]
    assert strength["ends"] == ["faithful", "perceptual"]
    assert strength["defaults"] == {str(scale): known.default("strength", scale) for scale in told["scales"]}
    assert {"name": "jpg", "max_side": 65_500} in told["formats"]


@pytest.fixture(scope="module")
def small():
    with serving(worker.start, model="swift", max_output_pixels=4_000_000) as client:
        yield client


def worn(quality):
    tiles = np.random.default_rng(2).integers(60, 190, (20, 23, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(tiles.repeat(5, 0).repeat(5, 1)[:96, :112]).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def test_how_worn_a_photo_is_and_what_becomes_of_it(small):
    decided = small.post("/v1/restore", files={"image": ("a.jpg", worn(60))}).json()
    assert 0.5 < decided["restore"] <= 1
    assert decided["reason"] == "JPEG of quality 60 by its tables"
    report = done(small, worn(60), scale="2")["report"]
    assert (report["restore"], report["restore_reason"]) == (decided["restore"], decided["reason"])
    auto, by_hand, none = (
        small.post("/v1/upscale", files={"image": ("a.jpg", worn(60))}, data={"scale": "2", "format": "png", **more})
        for more in ({"restore": "auto"}, {"restore": str(decided["restore"])}, {"restore": "0"})
    )
    assert auto.status_code == 200
    assert auto.content == by_hand.content
    assert auto.content != none.content


def test_restore_out_of_range_and_a_model_without_it(small, api):
    for value in ("2", "-0.1", "much", "nan"):
        answer = small.post("/v1/preview", files={"image": ("a.jpg", worn(60))}, data={"restore": value})
        assert answer.status_code == 422, value
        assert answer.json()["detail"].startswith("restore: ")
    assert api.post("/v1/restore", files={"image": ("a.jpg", worn(60))}).json() == {"restore": None, "reason": None}
