"""Fills a fresh Playhouse over its own HTTP interface: accounts, series, and one large video."""

import http.client
import json
import os
import subprocess
import time
from urllib.parse import quote, urlsplit

from processes import BenchError

PASSWORD = "a long quiet evening 42"
SERIES = 1000
LOGIN_ACCOUNTS = 64
VIDEO_BYTES = 256_000_000
KEPT_SECONDS = 5


class Client:
    """One kept-alive connection to a server, opened anew where it was not used for a while: the server may have closed it."""

    def __init__(self, url):
        self.link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        self.token = None
        self.used = 0.0

    def call(self, method, path, body=None, headers=None):
        """Status, headers and bytes of an answer."""
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if time.monotonic() - self.used > KEPT_SECONDS:
            self.link.close()
        self.link.request(method, path, body, headers)
        answer = self.link.getresponse()
        content = answer.read()
        self.used = time.monotonic()
        return answer.status, answer.headers, content

    def data(self, method, path, body=None, headers=None):
        """The `data` of an answer that must be a success."""
        status, _, content = self.call(method, path, body, headers)
        if status not in (200, 201):
            raise BenchError(f"{method} {path} answered {status}: {content[:500].decode(errors='replace')}")
        return json.loads(content)["data"]


def register(client, email):
    client.data("POST", "/users/registration",
                {"first_name": "Load", "last_name": "Test", "email": email, "password": PASSWORD})


def make_video(folder):
    """A valid H.264 MP4 of about 256 MB: two seconds of noise, encoded once and repeated by copying."""
    clip, video = os.path.join(folder, "clip.mp4"), os.path.join(folder, "video.mp4")
    quiet = ["ffmpeg", "-nostdin", "-v", "error", "-y"]
    picture = "testsrc2=size=1280x720:rate=25,noise=alls=80:allf=t"
    for command in (
        [*quiet, "-f", "lavfi", "-i", picture, "-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "8",
         "-pix_fmt", "yuv420p", clip],
        [*quiet, "-stream_loop", "-1", "-i", clip, "-c", "copy", "-fs", str(VIDEO_BYTES), video],
    ):
        subprocess.run(command, check=True)
    return video


def upload(client, video):
    """The id of the uploaded file; the body is streamed from disk."""
    line = "playhouse-bench-boundary"
    head = (f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="video.mp4"\r\n'
            "Content-Type: video/mp4\r\n\r\n").encode()
    tail = f"\r\n--{line}--\r\n".encode()

    def parts():
        yield head
        with open(video, "rb") as file:
            while piece := file.read(1 << 18):
                yield piece
        yield tail

    length = len(head) + os.path.getsize(video) + len(tail)
    return client.data("POST", "/files", parts(), {
        "Content-Type": f"multipart/form-data; boundary={line}", "Content-Length": str(length)})["id"]


class Catalogue:
    """What was made, as the paths and sizes that the measurements need."""

    def __init__(self, url, folder, media_dir):
        self.url = url
        client = self.client = Client(url)
        register(client, "owner@bench.example")
        for number in range(LOGIN_ACCOUNTS):
            register(client, f"load{number}@bench.example")
        client.token = client.data("POST", "/users/login",
                                   {"email": "owner@bench.example", "password": PASSWORD})["token"]
        genre = client.data("POST", "/genres", {"name": "Drama"})["id"]
        for number in range(SERIES):
            series = client.data("POST", "/series", {
                "name": f"Series {number:04}", "description": f"What happens in the {number}th house of the street.",
                "genre_ids": [genre], "rating": number % 101 / 10})["id"]
        self.one = f"/series/{series}"
        self.page = f"/series?genre_id={quote(genre)}&sort=-name&limit=10"
        video = make_video(folder)
        self.video = upload(client, video)
        self.series = series
        self.media = f"/media/{self.video}"
        self.media_bytes = os.path.getsize(video)
        self.stored = self._check_stored(video, media_dir)

    def _check_stored(self, video, media_dir):
        """The stored file itself, so that both servers read the same pages of memory."""
        status, headers, content = self.client.call("GET", self.media, headers={"Range": "bytes=1000000-1000099"})
        with open(video, "rb") as file:
            file.seek(1_000_000)
            wanted = f"bytes 1000000-1000099/{self.media_bytes}"
            if (status, headers["Content-Range"], content) != (206, wanted, file.read(100)):
                raise BenchError(f"GET {self.media} with a range: {status}, {headers['Content-Range']}")
        for folder, _, names in os.walk(media_dir):
            for path in (os.path.join(folder, name) for name in names):
                if os.path.getsize(path) == self.media_bytes:
                    return os.path.abspath(path)
        raise BenchError(f"no file of {self.media_bytes} bytes in {media_dir}")

    def episode(self):
        """An episode that shows the video."""
        season = self.client.data("POST", "/seasons", {"series_id": self.series, "name": "One"})["id"]
        return self.client.data("POST", "/episodes", {"season_id": season, "name": "One", "file_id": self.video})["id"]

    def viewers(self):
        """Tokens of the accounts that are not the owner of anything."""
        signed_in = Client(self.url)
        emails = (f"load{number}@bench.example" for number in range(LOGIN_ACCOUNTS))
        return [signed_in.data("POST", "/users/login", {"email": email, "password": PASSWORD})["token"]
                for email in emails]

    def size(self, path):
        """Bytes of the body that a path answers."""
        status, _, content = self.client.call("GET", path)
        if status != 200:
            raise BenchError(f"GET {path} answered {status}")
        return len(content)
