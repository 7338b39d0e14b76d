#!/usr/bin/env python3
"""A second implementation of the protocol of tacit, written from docs/protocol.md alone.

It exists to prove that the page is complete and that the two agree. It is slow, it is not constant
in time and it keeps nothing on disk: it must never handle a real list.

    tacit.py --self-test              check the primitives against the published vectors
    tacit.py id SEED                  write out a node's id and its words
    tacit.py verify SESSIONS.json     follow recorded sessions as somebody who only listens
    tacit.py play                     play one side over stdin and stdout (see `play`)

Section numbers are those of docs/protocol.md.
"""

import functools
import hashlib
import hmac
import json
import random
import secrets
import struct
import sys
from collections import namedtuple
from pathlib import Path


class Refused(Exception):
    """What the other side sent breaks the protocol."""


def require(condition, why):
    if not condition:
        raise Refused(why)


# ---- §1 Notation: integers, hashes, scalars --------------------------------------------------------

NARROW, WIDE = 1, 2
INITIATOR, RESPONDER = 1, 2
CHUNK = 4096
IN_FLIGHT = 4


def u8(x): return struct.pack(">B", x)
def u16(x): return struct.pack(">H", x)
def u32(x): return struct.pack(">I", x)
def u64(x): return struct.pack(">Q", x)
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def sha512(*parts): return hashlib.sha512(b"".join(parts)).digest()
def other(role): return INITIATOR + RESPONDER - role
def lp(x): return u32(len(x)) + x


def text(n, value):
    raw = value.encode()
    assert len(raw) <= n
    return u8(len(raw)) + raw.ljust(n, b"\0")


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493


def wide(b): return int.from_bytes(b, "little") % L
def encode_scalar(x): return x.to_bytes(32, "little")
def random_scalar(): return secrets.randbelow(L)


def decode_scalar(b):
    x = int.from_bytes(b, "little")
    require(len(b) == 32 and x < L, "a scalar that is not canonical")
    return x


# ---- §1 Notation: the curve, and ristretto255 on it (RFC 9496) --------------------------------------

D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
INVSQRT_A_MINUS_D = 54469307008909316920995813868745141605393597292927456921205312896311721017578
ONE_MINUS_D_SQ = (1 - D * D) % P
D_MINUS_ONE_SQ = (D - 1) ** 2 % P


def add(p, q):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = p, q
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * D * t1 % P * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(p):
    x, y, z, _ = p
    a, b = x * x % P, y * y % P
    h = a + b
    e, g = h - (x + y) ** 2 % P, a - b
    f = 2 * z * z + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def negate(p): return -p[0] % P, p[1], p[2], -p[3] % P


ZERO = (0, 1, 1, 0)


def mul(k, p):
    """k·p, by windows of four bits."""
    multiples = [ZERO, p]
    while len(multiples) < 16:
        multiples.append(add(multiples[-1], p))
    out = ZERO
    for digit in f"{k % L:064x}":
        out = add(double(double(double(double(out)))), multiples[int(digit, 16)])
    return out


class FixedBase:
    """Multiples of one point, prepared once for many multiplications."""

    def __init__(self, p):
        self.rows = []
        for _ in range(64):
            row = [ZERO]
            for _ in range(15):
                row.append(add(row[-1], p))
            self.rows.append(row)
            p = add(row[-1], p)

    def mul(self, k):
        out = ZERO
        for row, digit in zip(self.rows, reversed(f"{k % L:064x}")):
            out = add(out, row[int(digit, 16)])
        return out


def weighted_sum(weights, points):
    """Σ weight·point for weights of 128 bits, by buckets."""
    out = ZERO
    for shift in range(120, -8, -8):
        for _ in range(8):
            out = double(out)
        buckets = [ZERO] * 256
        for weight, point in zip(weights, points):
            buckets[weight >> shift & 255] = add(buckets[weight >> shift & 255], point)
        running = ZERO
        for bucket in reversed(buckets[1:]):
            running = add(running, bucket)
            out = add(out, running)
    return out


def magnitude(x): return P - x if x & 1 else x


def sqrt_ratio(u, v):
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    flipped = check in (-u % P, -u * SQRT_M1 % P)
    return check in (u % P, -u % P), magnitude(r * SQRT_M1 % P if flipped else r)


def enc(p):
    x, y, z, t = p
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    _, invsqrt = sqrt_ratio(1, u1 * u2 * u2 % P)
    den1, den2 = invsqrt * u1 % P, invsqrt * u2 % P
    z_inv = den1 * den2 * t % P
    den_inv = den2
    if t * z_inv % P & 1:
        x, y, den_inv = y * SQRT_M1 % P, x * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    if x * z_inv % P & 1:
        y = -y
    return magnitude(den_inv * (z - y) % P).to_bytes(32, "little")


def decode(b):
    """An element; neither another encoding than the canonical one nor the identity."""
    s = int.from_bytes(b, "little")
    require(len(b) == 32 and s < P and not s & 1, "an element that is not canonical")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = -(D * u1 * u1 + u2 * u2) % P
    square, invsqrt = sqrt_ratio(1, v * u2 * u2 % P)
    x = magnitude(2 * s * invsqrt * u2 % P)
    y = u1 * invsqrt * invsqrt * u2 * v % P
    require(square and not x * y % P & 1 and y != 0, "an element that does not decode")
    require(s != 0, "the identity as an element")
    return x, y, 1, x * y % P


