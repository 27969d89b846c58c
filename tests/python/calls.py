"""Asks a service for everything that its OpenAPI document tells of, and much that it does not.

usage: calls.py DOCUMENT BASE_URL SEED [--token TOKEN] [--ca FILE --certificate FILE --key FILE]
       [--known NAME=VALUE]… [--kept NAME=VALUE]…

Every answer must be one that the document tells of: status, media type, body, headers; none is a
5xx, and a method that a path does not take is 405 with `Allow`. A `--known` value takes the place of
every second drawn value of a path parameter, so that calls meet what is there. A `--kept` value is
never the path parameter of a DELETE: the caller's own token, without which nothing more is learnt.

Prints one JSON object: for each call, how often it ended with which status. What is wrong goes to
stderr, and the exit code is not 0. The same seed draws the same calls.
"""

import argparse
import collections
import json
import os
import sys
import tempfile
import zlib

import schemathesis
from schemathesis.cli import schemathesis as cli

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]
# For each call and each phase that draws.
EXAMPLES = 10


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("document")
    parser.add_argument("base")
    parser.add_argument("seed")
    parser.add_argument("--token")
    parser.add_argument("--ca")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--known", action="append", default=[])
    parser.add_argument("--kept", action="append", default=[])
    return parser.parse_args()


def by_name(pairs: list[str]) -> dict[str, list[str]]:
    values = collections.defaultdict(list)
    for pair in pairs:
        name, value = pair.split("=", 1)
        values[name].append(value)
    return values


def watch(known: dict[str, list[str]], kept: dict[str, list[str]]) -> dict[str, collections.Counter]:
    """Puts known values into calls, and counts how they end."""
    ended: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)

    @schemathesis.hook
    def before_call(context, case, kwargs):
        for name, values in known.items():
            if name in (case.path_parameters or {}):
                drawn = zlib.crc32(repr((case.path_parameters, case.query)).encode())
                if drawn % 2:
                    case.path_parameters[name] = values[drawn // 2 % len(values)]
        for name, values in kept.items():
            if case.method.upper() == "DELETE" and (case.path_parameters or {}).get(name) in values:
                case.path_parameters[name] = "another"

    @schemathesis.hook
    def after_call(context, case, response):
        ended[case.operation.label][response.status_code] += 1

    return ended


def main() -> int:
    wanted = arguments()
    ended = watch(by_name(wanted.known), by_name(wanted.kept))
    # What schemathesis prints is for whoever reads of a failure.
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    line = ["run", os.path.abspath(wanted.document), "--url", wanted.base, "--seed", wanted.seed]
    line += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    line += ["--max-examples", str(EXAMPLES), "--workers", "1", "--warnings", "off"]
    line += ["--suppress-health-check", "all", "--continue-on-failure", "--no-shrink"]
    if wanted.token:
        line += ["--header", f"Authorization: Bearer {wanted.token}"]
    if wanted.certificate:
        line += ["--request-cert", wanted.certificate, "--request-cert-key", wanted.key]
        line += ["--tls-verify", wanted.ca]
    # What it keeps for the next run would make that one draw otherwise.
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            cli.main(line)
        except SystemExit as end:
            code = end.code
        os.chdir("/")
    json.dump(ended, own)
    own.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
