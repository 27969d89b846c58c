"""What python-tuf's client makes of collections.

Reads one question per line and answers each at once, as long as stdin is open.

A question about a collection that is served over HTTP:

{"root": HEX, "metadata_url": URL, "names": [NAME, …], "targets_url": URL or null,
 "directory": where the client keeps its metadata, or null for a new client}

The answer is [[NAME, {"length": N} | {"error": TEXT}], …]. With a targets_url the targets are
downloaded too.

A visit to a repository that is in the question:

{"now": SECONDS, "files": {NAME: BASE64, …}, "statuses": {NAME: HTTP STATUS, …}, "names": [NAME, …],
 "directory": where the client keeps its metadata, "targets": where it keeps targets, or null}

The answer is a list of what was seen: of the refresh, then of the look-up of each name. Where
targets are downloaded it is one item about all of it, up to the first failure. Each is
{"decision": "done" | "not_listed" | {"found": TARGET} | {"refused": TEXT},
 "requests": [NAME, …], "stored": {NAME: SHA-256, …}}.
"""

import base64
import datetime
import hashlib
import json
import os
import sys
import tempfile

from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

# The limits of notary_schema::updater::Limits.
LIMITS = UpdaterConfig(
    max_root_rotations=1024,
    max_delegations=63,  # one more is visited
    root_max_length=1 << 20,
    timestamp_max_length=1 << 20,
    snapshot_max_length=16 << 20,
    targets_max_length=64 << 20,
)
BASE = "http://repository/"


def answer(question):
    with tempfile.TemporaryDirectory() as new:
        try:
            updater = client(question, new)
            updater.refresh()
        except Exception as error:  # whatever it is, it is the answer
            return [[name, told(error)] for name in question["names"]]
        return [[name, look_up(updater, name, question, new)] for name in question["names"]]


def client(question, new):
    """A client that starts from the root, or goes on where it was."""
    directory = question["directory"] or new
    started = os.path.exists(os.path.join(directory, "root.json"))
    bootstrap = None if started else bytes.fromhex(question["root"])
    return Updater(directory, question["metadata_url"], bootstrap=bootstrap)


def look_up(updater, name, question, new):
    try:
        found = updater.get_targetinfo(name)
        if found is None:
            return {"error": "not listed"}
        if question["targets_url"]:
            updater.download_target(found, os.path.join(new, "target"), question["targets_url"])
        return {"length": found.length}
    except Exception as error:
        return told(error)


def told(error):
    return {"error": f"{type(error).__name__}: {error}"}


class Recorder(FetcherInterface):
    """Answers requests from a question, and remembers them."""

    def __init__(self, question):
        self.files, self.statuses = question["files"], question["statuses"]
        self.requests = []

    def _fetch(self, url):
        name = url.removeprefix(BASE)
        self.requests.append(name)
        status = self.statuses.get(name, 200 if name in self.files else 404)
        if status != 200:
            raise DownloadHTTPError(f"status {status}", status)
        return iter([base64.b64decode(self.files[name])])


def visit(question):
    recorder, seen = Recorder(question), []

    def see(decide):
        try:
            decision = decide()
        except Exception as error:  # whatever it is, it is the answer
            decision = {"refused": told(error)["error"]}
        stored = stored_in(question["directory"])
        if question["targets"]:
            targets = stored_in(question["targets"])
            stored |= {f"targets/{name}": digest for name, digest in targets.items()}
        seen.append({"decision": decision, "requests": recorder.requests, "stored": stored})
        recorder.requests = []
        return decision

    if question["targets"]:
        see(lambda: download_all(question, recorder))
        return seen
    updater = None

    def refresh():
        nonlocal updater
        updater = client_at(question, recorder)
        updater.refresh()
        return "done"

    if see(refresh) == "done":
        for name in question["names"]:
            see(lambda: find(updater, name))
    return seen


def client_at(question, recorder):
    """A client that goes on where it was, at the time of the question."""
    updater = Updater(
        question["directory"],
        BASE,
        target_dir=question["targets"],
        target_base_url=BASE + "targets/",
        fetcher=recorder,
        config=LIMITS,
        bootstrap=None,
    )
    now = datetime.datetime.fromtimestamp(question["now"], datetime.timezone.utc)
    updater._trusted_set.reference_time = now  # there is no public way
    return updater


def find(updater, name):
    found = updater.get_targetinfo(name)
    if found is None:
        return "not_listed"
    roles = updater._trusted_set._trusted_set.items()
    listing = [role for role, signed in roles if lists(signed, found)]
    assert len(listing) == 1, f"{name} is listed by {listing}"
    custom = found.unrecognized_fields.get("custom")
    target = {"length": found.length, "hashes": found.hashes, "custom": custom}
    return {"found": target | {"role": listing[0]}}


def lists(signed, found):
    """Whether this is the role that vouches for the target: others may list an equal one."""
    return isinstance(signed, Targets) and signed.targets.get(found.path) is found


def download_all(question, recorder):
    updater = client_at(question, recorder)
    updater.refresh()
    for name in question["names"]:
        found = updater.get_targetinfo(name)
        if found is None:
            return {"refused": "not listed"}
        if not updater.find_cached_target(found):
            updater.download_target(found)
    return "done"


def stored_in(directory):
    stored = {}
    for entry in os.scandir(directory):
        if entry.is_file():
            with open(entry.path, "rb") as file:
                stored[entry.name] = hashlib.sha256(file.read()).hexdigest()
    return stored


for line in sys.stdin:
    question = json.loads(line)
    print(json.dumps(visit(question) if "files" in question else answer(question)), flush=True)
