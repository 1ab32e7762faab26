"""Live viewing sessions: opens thousands, then sends the heartbeat of each every five seconds."""

import asyncio
import json
import statistics
import time
from urllib.parse import urlsplit

from processes import BenchError

HEARTBEAT_SECONDS = 5
CONNECTIONS = 32


class Link:
    """One kept-alive connection; as little work a request as Python allows, for the server shares the machine."""

    async def open(self, url):
        place = urlsplit(url)
        self.reader, self.writer = await asyncio.open_connection(place.hostname, place.port)
        return self

    async def call(self, method, path, token, body):
        head = (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        content = await self.reader.readexactly(length)
        if answer[9:12] not in (b"200", b"201"):
            raise BenchError(f"{method} {path} answered {answer[9:12].decode()}: {content[:300].decode()}")
        return content


async def _share(work, items):
    """Deals the items to the connections."""
    await asyncio.gather(*(work(items[at::CONNECTIONS]) for at in range(CONNECTIONS)))


async def _open(url, tokens, episode, count):
    opened = []

    async def some(numbers):
        link = await Link().open(url)
        for number in numbers:
            token = tokens[number % len(tokens)]
            answer = await link.call("POST", "/streams", token, json.dumps({"episode_id": episode}).encode())
            opened.append((json.loads(answer)["data"]["id"], token))
        link.writer.close()

    await _share(some, range(count))
    return opened


async def _beat(url, opened, seconds):
    """Sends the heartbeats, evenly over time; their latencies in milliseconds."""
    began, took = time.monotonic(), []

    async def some(sessions):
        link = await Link().open(url)
        for turn in range(seconds // HEARTBEAT_SECONDS):
            for at, (session, token) in enumerate(sessions):
                due = began + (turn + at / len(sessions)) * HEARTBEAT_SECONDS
                await asyncio.sleep(max(0, due - time.monotonic()))
                body = b'{"position_seconds":%.3f,"state":"playing"}' % (due - began)
                sent = time.monotonic()
                await link.call("PATCH", f"/streams/{session}", token, body)
                took.append((time.monotonic() - sent) * 1000)
        link.writer.close()

    await _share(some, opened)
    lasted = time.monotonic() - began
    if lasted > seconds * 1.1:
        raise BenchError(f"the heartbeats of {seconds} s took {lasted:.1f} s: the machine cannot keep up")
    return took


def measure(server, tokens, episode, count, seconds):
    """Megabytes that `count` live sessions add, the share of a core that their heartbeats take, their p99 in ms."""
    before = server.memory_mb("VmRSS")
    opened = asyncio.run(_open(server.url, tokens, episode, count))
    asyncio.run(_beat(server.url, opened, HEARTBEAT_SECONDS))
    cpu, began = server.cpu_seconds(), time.monotonic()
    took = asyncio.run(_beat(server.url, opened, seconds))
    share = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
    return server.memory_mb("VmRSS") - before, share, statistics.quantiles(took, n=100)[98]