def one_way_map(b):
    def half(h):
        t = (int.from_bytes(h, "little") & (1 << 255) - 1) % P
        r = SQRT_M1 * t * t % P
        u, v = (r + 1) * ONE_MINUS_D_SQ % P, (-1 - r * D) * (r + D) % P
        square, s = sqrt_ratio(u, v)
        c = -1
        if not square:
            s, c = -magnitude(s * t % P), r
        n = c * (r - 1) * D_MINUS_ONE_SQ - v
        w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
        return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P
    return add(half(b[:32]), half(b[32:]))


BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = sqrt_ratio((BASE_Y * BASE_Y - 1) % P, (D * BASE_Y * BASE_Y + 1) % P)[1]
G = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)
G_TABLE = FixedBase(G)
mul_g = G_TABLE.mul


# ---- §2 Channel: Ed25519 (RFC 8032), ids and words ---------------------------------------------------

def ed_encode(p):
    inverse = pow(p[2], -1, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed_decode(b):
    y = int.from_bytes(b, "little") & (1 << 255) - 1
    square, x = sqrt_ratio((y * y - 1) % P, (D * y * y + 1) % P)
    require(len(b) == 32 and y < P and square and not (x == 0 and b[31] >> 7), "not a point")
    if b[31] >> 7:
        x = -x % P
    return x, y, 1, x * y % P


def decode_id(b):
    p = ed_decode(b)
    # ℓ·p is taken as (ℓ−1)·p + p, because `mul` reduces its scalar.
    require(ed_encode(p) != ed_encode(ZERO) and ed_encode(add(mul(L - 1, p), p)) == ed_encode(ZERO),
            "an id that is not of prime order")
    return p


def ed_secret(seed):
    h = sha512(seed)
    return int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254, h[32:]


def node_id(seed): return ed_encode(mul_g(ed_secret(seed)[0]))


def sign(seed, message):
    a, prefix = ed_secret(seed)
    r = wide(sha512(prefix, message))
    point = ed_encode(mul_g(r))
    c = wide(sha512(point, node_id(seed), message))
    return point + encode_scalar((r + c * a) % L)


def verify_signature(public, message, signature):
    a = decode_id(public)
    s = decode_scalar(signature[32:])
    c = wide(sha512(signature[:32], public, message))
    require(ed_encode(add(mul_g(s), negate(mul(c, a)))) == signature[:32], "a signature that does not verify")


def bech32m(prefix, payload):
    bits = int.from_bytes(payload, "big") << -len(payload) * 8 % 5
    count = (len(payload) * 8 + 4) // 5
    data = [bits >> 5 * i & 31 for i in reversed(range(count))]
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + data + [0] * 6:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> i & 1 else 0
    check ^= 0x2BC830A3
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    return prefix + "1" + "".join(alphabet[v] for v in data + [check >> 5 * i & 31 for i in range(5, -1, -1)])


def words(id_, word_list):
    number = int.from_bytes(sha256(b"tacit/v1/words", id_)[:16], "big") % 7776**8
    return [word_list[number // 7776**i % 7776] for i in range(7, -1, -1)]


# ---- §3 Messages: protobuf, in the one canonical encoding -----------------------------------------------

KINDS = ["offer", "answer", "commitment", "blinded", "evaluated", "table", "agreement", "release", "abort"]
# Offers, answers, commitments, agreements and releases have one field, `data`. Chunks have `cls`, `index`,
# `data` and, when evaluated, `proof`.
Message = namedtuple("Message", "kind data cls index proof", defaults=(0, 0, b""))


def varint(x):
    out = bytearray()
    while x > 127:
        out.append(x & 127 | 128)
        x >>= 7
    return bytes(out) + u8(x)


def bytes_field(number, value): return varint(number << 3 | 2) + varint(len(value)) + value
def int_field(number, value): return varint(number << 3) + varint(value) if value else b""


def encode_message(m):
    body = m.data
    if m.kind == "abort":
        body = int_field(1, m.index)
    elif m.kind in ("blinded", "evaluated", "table"):
        body = int_field(1, m.cls) + int_field(2, m.index)
        body += bytes_field(3, m.data) if m.data else b""
        body += bytes_field(4, m.proof) if m.proof else b""
    return bytes_field(KINDS.index(m.kind) + 1, body)


def fields(b):
    def number():
        nonlocal b
        value = shift = 0
        while True:
            require(b and shift < 64, "a message cut short")
            byte, b = b[0], b[1:]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while b:
        key = number()
        value = number()
        if key & 7 == 2:
            require(len(b) >= value, "a message cut short")
            value, b = b[:value], b[value:]
        else:
            require(key & 7 == 0, "a field of an unknown type")
        yield key >> 3, value


def decode_message(raw):
    require(len(raw) <= 1 << 20, "a message that is too long")
    [(number, body)] = list(fields(raw)) or [(0, b"")]
    require(1 <= number <= len(KINDS) and isinstance(body, bytes), "an unknown kind of message")
    kind = KINDS[number - 1]
    if kind in ("blinded", "evaluated", "table"):
        inner = dict(fields(body))
        m = Message(kind, inner.get(3, b""), inner.get(1, 0), inner.get(2, 0), inner.get(4, b""))
    elif kind == "abort":
        m = Message(kind, b"", index=dict(fields(body)).get(1, 0))
    else:
        m = Message(kind, body)
    require(encode_message(m) == raw, "a message that is not in its canonical encoding")
    return m


# ---- §4.1 HashToGroup and §4.2 tags -----------------------------------------------------------------------

def expand_message_xmd(message, dst, length):
    dst += u8(len(dst))
    b0 = sha512(bytes(128), message, u16(length), u8(0), dst)
    block = sha512(b0, u8(1), dst)
    out = block
    while len(out) < length:
        block = sha512(bytes(a ^ b for a, b in zip(b0, block)), u8(len(out) // 64 + 1), dst)
        out += block
    return out[:length]


def hash_to_group(x, dst=b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512"):
    return one_way_map(expand_message_xmd(x, dst, 64))


def finalize(x, u): return sha512(u16(len(x)), x, u16(32), u, b"Finalize")
def tag(x, k): return finalize(x, enc(mul(4 * k, hash_to_group(x))))[:16]


# ---- §4.3 Blinding -----------------------------------------------------------------------------------------

def blind(x):
    r = random_scalar()
    return r, enc(double(add(hash_to_group(x), mul_g(r))))


def unblinded_tag(x, r, evaluated, twice_public):
    n = add(evaluated, negate(twice_public.mul(r)))
    return finalize(x, enc(double(n)))[:16]


# ---- §4.4 Proofs -------------------------------------------------------------------------------------------

def challenge(label, context, public, *points):
    return wide(sha512(b"tacit/v1/challenge", lp(label), lp(context), public, *points))


def prove_knowledge(context, x):
    t = random_scalar()
    c = challenge(b"tacit/v1/knowledge", context, enc(mul_g(x)), enc(mul_g(t)))
    return encode_scalar(c) + encode_scalar((t - c * x) % L)


def verify_knowledge(context, public, proof):
    c, s = decode_scalar(proof[:32]), decode_scalar(proof[32:])
    p = add(mul_g(s), mul(c, decode(public)))
    require(challenge(b"tacit/v1/knowledge", context, public, enc(p)) == c, "a proof of knowledge that does not verify")


def prove_equality(label, context, x, m):
    t = random_scalar()
    c = challenge(label, context, enc(mul_g(x)), enc(m), enc(mul(x, m)), enc(mul_g(t)), enc(mul(t, m)))
    return encode_scalar(c) + encode_scalar((t - c * x) % L)


def verify_equality(label, context, public, m, z, proof):
    c, s = decode_scalar(proof[:32]), decode_scalar(proof[32:])
    p = add(mul_g(s), mul(c, decode(public))), add(mul(s, m), mul(c, z))
    require(challenge(label, context, public, enc(m), enc(z), enc(p[0]), enc(p[1])) == c, f"{label.decode()}: a proof that does not verify")


def batch_weights(context, public, blinded, evaluated):
    seed = sha512(b"tacit/v1/batch-seed", lp(context), public, u64(len(blinded) // 32), blinded, evaluated)
    return [int.from_bytes(sha512(seed, u32(i))[:16], "little") for i in range(len(blinded) // 32)]


@functools.lru_cache(maxsize=4)
def elements(b): return [decode(b[i:i + 32]) for i in range(0, len(b), 32)]


def evaluate(context, k, blinded):
    evaluated = b"".join(enc(mul(k, p)) for p in elements(blinded))
    weights = batch_weights(context, enc(mul_g(k)), blinded, evaluated)
    return evaluated, prove_equality(b"tacit/v1/batch", context, k, weighted_sum(weights, elements(blinded)))


def verify_batch(context, public, blinded, evaluated, proof):
    weights = batch_weights(context, public, blinded, evaluated)
    m, z = weighted_sum(weights, elements(blinded)), weighted_sum(weights, elements(evaluated))
    verify_equality(b"tacit/v1/batch", context, public, m, z, proof)


# ---- §5 Offer, answer, session id, commitment -----------------------------------------------------------------

NO_MEDIATOR = hash_to_group(b"tacit/v1/no-mediator", b"tacit/v1/no-mediator-ristretto255-SHA512")


class Terms:
    """What both sides must say alike. `ceilings` has the rows narrow and wide, zeros for a wide class that is off."""

    def __init__(self, schema, schema_digest, settling_point, ceilings, window, reference):
        self.point = settling_point or enc(NO_MEDIATOR)
        self.mediated, self.ceilings, self.window = settling_point is not None, ceilings, window
        self.classes = [NARROW, WIDE] if any(ceilings[1]) else [NARROW]
        self.head = b"tacit/v1" + u16(1) + u16(1) + text(31, schema) + schema_digest + u8(self.mediated) + self.point
        self.head += b"".join(u32(n) for row in ceilings for n in row) + u32(window) + text(200, reference)

    @classmethod
    def from_offer(cls, raw):
        """The terms in an offer, as somebody who has none of their own reads them."""
        ceilings = [struct.unpack(">4I", raw[109 + 16 * i:125 + 16 * i]) for i in range(2)]
        schema, reference = raw[13:13 + raw[12]].decode(), raw[146:146 + raw[145]].decode()
        point = raw[77:109] if raw[76] else None
        terms = cls(schema, raw[44:76], point, ceilings, int.from_bytes(raw[141:145], "big"), reference)
        terms.check(raw)
        return terms

    def make(self): return self.head + secrets.token_bytes(32) + bytes(134)

    def check(self, raw):
        require(len(raw) == 512 and raw[:346] == self.head and raw[378:] == bytes(134), "terms that differ")

    def held(self, role, cls): return self.ceilings[cls - 1][0 if role == INITIATOR else 2]
    def requested(self, role, cls): return self.ceilings[cls - 1][1 if role == INITIATOR else 3]


class Commitment:
    """§5.3, as bytes and as its parts."""

    def __init__(self, raw, classes):
        require(len(raw) == 96 + 136 * len(classes), "a commitment of another size")
        self.raw, self.s, self.keys, self.digests, self.lengths = raw, raw[:32], {}, {}, {}
        self.proofs = [(0, self.s, raw[32:96])]
        for i, cls in enumerate(classes):
            part = raw[96 + 136 * i:232 + 136 * i]
            self.keys[cls], self.digests[cls] = part[:32], part[96:128]
            self.lengths[cls] = int.from_bytes(part[128:], "big")
            self.proofs.append((cls, self.keys[cls], part[32:96]))

    def points(self): return {self.s, *self.keys.values()}

    def verify(self, context):
        for which, public, proof in self.proofs:
            verify_knowledge(context + u8(which), public, proof)


def commitment_context(sid, role, ids, point, s, keys):
    own, peer = ids[role], ids[other(role)]
    return b"tacit/v1/commitment" + sid + u8(role) + own + peer + point + s + b"".join(keys)


# ---- §6 Table: HKDF (RFC 5869), ChaCha20-Poly1305 (RFC 8439) ------------------------------------------------------

def table_key(shared, s, point, cls):
    extracted = hmac.digest(bytes(32), shared, "sha256")
    return hmac.digest(extracted, b"tacit/v1/table" + s + point + u8(cls) + u8(1), "sha256")


def chacha20_block(key, counter, nonce):
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    x = start[:]
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for i, j, k, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[i] = x[i] + x[j] & 0xFFFFFFFF
                x[k] ^= x[i]
                x[k] = (x[k] << turn | x[k] >> 32 - turn) & 0xFFFFFFFF
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, start)))


def chacha20(key, nonce, data):
    stream = b"".join(chacha20_block(key, 1 + i, nonce) for i in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, stream))


def poly1305(key, nonce, associated, ciphertext):
    one_time = chacha20_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated, ciphertext))
    padded += struct.pack("<QQ", len(associated), len(ciphertext))
    total = 0
    for i in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(one_time[16:32], "little")) % 2**128).to_bytes(16, "little")


def seal(key, nonce, associated, plain):
    ciphertext = chacha20(key, nonce, plain)
    return ciphertext + poly1305(key, nonce, associated, ciphertext)


def unseal(key, nonce, associated, sealed):
    require(hmac.compare_digest(poly1305(key, nonce, associated, sealed[:-16]), sealed[-16:]), "a table that does not open")
    return chacha20(key, nonce, sealed[:-16])


def chunk_sizes(n): return [min(CHUNK, n - i) for i in range(0, n, CHUNK)]


def seal_table(key, tags):
    chunks = [tags[i:i + CHUNK] for i in range(0, len(tags), CHUNK)]
    return [seal(key, bytes(8) + u32(i), u32(len(chunks)), b"".join(c)) for i, c in enumerate(chunks)]


def open_table(key, sealed, count):
    plain = b"".join(unseal(key, bytes(8) + u32(i), u32(len(sealed)), c) for i, c in enumerate(sealed))
    tags = [plain[i:i + 16] for i in range(0, len(plain), 16)]
    require(len(tags) == count, "a table with another number of tags")
    require(all(a < b for a, b in zip(tags, tags[1:])), "a table that is not strictly ascending")
    return set(tags)


def fill(identities, ceiling):
    distinct = list(dict.fromkeys(identities))
    assert len(distinct) <= ceiling
    return distinct + [secrets.token_bytes(32) for _ in range(ceiling - len(distinct))]


# ---- §3, §7, §8, §9: everything that can be checked by listening --------------------------------------------------

class Chunks:
    """The chunks of one kind, in one direction: the next one due, the sizes, the running hash of each class."""

    def __init__(self, classes, count):
        self.due = [(cls, i, size) for cls in classes for i, size in enumerate(chunk_sizes(count(cls)))]
        self.hashes = {cls: hashlib.sha256() for cls in classes}
        self.seen = {cls: [] for cls in classes}
        self.done = 0

    def complete(self): return self.done == len(self.due)

    def take(self, m, element, extra):
        require(not self.complete() and (m.cls, m.index) == self.due[self.done][:2], f"a {m.kind} chunk out of order")
        require(len(m.data) == element * self.due[self.done][2] + extra, f"a {m.kind} chunk of another size")
        self.done += 1
        self.seen[m.cls].append(m.data)


class Transcript:
    """Follows a session from its messages. With `own`, believes the proofs of that role: they are its own."""

    def __init__(self, ids, terms=None, own=None):
        for id_ in ids.values():
            decode_id(id_)
        require(ids[INITIATOR] != ids[RESPONDER], "a session with oneself")
        self.ids, self.terms, self.own = ids, terms, own
        self.offer = self.answer = self.sid = self.deadline = self.text = None
        self.commitments, self.signatures, self.releases, self.tables = {}, {}, {}, {}

    def see(self, sender, m):
        getattr(self, "see_" + m.kind)(sender, m)

    def see_offer(self, sender, m):
        require(sender == INITIATOR and self.offer is None, "an offer out of order")
        self.terms = self.terms or Terms.from_offer(m.data)
        self.offer = m.data

    def see_answer(self, sender, m):
        require(sender == RESPONDER and self.offer and self.answer is None, "an answer out of order")
        self.answer = m.data
        self.terms.check(self.offer)
        self.terms.check(self.answer)
        terms, ids = self.terms, self.ids
        self.sid = sha256(b"tacit/v1/session", ids[INITIATOR], ids[RESPONDER], terms.point, sha256(self.offer), sha256(self.answer))
        # All of these under the requester of their leg.
        self.blinded = {r: Chunks(terms.classes, lambda c: terms.requested(r, c)) for r in ids}
        self.evaluated = {r: Chunks(terms.classes, lambda c: terms.requested(r, c)) for r in ids}
        self.sealed = {r: Chunks(terms.classes, lambda c: terms.held(other(r), c)) for r in ids}

    def see_commitment(self, sender, m):
        require(self.sid and sender not in self.commitments, "a commitment out of order")
        commitment = Commitment(m.data, self.terms.classes)
        for cls in self.terms.classes:
            n = self.terms.held(sender, cls)
            require(commitment.lengths[cls] == 16 * n + 16 * len(chunk_sizes(n)), "a table of another length than agreed")
        if peer := self.commitments.get(other(sender)):
            require(not commitment.points() & peer.points(), "a key that is the peer's")
        if sender != self.own:
            commitment.verify(self.context(sender, commitment))
        self.commitments[sender] = commitment

    def context(self, role, commitment):
        return commitment_context(self.sid, role, self.ids, self.terms.point, commitment.s, commitment.keys.values())

    def see_blinded(self, sender, m):
        require(len(self.commitments) == 2 and not self.text, "a blinded chunk out of order")
        self.blinded[sender].take(m, 32, 0)
        require(self.blinded[sender].done - self.evaluated[sender].done <= IN_FLIGHT, "too many chunks unanswered")
        elements(m.data)
        self.blinded[sender].hashes[m.cls].update(u32(m.index) + u32(len(m.data)) + m.data)

    def see_evaluated(self, sender, m):
        asked, answered = self.blinded_and_evaluated(other(sender))
        require(answered.done < asked.done, "an evaluated chunk nobody asked for")
        answered.take(m, 32, 0)
        require(len(m.proof) == 64, "a proof of another size")
        if sender != self.own:
            public = self.commitments[sender].keys[m.cls]
            verify_batch(self.batch_context(sender, m), public, asked.seen[m.cls][m.index], m.data, m.proof)
        answered.hashes[m.cls].update(u32(m.index) + u32(len(m.data + m.proof)) + m.data + m.proof)

    def blinded_and_evaluated(self, requester):
        require(len(self.commitments) == 2, "a chunk out of order")
        return self.blinded[requester], self.evaluated[requester]

    def batch_context(self, holder, m): return self.sid + u8(holder) + u8(m.cls) + u32(m.index)

    def see_table(self, sender, m):
        _, answered = self.blinded_and_evaluated(other(sender))
        sealed = self.sealed[other(sender)]
        require(answered.complete(), "a table chunk before the last evaluation")
        sealed.take(m, 16, 16)
        if len(sealed.seen[m.cls]) == len(chunk_sizes(self.terms.held(sender, m.cls))):
            require(sha256(*sealed.seen[m.cls]) == self.commitments[sender].digests[m.cls], "a table that is not the committed one")

    def complete(self):
        return len(self.commitments) == 2 and all(leg.complete() for kind in (self.blinded, self.evaluated, self.sealed) for leg in kind.values())

    def agreement_text(self, deadline):
        out = b"tacit/v1/agreement" + sha256(self.offer) + sha256(self.answer) + self.ids[INITIATOR] + self.ids[RESPONDER]
        out += self.terms.point + u64(deadline) + u8(WIDE in self.terms.classes)
        out += self.commitments[INITIATOR].raw + self.commitments[RESPONDER].raw
        for role in (INITIATOR, RESPONDER):
            for cls in self.terms.classes:
                out += self.blinded[role].hashes[cls].digest() + self.evaluated[role].hashes[cls].digest()
        return out

    def see_agreement(self, sender, m):
        require(self.complete() and len(m.data) == 72, "an agreement out of order")
        deadline = int.from_bytes(m.data[:8], "big")
        require((deadline != 0) == self.terms.mediated, "a deadline without a mediator, or none with one")
        if sender == INITIATOR:
            require(not self.signatures, "an agreement out of order")
            self.deadline, self.text = deadline, self.agreement_text(deadline)
        else:
            require(list(self.signatures) == [INITIATOR] and deadline == self.deadline, "an agreement out of order")
        if sender != self.own:
            verify_signature(self.ids[sender], self.text, m.data[8:])
        self.signatures[sender] = m.data[8:]

    def see_release(self, sender, m):
        first = RESPONDER if self.terms.mediated else INITIATOR
        require(len(self.signatures) == 2 and list(self.releases) == ([] if sender == first else [first]), "a release out of order")
        require(len(m.data) == 96, "a release of another size")
        self.releases[sender] = m.data
        s, shared = self.commitments[sender].s, decode(m.data[:32])
        if sender != self.own:
            verify_equality(b"tacit/v1/release", self.sid + u8(sender), s, decode(self.terms.point), shared, m.data[32:])

    def open(self, holder):
        """The tags in each table of a holder that has released."""
        s, shared = self.commitments[holder].s, self.releases[holder][:32]
        return {cls: open_table(table_key(shared, s, self.terms.point, cls), self.sealed[other(holder)].seen[cls],
                                self.terms.held(holder, cls)) for cls in self.terms.classes}

    def see_abort(self, sender, m):
        raise Refused(f"the peer ended the session, reason {m.index}")


# ---- One side of a session -------------------------------------------------------------------------------------------

class Player:
    def __init__(self, role, seed, peer, terms, held, requested, now, send, cheat=None):
        self.role, self.seed, self.now, self.cheat, self.terms = role, seed, now, cheat, terms
        ids = {role: node_id(seed), other(role): peer}
        self.transcript, self._send = Transcript(ids, terms, own=role), send
        self.s = random_scalar()
        self.keys = {cls: random_scalar() for cls in terms.classes}
        self.tables = {cls: self.prepare(cls, held[cls]) for cls in terms.classes}
        self.asked = {cls: fill(requested[cls], terms.requested(role, cls)) for cls in terms.classes}
        for asked in self.asked.values():
            random.SystemRandom().shuffle(asked)
        self.requested = {cls: set(requested[cls]) for cls in terms.classes}
        self.blinds, self.to_answer, self.tags = {}, [], {}

    def prepare(self, cls, held):
        tags = sorted(tag(x, self.keys[cls]) for x in fill(held, self.terms.held(self.role, cls)))
        if self.cheat == "table-not-sorted":
            tags[0], tags[1] = tags[1], tags[0]
        if self.cheat == "tag-twice":
            tags[1] = tags[0]
        shared = enc(mul(self.s, decode(self.terms.point)))
        return seal_table(table_key(shared, enc(mul_g(self.s)), self.terms.point, cls), tags)

    def send(self, m):
        self._send(m)
        self.transcript.see(self.role, m)

    def receive(self, m):
        self.transcript.see(other(self.role), m)
        if m.kind == "blinded":
            self.to_answer.append(m)
        if m.kind == "evaluated":
            self.unblind(m)
        if m.kind == "agreement" and self.role == RESPONDER and self.terms.mediated:
            require(self.transcript.deadline <= self.now + self.terms.window, "a deadline that is too late")
            self.require_left(2)

    def require_left(self, share):
        require(self.transcript.deadline - self.now >= self.terms.window // share, "a deadline that is too near")

    def unblind(self, m):
        public = FixedBase(double(decode(self.transcript.commitments[other(self.role)].keys[m.cls])))
        for (x, r), evaluated in zip(self.blinds.pop((m.cls, m.index)), elements(m.data)):
            self.tags[m.cls, unblinded_tag(x, r, evaluated, public)] = x

    def advance(self):
        """Sends what is due; whether the session is complete."""
        seen = self.transcript
        if self.role == INITIATOR and not seen.offer:
            self.send(Message("offer", self.terms.make()))
        if self.role == RESPONDER and seen.offer and not seen.answer:
            self.send(Message("answer", self.terms.make()))
        if seen.sid and self.role not in seen.commitments:
            self.send(Message("commitment", self.commit()))
        if len(seen.commitments) < 2:
            return False
        while self.to_answer:
            self.answer(self.to_answer.pop(0))
        mine, theirs = seen.blinded[self.role], seen.evaluated[self.role]
        while not mine.complete() and mine.done - theirs.done < IN_FLIGHT:
            self.ask(*mine.due[mine.done])
        peer = other(self.role)
        if seen.evaluated[peer].complete() and not seen.sealed[peer].complete():
            for cls in self.terms.classes:
                for i, sealed in enumerate(self.tables[cls]):
                    self.send(Message("table", sealed, cls, i))
        if seen.complete() and self.role not in seen.signatures and (self.role == INITIATOR or INITIATOR in seen.signatures):
            self.agree()
        first = RESPONDER if self.terms.mediated else INITIATOR
        if len(seen.signatures) == 2 and self.role not in seen.releases and (self.role == first or peer in seen.releases):
            self.release()
        return len(seen.releases) == 2

    def commit(self):
        seen, public = self.transcript, {cls: enc(mul_g(k)) for cls, k in self.keys.items()}
        s = enc(mul_g(self.s))
        context = commitment_context(seen.sid, self.role, seen.ids, self.terms.point, s, public.values())
        out = s + prove_knowledge(context + u8(0), self.s)
        for cls, k in self.keys.items():
            sealed = b"".join(self.tables[cls])
            out += public[cls] + prove_knowledge(context + u8(cls), k) + sha256(sealed) + u64(len(sealed))
        return out

    def ask(self, cls, index, size):
        identities = self.asked[cls][CHUNK * index:CHUNK * index + size]
        blinded = [blind(x) for x in identities]
        self.blinds[cls, index] = [(x, r) for x, (r, _) in zip(identities, blinded)]
        self.send(Message("blinded", b"".join(b for _, b in blinded), cls, index))

    def answer(self, m):
        context, k = self.transcript.batch_context(self.role, m), self.keys[m.cls]
        if self.cheat == "other-key-for-one":
            evaluated = b"".join(enc(mul(k + (i == 3), p)) for i, p in enumerate(elements(m.data)))
            weights = batch_weights(context, enc(mul_g(k)), m.data, evaluated)
            proof = prove_equality(b"tacit/v1/batch", context, k, weighted_sum(weights, elements(m.data)))
        elif self.cheat == "coefficients-of-the-rfc":
            evaluated, _ = evaluate(context, k, m.data)
            weights = rfc_weights(enc(mul_g(k)), m.data, evaluated)
            total = ZERO
            for weight, p in zip(weights, elements(m.data)):
                total = add(total, mul(weight, p))
            proof = prove_equality(b"tacit/v1/batch", context, k, total)
        else:
            evaluated, proof = evaluate(context, k, m.data)
        self.send(Message("evaluated", evaluated, m.cls, m.index, proof))

    def agree(self):
        seen = self.transcript
        deadline = seen.deadline if self.role == RESPONDER else self.now + self.terms.window if self.terms.mediated else 0
        signature = sign(self.seed, seen.agreement_text(deadline))
        if self.cheat == "signature-with-another-s":
            s = int.from_bytes(signature[32:], "little") + L
            signature = signature[:32] + s.to_bytes(32, "little")
        self.send(Message("agreement", u64(deadline) + signature))

    def release(self):
        if self.terms.mediated and self.role == RESPONDER:
            self.require_left(4)
        point = decode(self.terms.point)
        s = self.s + 1 if self.cheat == "release-of-another-secret" else self.s
        context = self.transcript.sid + u8(self.role)
        self.send(Message("release", enc(mul(s, point)) + prove_equality(b"tacit/v1/release", context, s, point)))

    def matches(self):
        tables = self.transcript.open(other(self.role))
        found = {cls: {x for (c, t), x in self.tags.items() if c == cls and t in tables[cls]} for cls in tables}
        return {cls: sorted(x.hex() for x in found[cls] & self.requested[cls]) for cls in found}


def rfc_weights(public, blinded, evaluated):
    """The coefficients of RFC 9497 §2.2.1, which this protocol does not use."""
    def lp16(x): return u16(len(x)) + x
    suite = b"OPRFV1-\x01-ristretto255-SHA512"
    seed = sha512(lp16(public), lp16(b"Seed-" + suite))
    return [wide(expand_message_xmd(
        lp16(seed) + u16(i) + lp16(blinded[32 * i:32 * i + 32]) + lp16(evaluated[32 * i:32 * i + 32]) + b"Composite",
        b"HashToScalar-" + suite, 64)) for i in range(len(blinded) // 32)]


# ---- The command ---------------------------------------------------------------------------------------------------------

def by_class(lists): return {cls: [bytes.fromhex(x) for x in list_] for cls, list_ in zip((NARROW, WIDE), lists)}


def play():
    """Frames over stdin and stdout: one letter, u32 length, bytes. In: first C with the configuration as JSON, then M
    with a SessionMessage each. Out: M likewise, at the end R with the results as JSON."""
    def read():
        head = sys.stdin.buffer.read(5)
        require(len(head) == 5, "the peer is gone")
        return head[:1], sys.stdin.buffer.read(int.from_bytes(head[1:], "big"))

    def write(letter, data):
        sys.stdout.buffer.write(letter + u32(len(data)) + data)
        sys.stdout.buffer.flush()

    letter, config = read()
    assert letter == b"C"
    config = json.loads(config)
    raw = {key: bytes.fromhex(config[key] or "") for key in ("seed", "peer", "schema_digest", "settling_point")}
    terms = Terms(config["schema"], raw["schema_digest"], raw["settling_point"] or None, config["ceilings"], config["window"], config["reference"])
    role = {"initiator": INITIATOR, "responder": RESPONDER}[config["role"]]
    result = {"matches": None, "error": None}
    try:
        player = Player(role, raw["seed"], raw["peer"], terms, by_class(config["held"]), by_class(config["requested"]),
                        config["now"], lambda m: write(b"M", encode_message(m)), config.get("cheat"))
        while not player.advance():
            player.receive(decode_message(read()[1]))
        result["matches"] = list(player.matches().values())
    except Refused as refused:
        result["error"] = str(refused)
    write(b"R", json.dumps(result).encode())


def follow(ids, senders, messages):
    seen = Transcript(ids)
    for sender, m in zip(senders, messages):
        seen.see(sender, m)
    return seen


def flipped(b, at): return b[:at] + u8(b[at] ^ 1) + b[at + 1:]


def verify(path):
    """What anybody can check who hears every message; then, with the recorded secrets, what is in the tables."""
    unhex = bytes.fromhex
    for session in json.loads(Path(path).read_text())["sessions"]:
        roles = {"initiator": INITIATOR, "responder": RESPONDER}
        sides = {role: session[name] for name, role in roles.items()}
        ids = {role: unhex(side["id"]) for role, side in sides.items()}
        senders = [roles[m["from"]] for m in session["messages"]]
        messages = [decode_message(unhex(m["protobuf"])) for m in session["messages"]]
        assert [m.kind for m in messages] == [m["kind"] for m in session["messages"]]
        seen = follow(ids, senders, messages)
        for i, m in enumerate(messages):
            # One bit off in any message, in the nonce of the offers, and the whole is refused.
            altered_ones = [m._replace(data=flipped(m.data, 350 if i < 2 else len(m.data) // 2))]
            if m.proof:
                altered_ones.append(m._replace(proof=flipped(m.proof, 40)))
            for altered in altered_ones:
                try:
                    follow(ids, senders, messages[:i] + [altered] + messages[i + 1:])
                except Refused:
                    continue
                raise AssertionError(f"an altered {m.kind} passed")
        assert len(seen.releases) == 2
        assert seen.sid.hex() == session["session_id"] and seen.text.hex() == session["agreement_text"]
        if session["mediator_scalar"]:
            mediator = decode_scalar(unhex(session["mediator_scalar"]))
            assert enc(mul_g(mediator)) == seen.terms.point
        for role, side in sides.items():
            assert node_id(unhex(side["seed"])) == ids[role] and bech32m("tacit", ids[role]) == side["written_id"]
            commitment, tables, peer = seen.commitments[role], seen.open(role), sides[other(role)]
            s = decode_scalar(unhex(side["s"]))
            assert enc(mul_g(s)) == commitment.s and enc(mul(s, decode(seen.terms.point))) == seen.releases[role][:32]
            if session["mediator_scalar"]:
                # What the mediator would have settled is what was released.
                assert enc(mul(mediator, decode(commitment.s))) == seen.releases[role][:32]
            for i, cls in enumerate(seen.terms.classes):
                k, lists = decode_scalar(unhex(side["k"][i])), side["held"][i] + side["padding"][i]
                assert enc(mul_g(k)) == commitment.keys[cls]
                assert {tag(unhex(x), k) for x in lists} == tables[cls]
                # The peer's matches are those of its requested identities whose tags are in this table.
                assert sorted(x for x in set(peer["requested"][i]) if tag(unhex(x), k) in tables[cls]) == peer["matches"][i]
        print(f"{session['name']}: {len(session['messages'])} messages, all as they must be")


def self_test():
    vectors = Path(__file__).resolve().parent.parent / "vectors"
    load = lambda name: json.loads((vectors / name).read_text())
    h = bytes.fromhex

    xmd = load("rfc9380-expand-message-xmd-sha512.json")
    for v in xmd["tests"]:
        assert expand_message_xmd(v["msg"].encode(), xmd["DST"].encode(), int(v["len_in_bytes"], 16)).hex() == v["uniform_bytes"]
    [suite] = [s for s in load("rfc9497-ristretto255-sha512.json") if s["mode"] == 1]
    k = decode_scalar(h(suite["skSm"]))
    assert enc(mul_g(k)).hex() == suite["pkSm"]
    for v in suite["vectors"]:
        for x, r, b, e, out in zip(*(map(h, v[f].split(",")) for f in ("Input", "Blind", "BlindedElement", "EvaluationElement", "Output"))):
            r = decode_scalar(r)
            assert enc(mul(r, hash_to_group(x))) == b and enc(mul(k, decode(b))) == e
            assert finalize(x, enc(mul(pow(r, -1, L), decode(e)))) == out
            # The protocol's own blinding must come to the same under a quarter of the key.
            quarter = k * pow(4, -1, L) % L
            assert tag(x, quarter) == out[:16]
            r, b = blind(x)
            assert unblinded_tag(x, r, mul(quarter, decode(b)), FixedBase(double(mul_g(quarter)))) == out[:16]
    for v in load("rfc8032-ed25519.json")["vectors"]:
        assert node_id(h(v["seed"])) == h(v["public_key"]) and sign(h(v["seed"]), h(v["message"])) == h(v["signature"])
        verify_signature(h(v["public_key"]), h(v["message"]), h(v["signature"]))
    # RFC 8439 §2.8.2.
    plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    key, nonce, associated = bytes(range(0x80, 0xA0)), h("070000004041424344454647"), h("50515253c0c1c2c3c4c5c6c7")
    assert seal(key, nonce, associated, plain)[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    assert unseal(key, nonce, associated, seal(key, nonce, associated, plain)) == plain
    # RFC 9496 §A.1: the generator.
    assert enc(G).hex() == "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"
    # The sum by buckets is the sum.
    points = [mul_g(random_scalar()) for _ in range(5)]
    weights = [secrets.randbits(128) for _ in points]
    total = ZERO
    for weight, point in zip(weights, points):
        total = add(total, mul(weight, point))
    assert enc(weighted_sum(weights, points)) == enc(total)
    print("self-test passed")


def write_id(seed):
    id_ = node_id(bytes.fromhex(seed))
    word_list = Path(__file__).resolve().parents[2] / "crates/pairing/src/eff_large_wordlist.txt"
    print(bech32m("tacit", id_), *words(id_, sorted(line.split()[-1] for line in word_list.read_text().splitlines())))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--self-test"]: self_test()
        case ["id", seed]: write_id(seed)
        case ["verify", path]: verify(path)
        case ["play"]: play()
        case _: sys.exit(__doc__)
