"""Hundreds of clients that stop reading, or stop sending; and how long `/healthz` lets one wait meanwhile."""

import http.client
import multiprocessing
import resource
import socket
import time
from urllib.parse import urlsplit

from processes import BenchError

CLIENTS = 500
PAUSE_SECONDS = 0.02
WATCHED_SECONDS = 4


def _watch(place, kept, end, told):
    """Asks for `/healthz` every 20 ms until `end`; tells how long each answer took, in milliseconds."""
    took, link = [], None
    while not end.is_set():
        began = time.monotonic()
        if link is None:
            link = http.client.HTTPConnection(place, timeout=30)
        link.request("GET", "/healthz")
        answer = link.getresponse()
        answer.read()
        took.append((time.monotonic() - began) * 1000 if answer.status == 200 else float("inf"))
        if not kept:
            link.close()
            link = None
        time.sleep(PAUSE_SECONDS)
    told.put(took)


def _clients(place, beginning):
    """Connections with a small buffer on which nothing is read, and no more than `beginning` is sent."""
    opened = []
    for _ in range(CLIENTS):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((place.hostname, place.port))
        client.sendall(beginning)
        opened.append(client)
    return opened


def longest_wait(server, beginning):
    """The longest of all answers of `/healthz`, on new and on kept connections, in milliseconds.

    Who asks runs in processes of its own: in this one it would wait for the clients that are opened here.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * CLIENTS)), hard))
    place, end, told = urlsplit(server.url), multiprocessing.Event(), multiprocessing.Queue()
    watches = [multiprocessing.Process(target=_watch, args=(place.netloc, kept, end, told)) for kept in (False, True)]
    for watch in watches:
        watch.start()
    time.sleep(0.5)
    clients = _clients(place, beginning.encode())
    time.sleep(WATCHED_SECONDS)
    end.set()
    took = told.get(timeout=60) + told.get(timeout=60)
    for watch in watches:
        watch.join()
    for client in clients:
        client.close()
    if len(took) < WATCHED_SECONDS / PAUSE_SECONDS / 2:
        raise BenchError(f"only {len(took)} answers of /healthz: the machine is too busy for this measurement")
    return max(took)
