"""Uploads an image under each name with requests, fetches it back with urllib, and says what came of it.

Reads one line of JSON, {"base", "token", "image", "names"}, and writes one: for each name what the answer calls the
image, what the header of the download calls it, the names of all headers, and whether the bytes are the same.
"""

import json
import sys
import urllib.request
from email.utils import collapse_rfc2231_value

import requests

job = json.loads(sys.stdin.readline())
authorization = {"Authorization": "Bearer " + job["token"]}
with open(job["image"], "rb") as file:
    image = file.read()


def called(headers):
    """Of `filename` and `filename*` the latter, as RFC 6266 has it; both in the order in which they stand."""
    names = [value for name, value in headers.get_params(header="content-disposition") if name == "filename"]
    return collapse_rfc2231_value(names[-1])


told = []
for name in job["names"]:
    sent = requests.post(job["base"] + "/images", headers=authorization, files={"file": (name, image)}, timeout=30)
    sent.raise_for_status()
    request = urllib.request.Request(job["base"] + sent.headers["Location"], headers=authorization)
    with urllib.request.urlopen(request, timeout=30) as got:
        told.append({
            "kept": sent.json()["name"],
            "given": called(got.headers),
            "headers": sorted(header.lower() for header in got.headers.keys()),
            "same": got.read() == image,
        })
print(json.dumps(told))
