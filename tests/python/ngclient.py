"""What python-tuf's client makes of collections.

Reads one question per line, {"root": HEX, "metadata_url", "names"}, and prints one line of answers,
[[NAME, {"length": N} | {"error": TEXT}], …]. Each question gets a new client.
"""

import json
import sys
import tempfile

from tuf.ngclient import Updater


def answer(question):
    with tempfile.TemporaryDirectory() as directory:
        try:
            root = bytes.fromhex(question["root"])
            updater = Updater(directory, question["metadata_url"], bootstrap=root)
            updater.refresh()
        except Exception as error:  # whatever it is, it is the answer
            return [[name, told(error)] for name in question["names"]]
        return [[name, look_up(updater, name)] for name in question["names"]]


def look_up(updater, name):
    try:
        found = updater.get_targetinfo(name)
        return {"error": "not listed"} if found is None else {"length": found.length}
    except Exception as error:
        return told(error)


def told(error):
    return {"error": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
