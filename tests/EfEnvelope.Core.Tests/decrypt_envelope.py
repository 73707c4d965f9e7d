"""Decrypts EfEnvelope envelopes, written from the format alone and sharing no code with the library.

Usage: python3 decrypt_envelope.py < requests.jsonl > responses.jsonl

Each request is one line of JSON and gets one line of JSON in answer, in order.

  {"key": hex, "context": {name: value, ...}, "envelope": hex}
      -> {"plaintext": hex} or {"error": class}, where class is one of
         "not-an-envelope", "unknown-algorithm", "truncated", "authentication-failed"
  {"op": "commitment", "key": hex, "number": N, "scope": "default"}
      -> {"commitment": hex}

A request that is itself wrong (no JSON, a key that is not 32 bytes) ends the program
with a traceback and exit code 1.

Needs Python 3 and the module cryptography, 38 or later. AES-256-SIV is put together here
from AES-CMAC and AES-CTR, because AESSIV of older versions refuses an empty plaintext.
"""

import hashlib
import hmac
import json
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

SALT = b"EfEnvelope/v1"
PURPOSE_VALUE = 1
PURPOSE_COMMITMENT = 2
AES_256_GCM = 1
AES_256_SIV = 2
HEADER = 5  # marker and algorithm, key number
NONCE = 12
TAG = 16
SYNTHETIC_IV = 16


class EnvelopeError(Exception):
    pass


def hkdf_sha256(key, salt, info, length):
    """RFC 5869, extract and expand."""
    pseudorandom_key = hmac.new(salt, key, hashlib.sha256).digest()
    output = b""
    block = b""
    counter = 1
    while len(output) < length:
        block = hmac.new(pseudorandom_key, block + info + bytes([counter]), hashlib.sha256).digest()
        output += block
        counter += 1
    return output[:length]


def canonical_context(context):
    pairs = sorted((name.encode("utf-8"), value.encode("utf-8")) for name, value in context.items())
    encoded = struct.pack(">I", len(pairs))
    for pair in pairs:
        for text in pair:
            encoded += struct.pack(">I", len(text)) + text
    return encoded


def derive(key, purpose, algorithm, number, context, length):
    if len(key) != 32:
        raise ValueError("a data key has 32 bytes, not %d" % len(key))
    info = struct.pack(">BBI", purpose, algorithm, number) + canonical_context(context)
    return hkdf_sha256(key, SALT, info, length)


def decrypt(key, context, envelope):
    if len(envelope) < HEADER or envelope[0] & 0xF8 != 0xF8:
        raise EnvelopeError("not-an-envelope")
    algorithm = envelope[0] & 0x07
    (number,) = struct.unpack(">I", envelope[1:HEADER])
    body = envelope[HEADER:]

    if algorithm == AES_256_GCM:
        if len(body) < NONCE + TAG:
            raise EnvelopeError("truncated")
        subkey = derive(key, PURPOSE_VALUE, algorithm, number, context, 32)
        try:
            return AESGCM(subkey).decrypt(body[:NONCE], body[NONCE:], None)
        except InvalidTag:
            raise EnvelopeError("authentication-failed") from None

    if algorithm == AES_256_SIV:
        if len(body) < SYNTHETIC_IV:
            raise EnvelopeError("truncated")
        subkey = derive(key, PURPOSE_VALUE, algorithm, number, context, 64)
        return decrypt_siv(subkey, body)

    raise EnvelopeError("unknown-algorithm")


def cmac(key, message):
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def double(block):
    """RFC 5297, section 2.3: multiplication by x in GF(2^128)."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value ^= (1 << 128) | 0x87
    return value.to_bytes(16, "big")


def synthetic_iv(mac_key, plaintext):
    """RFC 5297, section 2.4: S2V over the plaintext alone."""
    mask = cmac(mac_key, bytes(16))
    if len(plaintext) >= 16:
        return cmac(mac_key, plaintext[:-16] + xor(plaintext[-16:], mask))
    padded = plaintext + b"\x80" + bytes(15 - len(plaintext))
    return cmac(mac_key, xor(padded, double(mask)))


def decrypt_siv(subkey, body):
    """RFC 5297, section 2.7, without associated data components."""
    iv, ciphertext = body[:SYNTHETIC_IV], body[SYNTHETIC_IV:]
    counter = bytearray(iv)
    counter[8] &= 0x7F
    counter[12] &= 0x7F
    decryptor = Cipher(algorithms.AES(subkey[32:]), modes.CTR(bytes(counter))).decryptor()
    plaintext = decryptor.update(ciphertext) + decryptor.finalize()
    if not hmac.compare_digest(synthetic_iv(subkey[:32], plaintext), iv):
        raise EnvelopeError("authentication-failed")
    return plaintext


def commitment(key, number, scope):
    return derive(key, PURPOSE_COMMITMENT, 0, number, {"scope": scope}, 32)


def answer(request):
    key = bytes.fromhex(request["key"])
    operation = request.get("op", "decrypt")
    if operation == "commitment":
        return {"commitment": commitment(key, request["number"], request["scope"]).hex()}
    if operation != "decrypt":
        raise ValueError("unknown op: %s" % operation)
    try:
        return {"plaintext": decrypt(key, request["context"], bytes.fromhex(request["envelope"])).hex()}
    except EnvelopeError as error:
        return {"error": str(error)}


def main():
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(json.loads(line.decode("utf-8")))), flush=True)


if __name__ == "__main__":
    main()
