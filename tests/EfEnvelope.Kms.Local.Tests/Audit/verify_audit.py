"""Verifies an exported audit trail with the public key alone. Written from README.md, with nothing of EfEnvelope in it.

Usage: verify_audit.py public-key.pem < export.jsonl
Prints one line of JSON: {"events": n, "attested": last sequence under a checkpoint}, or {"bad": sequence, "why": text} and exits with 1.
"""
import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def part(value):
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value if isinstance(value, bytes) else str(value).encode("utf-8")
    return len(data).to_bytes(4, "big") + data


def associated_data(context):
    pairs = sorted((k.encode("utf-8"), v.encode("utf-8")) for k, v in context.items())
    return len(pairs).to_bytes(4, "big") + b"".join(part(k) + part(v) for k, v in pairs)


def fail(sequence, why):
    print(json.dumps({"bad": sequence, "why": why}))
    sys.exit(1)


def main():
    with open(sys.argv[1], "rb") as file:
        key = serialization.load_pem_public_key(file.read())
    kms, previous, expected, events, attested, hash_of = None, None, None, 0, 0, {}
    for line in sys.stdin:
        record = json.loads(line)
        if record["type"] == "header":
            kms, expected, previous = record["kms"], record["from"], bytes.fromhex(record["previousHash"])
            if expected == 1 and previous != bytes(32):
                fail(1, "a trail begins with zeros")
        elif record["type"] == "event":
            if record["sequence"] != expected:
                fail(expected, "missing")
            fields = [
                "efenvelope-audit-event-v1", kms, record["sequence"], record["time"], record["principal"], record["operation"],
                record["keyName"], record["keyId"], record["keyVersion"], associated_data(record["context"]), record["detail"],
                record["outcome"], record["errorKind"], record["rule"], record["correlationId"], record["node"],
            ]
            digest = hashlib.sha256(previous + b"".join(part(f) for f in fields)).digest()
            if digest.hex() != record["hash"]:
                fail(expected, "hash")
            previous, events = digest, events + 1
            hash_of[expected] = digest
            expected += 1
        elif record["type"] == "checkpoint":
            sequence = record["sequence"]
            if hash_of.get(sequence, b"").hex() != record["hash"] or record["kms"] != kms:
                fail(sequence, "checkpoint of another trail")
            signed = b"".join(part(f) for f in [
                "efenvelope-audit-checkpoint-v1", kms, sequence, record["time"], bytes.fromhex(record["hash"])])
            try:
                key.verify(base64.b64decode(record["signature"]), signed, ec.ECDSA(hashes.SHA256()))
            except InvalidSignature:
                fail(sequence, "signature")
            attested = max(attested, sequence)
        else:
            fail(expected, "unknown line")
    if events and attested != expected - 1:
        fail(attested + 1, "under no checkpoint")
    print(json.dumps({"events": events, "attested": attested}))


main()
