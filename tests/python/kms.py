"""AWS KMS on a free port, which is printed; ends with its standard input.

Stock moto, but for Sign: moto hashes a digest again, signs PSS with the longest salt and takes
messages of any length. Here P-256, P-384 and RSA-PSS sign as AWS documents it.
"""

import base64
import json
import os
import sys
import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from moto.kms.exceptions import ValidationException
from moto.kms.responses import KmsResponse
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MAX_MESSAGE_BYTES = 4096


def sign(self):
    key_id = self._get_param("KeyId")
    self._validate_key_id(key_id)
    message = self._get_param("Message")
    message = message if isinstance(message, bytes) else message.encode()
    algorithm = self._get_param("SigningAlgorithm")
    digest = HASHES[algorithm.rsplit("_", 1)[1]]
    is_digest = self._get_param("MessageType") == "DIGEST"
    key = self.kms_backend.describe_key(key_id)
    if algorithm not in key.signing_algorithms:
        raise ValidationException(f"{algorithm} is not one of {key.signing_algorithms}")
    if is_digest and len(message) != digest.digest_size:
        raise ValidationException("Digest is invalid length for algorithm " + algorithm)
    if not 0 < len(message) <= MAX_MESSAGE_BYTES:
        raise ValidationException("Member must have length between 1 and 4096")
    by = utils.Prehashed(digest) if is_digest else digest
    private = key.private_key.private_key
    if isinstance(private, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
        signature = private.sign(message, salted, by)
    else:
        signature = private.sign(message, ec.ECDSA(by))
    signature = base64.b64encode(signature).decode()
    return json.dumps({"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm})


def end_with_input():
    sys.stdin.read()
    os._exit(0)


KmsResponse.sign = sign
threading.Thread(target=end_with_input, daemon=True).start()
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(f"http://127.0.0.1:{server.port}", flush=True)
server.serve_forever()
