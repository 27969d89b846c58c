"""Documents, keys and signatures of python-securesystemslib, and its opinion of ours.

vectors.py write SEED COUNT    prints one vector per line, as JSON
vectors.py read                says of each pair of our files on stdin, one per line, what is wrong
"""

import json
import random
import sys

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization.json import JSONSerializer

LARGEST = 2**53 - 1
PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
# Prefixes of each other, quotes, control characters, composed and decomposed letters, other planes.
TEXTS = [
    "", "a", "a b", "a!", "a\"", "a\\", "\"", "\\", "\\\"", "/", "foo", "foo bar", "foo!1",
    "\x00", "\x01", "\t", "\n", "\r\n", "\x1f", "\x7f", "\x80", "\xa0", "\u2028",
    "\u00e9", "e\u0301", "\u00c5", "A\u030a", "\u212b", "\ufb01", "\u1e9b\u0323",
    "\ud7ff", "\ue000", "\ufeff", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff", PEM,
]


def text(rng):
    """A string of several awkward pieces."""
    return "".join(rng.choice(TEXTS) for _ in range(rng.randint(0, 3)))


def value(rng, depth):
    """Any value that canonical JSON can hold, nested up to `depth`."""
    kind = rng.randint(0, 7 if depth else 4)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, 1, -1, LARGEST, -LARGEST, rng.randint(-LARGEST, LARGEST)])
    if kind <= 4:
        return text(rng)
    if kind == 5:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {text(rng): value(rng, depth - 1) for _ in range(rng.randint(0, 6))}


def spelled(rng, document):
    """One of the many texts of a document."""
    return json.dumps(
        document,
        ensure_ascii=rng.random() < 0.5,
        indent=rng.choice([None, None, 1, "\t"]),
        separators=rng.choice([(",", ":"), (", ", ": "), (" ,", " :\r\n")]),
    )


def signers():
    """One of each kind of key; keys are new in every run."""
    keys = [
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
        (ec.generate_private_key(ec.SECP256R1()), "ecdsa-sha2-nistp256"),
        (ec.generate_private_key(ec.SECP384R1()), "ecdsa-sha2-nistp384"),
        (rsa.generate_private_key(65537, 2048), "rsassa-pss-sha256"),
        (rsa.generate_private_key(65537, 3072), "rsassa-pss-sha256"),
    ]
    return [
        CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), scheme=scheme))
        for private, scheme in keys
    ]


def write(seed, count):
    rng = random.Random(seed)

    def put(**vector):
        print(json.dumps(vector))

    for n in range(count):
        document = value(rng, 1 + n % 6)
        put(
            kind="document",
            text=spelled(rng, document),
            canonical=encode_canonical(document).encode().hex(),
        )
    all_signers = signers()
    for signer in all_signers:
        key = signer.public_key
        put(kind="key", object=key.to_dict(), id=key.keyid)
        for message in [b"", b"message", encode_canonical(value(rng, 5)).encode()]:
            signature = signer.sign(message).signature
            put(kind="signature", object=key.to_dict(), message=message.hex(), sig=signature)

    root = Metadata(Root())
    for signer in all_signers:
        root.signed.add_key(signer.public_key, Root.type)
    root.signed.roles[Root.type].threshold = len(all_signers)
    root.signed.unrecognized_fields["x-unknown"] = value(rng, 5)
    for signer in all_signers:
        root.sign(signer, append=True)
    for compact in [True, False]:
        put(kind="root", file=root.to_bytes(JSONSerializer(compact=compact)).decode())


def complaint(pair):
    """What is wrong with {"root", "targets", "message"}: two files of ours, and the bytes that the
    signatures of the second are over. None when nothing is."""
    try:
        signed = json.loads(pair["targets"])["signed"]
        if encode_canonical(signed).encode().hex() != pair["message"]:
            return "it has another canonical form"
        root = Metadata[Root].from_bytes(pair["root"].encode())
        root.verify_delegate(Root.type, root)
        targets = Metadata[Targets].from_bytes(pair["targets"].encode())
        root.verify_delegate(Targets.type, targets)
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return None


def read():
    for line in sys.stdin:
        print(json.dumps(complaint(json.loads(line))))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(int(sys.argv[2]), int(sys.argv[3]))
    else:
        read()
