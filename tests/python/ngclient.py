"""What python-tuf's client makes of collections.

Reads one question per line and answers each at once, as long as stdin is open:

{"root": HEX, "metadata_url": URL, "names": [NAME, …], "targets_url": URL or null,
 "directory": where the client keeps its metadata, or null for a new client}

The answer is [[NAME, {"length": N} | {"error": TEXT}], …]. With a targets_url the targets are
downloaded too.
"""

import json
import os
import sys
import tempfile

from tuf.ngclient import Updater


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


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
