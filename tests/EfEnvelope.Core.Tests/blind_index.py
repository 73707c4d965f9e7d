"""Computes EfEnvelope blind indexes, written from the format alone and sharing no code with the library.

Usage: python3 blind_index.py < requests.jsonl > responses.jsonl

Each request is one line of JSON and gets one line of JSON in answer, in order.

  {"key": hex, "number": N, "length": N, "parts": [{"field": name, "form": form, "plaintext": hex}, ...]}
      -> {"inputs": [hex, ...], "index": hex}

A plaintext is the bytes that its type has in an envelope. A request that is itself wrong ends the
program with a traceback and exit code 1.

Needs Python 3 and, for decrypt_envelope.py, the module cryptography. Its letters and digits are those of the interpreter's Unicode, which may know more
than the format's, so give it none that are newer than Unicode 15.0.
"""

import hashlib
import hmac
import json
import math
import re
import struct
import sys
import unicodedata

from decrypt_envelope import derive

PURPOSE_BLIND_INDEX = 3
MARK = 0xFB
NO_CAPITAL = "\u0131\u017f\u019b\u0264\ua7d3\ua7d5"  # the first two never, theirs are ASCII; the others have one since Unicode 16 and 17
NEVER_COMPOSED = re.compile("([\u212a\u037e\u1fef])")
WHITE_SPACE = "".join(map(chr, [*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]))


def nfc(text):
    return "".join(part if NEVER_COMPOSED.match(part) else unicodedata.normalize("NFC", part) for part in NEVER_COMPOSED.split(text))


def simple_upper(character):
    """Python has the full mapping. Where that is several characters, the simple one is the title case, if that is one."""
    if character in NO_CAPITAL:
        return character
    for mapped in (character.upper(), character.title()):
        if len(mapped) == 1:
            return mapped
    return character


def upper(text):
    return "".join(map(simple_upper, text))


def normalize(text, normalization):
    if normalization == "exact":
        return text
    if normalization == "case-insensitive":
        return nfc(upper(nfc(text)))
    if normalization == "trimmed":
        return nfc(text).strip(WHITE_SPACE)
    if normalization == "digits-only":
        return "".join(str(unicodedata.decimal(c)) for c in text if unicodedata.category(c) == "Nd")
    if normalization == "email":
        return nfc(upper(nfc(text).strip(WHITE_SPACE)))
    raise ValueError("unknown normalization: %s" % normalization)


def project(text, projection):
    if projection == ["whole"]:
        return text
    kind, count = projection[0], int(projection[1])
    if kind == "first":
        return text[:count]
    if kind == "last":
        return text[-count:]
    raise ValueError("unknown projection: %s" % kind)


def unify_decimal(plaintext):
    flags, coefficient = struct.unpack(">I", plaintext[:4])[0], int.from_bytes(plaintext[4:], "big")
    sign, scale = flags & 0x80000000, flags >> 16 & 0xFF
    while scale and coefficient % 10 == 0:
        coefficient, scale = coefficient // 10, scale - 1
    return struct.pack(">I", (sign if coefficient else 0) | scale << 16) + coefficient.to_bytes(12, "big")


def unify_float(plaintext, layout, nan):
    (value,) = struct.unpack(layout, plaintext)
    if math.isnan(value):
        return bytes.fromhex(nan)
    return bytes(len(plaintext)) if value == 0 else plaintext


def unify_datetimeoffset(plaintext):
    ticks, minutes = struct.unpack(">qh", plaintext)
    return struct.pack(">qh", ticks - minutes * 600_000_000, 0)


def part_bytes(form, plaintext):
    kind, normalization, *projection = form.split(" ")
    if kind == "string":
        return project(normalize(plaintext.decode("utf-8"), normalization), projection).encode("utf-8")
    if normalization != "exact" or projection != ["whole"]:
        raise ValueError("no such form: %s" % form)
    if kind == "decimal":
        return unify_decimal(plaintext)
    if kind == "float32":
        return unify_float(plaintext, ">f", "7fc00000")
    if kind == "float64":
        return unify_float(plaintext, ">d", "7ff8000000000000")
    if kind == "datetime":
        return bytes([plaintext[0] & 0x3F]) + plaintext[1:]
    if kind == "datetimeoffset":
        return unify_datetimeoffset(plaintext)
    return plaintext


def blind_index(key, number, length, parts, inputs):
    context = {"length": str(length)}
    message = b""
    for position, (part, data) in enumerate(zip(parts, inputs), 1):
        context["field.%d" % position] = part["field"]
        context["form.%d" % position] = part["form"]
        message += struct.pack(">I", len(data)) + data
    subkey = derive(key, PURPOSE_BLIND_INDEX, 0, number, context, 32)
    return struct.pack(">BI", MARK, number) + hmac.new(subkey, message, hashlib.sha256).digest()[:length]


def answer(request):
    parts = request["parts"]
    inputs = [part_bytes(part["form"], bytes.fromhex(part["plaintext"])) for part in parts]
    index = blind_index(bytes.fromhex(request["key"]), request["number"], request["length"], parts, inputs)
    return {"inputs": [data.hex() for data in inputs], "index": index.hex()}


def main():
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(json.loads(line.decode("utf-8")))), flush=True)


if __name__ == "__main__":
    main()
