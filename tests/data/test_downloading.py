"""Archives from a server in this process: whole, broken off, wrong, missing, and not there."""

import hashlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spondyl.data.downloading import download, sha256_of
from spondyl.data.sources import Archive
from spondyl.errors import DownloadError

pytest.importorskip("pooch")

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``CONTENT``; breaks off after ``stop`` bytes of an answer where that is given."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.stop, self.status, self.ranges = [], None, 200, True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((wanted, self.headers["User-Agent"]))
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        status = 206 if start else self.server.status
        self.send_response(416 if start >= len(CONTENT) else status)
        body = CONTENT[start:] if status < 300 else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.server.stop is None else body[: self.server.stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def archive(server, *, sha256=DIGEST):
    return Archive(server.url, "set.zip", sha256)


def test_an_archive_is_fetched_checked_and_not_fetched_again(tmp_path, server):
    for _ in range(2):
        path = download(archive(server), tmp_path / "new")
        assert path.read_bytes() == CONTENT
    assert len(server.asked) == 1
    assert server.asked[0][1].startswith("spondyl/")  # Mendeley refuses nameless programs
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["set.zip"]


def test_another_file_than_expected_is_not_kept(tmp_path, server):
    with pytest.raises(DownloadError, match=r"what came has not the SHA-256 0000"):
        download(archive(server, sha256="0" * 64), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path, server):
    server.stop = 300_000
    with pytest.raises(DownloadError, match="the connection broke off; run the same command to"):
        download(archive(server), tmp_path)
    assert not (tmp_path / "set.zip").exists()
    had = (tmp_path / ".set.zip.part").stat().st_size
    assert 0 < had <= 300_000
    server.stop = None
    assert download(archive(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][0] == f"bytes={had}-"
    assert [p.name for p in tmp_path.iterdir()] == ["set.zip"]


def test_a_server_that_knows_no_ranges_is_asked_for_all_of_it(tmp_path, server):
    (tmp_path / ".set.zip.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    assert download(archive(server), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, b"x" * len(CONTENT), b"x" * 1000])
def test_a_part_is_never_taken_for_the_whole_unless_it_is(tmp_path, server, part):
    (tmp_path / ".set.zip.part").write_bytes(part)
    if part == CONTENT:
        assert download(archive(server), tmp_path).read_bytes() == CONTENT
        return
    with pytest.raises(DownloadError, match="what came has not the SHA-256"):
        download(archive(server), tmp_path)
    assert not list(tmp_path.iterdir())
    assert download(archive(server), tmp_path).read_bytes() == CONTENT


def test_without_a_checksum_a_part_proves_nothing_and_a_short_answer_is_no_archive(
    tmp_path, server
):
    (tmp_path / ".set.zip.part").write_bytes(b"x" * 1000)
    assert download(archive(server, sha256=None), tmp_path).read_bytes() == CONTENT
    assert sha256_of(tmp_path / "set.zip") == DIGEST
    (tmp_path / "set.zip").unlink()
    server.stop = 1000
    with pytest.raises(DownloadError, match="the connection broke off"):
        download(archive(server, sha256=None), tmp_path)
    assert not (tmp_path / "set.zip").exists()


@pytest.mark.parametrize("sha256", [DIGEST, None])
def test_a_file_that_is_there_is_never_overwritten(tmp_path, server, sha256):
    (tmp_path / "set.zip").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"set\.zip: is there already and may be another file"):
        download(archive(server, sha256=sha256), tmp_path)
    assert (tmp_path / "set.zip").read_bytes() == b"mine"
    assert not server.asked


def test_an_answer_that_is_no_archive_is_told_by_its_number(tmp_path, server):
    server.status = 403
    with pytest.raises(DownloadError, match=r"/set\.zip: the server answers 403, need 200"):
        download(archive(server), tmp_path)


def test_offline_is_one_clear_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/set.zip"
    with pytest.raises(DownloadError) as refused:
        download(Archive(url, "set.zip", DIGEST), tmp_path)
    assert str(refused.value) == f"{url}: cannot be reached; is this computer online?"
    assert not list(tmp_path.iterdir())
