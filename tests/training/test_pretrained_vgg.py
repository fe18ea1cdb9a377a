"""The download of VGG19, against a server on this machine: what comes, what is checked, and what an error says."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from fourpass.errors import WeightsError  # noqa: E402
from fourpass.models.vgg import VGG  # noqa: E402
from fourpass.training import pretrained_vgg  # noqa: E402
from fourpass.training.pretrained_vgg import fetch, load_vgg  # noqa: E402


class Server(http.server.ThreadingHTTPServer):
    """Serves what is in `files`, counts requests, and may hang up halfway."""

    files: dict[str, bytes]
    cut = False
    requests = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.server.cut else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    instance = Server(("127.0.0.1", 0), Handler)
    instance.files = {}
    thread = threading.Thread(target=instance.serve_forever, daemon=True)
    thread.start()
    yield instance
    instance.shutdown()
    instance.server_close()
    thread.join()


def address(server: Server, name: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/{name}"


def silent(_: str) -> None:
    pass


def test_downloaded_once_checked_and_kept(server, tmp_path):
    content = b"weights" * 1000
    name = f"vgg19-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    server.files[f"/{name}"] = content
    said: list[str] = []
    for _ in range(2):
        file = fetch(address(server, name), tmp_path / "checkpoints", report=said.append)
    assert file.read_bytes() == content
    assert server.requests == 1
    assert len(said) == 1
    assert "downloading" in said[0]


def test_other_content_than_its_hash_says(server, tmp_path):
    server.files["/vgg19-dcbb9e9d.pth"] = b"tampered"
    with pytest.raises(WeightsError, match="not dcbb9e9d: damaged in transit; download it on a machine with a network"):
        fetch(address(server, "vgg19-dcbb9e9d.pth"), tmp_path, report=silent)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_ends_halfway(server, tmp_path):
    server.cut = True
    server.files["/vgg19-dcbb9e9d.pth"] = bytes(10_000)
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(.*5000.*\)"):
        fetch(address(server, "vgg19-dcbb9e9d.pth"), tmp_path, report=silent)
    assert list(tmp_path.iterdir()) == []


def test_no_such_file_on_the_server(server, tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(Not Found\); download it on"):
        fetch(address(server, "vgg19-dcbb9e9d.pth"), tmp_path, report=silent)


def test_offline(server, tmp_path):
    url = address(server, "vgg19-dcbb9e9d.pth")
    server.shutdown()
    server.server_close()
    with pytest.raises(
        WeightsError, match=r"not there, and http.* cannot be downloaded .*name another VGG in the recipe"
    ) as error:
        fetch(url, tmp_path, report=silent)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        fetch(address(server, "vgg19-dcbb9e9d.pth"), tmp_path / "file" / "checkpoints", report=silent)


def test_torchvisions_file_becomes_a_frozen_network(server, tmp_path, monkeypatch):
    monkeypatch.setattr("fourpass.models.vgg.CHANNELS", (64, 2, 2, 2, 2))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    buffer = io.BytesIO()
    state = VGG().state_dict()
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, buffer)
    name = f"vgg19-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    server.files[f"/{name}"] = buffer.getvalue()
    network = load_vgg(url=address(server, name), report=silent)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert network.features["34"].bias.equal(state["features.34.bias"])
    assert (tmp_path / "hub" / "checkpoints" / name).is_file()


def test_the_address_is_torchvisions():
    assert pretrained_vgg.URL == "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
