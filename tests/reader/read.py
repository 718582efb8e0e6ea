#!/usr/bin/env python3
"""A second reader of Coffer containers, written from format-spec/ alone.

It shares no code with the program and knows nothing but the specification: what it lists and
restores proves that the specification suffices. It reads whole segments into memory and finds chunks
through the directories, not the index; with --index it also looks every chunk up in the index, and
with --check it computes every checksum and the parity anew.

    read.py CONTAINER PASSWORD [--index] [--check]      list every snapshot, with BLAKE3 sums

Needs: argon2-cffi blake3 cryptography numpy xxhash zstandard.
"""

import struct
import sys

from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
import xxhash
import zstandard

SECTOR, HALF, HEADER = 4096, 131072, 262144
KINDS = ["data", "data", "manifest", "manifest", "index", "index", "index", "root", "root", "root",
         "directory", "directory", "root", "root"]
ENTRIES = ["dump", "folder", "file", "link", "hard-link", "pipe", "socket", "block-device",
           "character-device", "server", "database", "table", "object"]
OBJECTS = ["sequence", "view", "trigger", "procedure", "function", "package", "package-body", "event", "user",
           "library"]


class Damaged(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Damaged(what)


class Fields:
    """Structures as in README.md, Structures."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, count):
        need(count <= len(self.data) - self.at, "structure cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def time(self):
        return struct.unpack("<qI", self.take(12))

    def bytes(self):
        return self.take(self.u64())

    def list(self, one):
        return [one() for _ in range(self.u64())]

    def location(self):
        return self.u32(), self.u32()

    def part(self):
        return self.u32(), self.take(32), [self.location(), self.location()]

    def stream(self):
        return self.u64(), self.list(self.part)

    def refs(self):
        return self.u8(), self.list(lambda: (self.take(32), self.u32()))

    def end(self):
        need(self.at == len(self.data), "bytes left over")


def spread(markers, texts):
    """Each marker with its text; a text for NULL that nobody looks at."""
    texts = iter(texts)
    return [(m, next(texts) if m else b"") for m in markers]


def column_of_numbers(data, count):
    """The texts of a column of form 1 (rows.md, Columns of numbers)."""
    shape, way, width, start, step = struct.unpack_from("<BBBqq", data)
    need(way < 2 and width <= 8 and (way == 1 or step == 0), "numbers: head")
    need(len(data) == 19 + width * count, "numbers: length")
    texts, before = [], start
    for i in range(count):
        rest = sum(data[19 + b * count + i] << (8 * b) for b in range(width))
        number = before + step + rest & 2**64 - 1
        number -= number >> 63 << 64
        if way == 1:
            before = number
        texts.append(text_of_number(shape, number))
    return texts


def text_of_number(shape, number):
    if shape <= 18:
        need(abs(number) < 10**18, "number: range")
        digits = str(abs(number)).rjust(shape + 1, "0")
        text = digits[:-shape] + "." + digits[-shape:] if shape else digits
        return ("-" * (number < 0) + text).encode()
    need(32 <= shape <= 39, "numbers: shape")
    unit = 10**(shape - 33) if shape > 32 else 1
    seconds, fraction = divmod(number, unit)
    day, second = divmod(seconds, 86400) if shape > 32 else (seconds, 0)
    need(0 <= day < 4160000, "number: day")
    text = "%04d-%02d-%02d" % (day // 416, day // 32 % 13, day % 32)
    if shape > 32:
        text += " %02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
    if shape > 33:
        text += "." + str(fraction).rjust(shape - 33, "0")
    return text.encode()


def derive(secret, purpose, context, salt=None):
    info = b"coffer/v1/" + purpose.encode() + b"\0" + context
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)


def unwrap(key, wrapped):
    return AESGCMSIV(key).decrypt(wrapped[:12], wrapped[12:], None)


class Container:
    def __init__(self, data, password):
        self.data = data
        self.prologue()
        self.unlock(self.key_table(), password)
        self.open()
        self.read_directories()

    # Prologue, key table

    def prologue(self):
        bases = [0, HALF, HEADER] + [HEADER + (1 << size) // 2 for size in range(20, 27)]
        for base in bases:
            s = self.data[base:base + SECTOR]
            if len(s) == SECTOR and s[:8] == b"\x89COFFER\n" and blake3(s[:4064]).digest() == s[4064:]:
                break
        else:
            raise Damaged("no whole prologue")
        version, log2, reserved, self.parity = struct.unpack_from("<IBBH", s, 8)
        need(version == 1 and not any(s[48:56]), "a version from the future")
        need(reserved == 0 and not any(s[72:4064]) and 20 <= log2 <= 26, "prologue")
        self.prologue_hash = blake3(s).digest()
        self.id, self.family, self.size = s[16:32], s[32:48], 1 << log2
        self.sectors = self.size // SECTOR
        need(self.parity <= self.sectors // 8, "prologue: parity")
        t = 1
        while 32 + 8 * (self.sectors - 2 * t) > SECTOR * t:
            t += 1
        self.tables = t
        self.trailer = self.size - (t + self.parity) * SECTOR - 52

    def key_table(self):
        best = None
        for base in [0, HALF, HEADER, HEADER + self.size // 2]:
            f = self.data[base + 16384:base + 16384 + 65536]
            if f[:8] != b"COFFERKT":
                continue
            sequence, length = struct.unpack_from("<QI", f, 8)
            table = f[56:56 + length]
            # Anybody can make a frame: the table says its sequence itself.
            own = struct.unpack_from("<Q", table, 4)[0] if length >= 12 else None
            is_whole = blake3(f[:24] + table).digest() == f[24:56] and own == sequence
            if is_whole and (best is None or best[0] < sequence):
                best = sequence, table
        need(best, "no key table")
        self.keys_stated = best[0], blake3(best[1]).digest()
        return best[1]

    def unlock(self, table, password):
        need(blake3(table[:-16]).digest()[:16] == table[-16:], "key table: checksum")
        f = Fields(table[:-16])
        need(f.u32() == 1, "a key table from the future")
        f.u64(), f.u32()

        def slot():
            return dict(number=f.u32(), kind=f.u32(), label=f.bytes(), time=f.time(), memory=f.u32(),
                        passes=f.u32(), lanes=f.u32(), salt=f.take(32), commitment=f.take(32),
                        wrapped=f.take(60))

        slots, wrapped = f.list(slot), f.bytes()
        body = table[:f.at]
        mac = f.take(32)
        f.end()
        for s in slots:
            if s["kind"] != 0:
                continue
            secret = hash_secret_raw(password, s["salt"], s["passes"], s["memory"], s["lanes"], 32, Type.ID)
            context = self.id + struct.pack("<II", s["number"], s["kind"])
            if derive(secret, "slot-commitment", context, s["salt"]) != s["commitment"]:
                continue
            table_key = unwrap(derive(secret, "slot-wrap", context, s["salt"]), s["wrapped"])
            secrets = unwrap(derive(table_key, "table-secrets", self.id), wrapped)
            key = derive(secrets, "key-table", self.id)
            need(blake3(body, key=key).digest() == mac, "key table: MAC")
            return self.derive_keys(secrets)
        raise Damaged("wrong key")

    def derive_keys(self, secrets):
        f = Fields(secrets)
        family = f.take(32)
        self.chunk_key = derive(family, "chunk-id", self.family)
        self.root_key = derive(family, "root-hash", self.id)
        self.content_key = derive(family, "content-hash", self.id)
        self.epochs = {}
        for number, secret in f.list(lambda: (f.u32(), f.take(32))):
            context = self.id + struct.pack("<I", number)
            self.epochs[number] = {p: derive(secret, p, context) for p in set(KINDS)}
        f.end()

    # Objects

    def unseal(self, kind, epoch, segment, offset, sealed):
        data = struct.pack("<BB16sI16sII", kind, 1, self.id, epoch, segment, offset, len(sealed))
        key = self.epochs[epoch][KINDS[kind - 1]]
        return AESGCMSIV(key).decrypt(sealed[:12], sealed[12:], data)

    def content_hash(self, kind, plain):
        return blake3(bytes([kind]) + plain, key=self.content_key).digest()

    def slot(self, number):
        return HEADER + number * self.size

    def header(self, slot):
        s = self.data[self.slot(slot):self.slot(slot) + SECTOR]
        magic, version, epoch, container, segment = struct.unpack_from("<8sII16s16s", s)
        need(magic == b"COFFERSG" and version == 1 and container == self.id and not any(s[48:]), "header")
        return epoch, segment

    def object(self, kind, location, length):
        slot, offset = location
        need((1 + self.tables) * SECTOR <= offset and offset + length <= self.trailer, "out of place")
        epoch, segment = self.table[slot] if hasattr(self, "table") else self.header(slot)
        at = self.slot(slot) + offset
        return self.unseal(kind, epoch, segment, offset, self.data[at:at + length])

    def part(self, kind, part):
        length, stated, copies = part
        for location in copies:
            try:
                plain = self.object(kind, location, length)
            except Exception:
                continue
            if self.content_hash(kind, plain) == stated:
                return plain
        raise Damaged(f"kind {kind}: no copy")

    def stream(self, kind, stream, packed=True):
        length, parts = stream
        plain = [self.part(kind, p) for p in parts]
        whole = b"".join(map(unpack, plain) if packed else plain)
        need(len(whole) == length, "stream: length")
        return whole

    # Superblock, root

    def superblocks(self):
        for offset in (4096, 8192, HALF + 4096, HALF + 8192):
            s = self.data[offset:offset + SECTOR]
            if s[:8] != b"COFFERSB" or s[8:24] != self.id or blake3(s[:4064]).digest() != s[4064:]:
                continue
            generation, epoch, slots, maps, closing = struct.unpack_from("<QIIII", s, 24)
            if maps <= 96 and closing <= 32 and not any(s[2336:4064]):
                yield generation, epoch, slots, maps, closing, s

    def open(self):
        for block in sorted(self.superblocks(), key=lambda b: -b[0]):
            generation, epoch, slots, maps, closing, s = block
            f = Fields(self.unseal(14, epoch, bytes(16), generation % 2, s[48:160]))
            copies, length, stated = [f.location(), f.location()], f.u32(), f.take(32)
            need(f.take(32) == blake3(s[:48] + s[160:4064]).digest(), "superblock altered")
            for location in copies:
                plain = self.object(13, location, length)
                need(blake3(plain, key=self.root_key).digest() == stated, "root hash")
                self.block = block
                return self.root(plain, generation)
        raise Damaged("no commit survives (this reader does not scan)")

    def root(self, plain, generation):
        f = Fields(plain)
        need(f.u64() == generation, "generation")
        self.parent, self.time = f.take(32), f.time()
        need(f.take(32) == self.prologue_hash, "another prologue")
        need((f.u64(), f.take(32)) == self.keys_stated, "another key table")
        slots = f.u32()
        table = self.stream(9, f.stream(), packed=False)
        need(len(table) == 49 * slots, "segment table")
        maps = f.list(lambda: (f.location(), f.location()))
        closing = f.take(32)
        contents = f.bytes()
        f.end()
        self.records = [struct.unpack("<BQI16s16sI", table[i:i + 49]) for i in range(0, len(table), 49)]
        self.table = {slot: (r[2], r[3]) for slot, r in enumerate(self.records) if r[0] and any(r[3])}
        self.generation, self.closing = generation, closing
        self.maps = maps
        if contents:
            f = Fields(contents)
            self.runs = f.list(lambda: (f.u64(), f.stream(), f.stream()))
            self.catalog, self.ledger = f.stream(), f.stream()
            self.limit = f.u64() if f.u8() else None
            self.policy = self.retention(f) if f.u8() else None
            f.end()

    def retention(self, f):
        rules = f.list(lambda: (f.u32(), f.u32()))
        within = f.u64() if f.u8() else None
        return dict(rules=rules, within=within, verified=f.u32(), min_age=f.u64(), series=f.u32(),
                    business_days=f.u8(), fiscal_year_end=f.u8(), time_zone=f.bytes())

    # Chunks

    def read_directories(self):
        self.chunks = {}
        closing = b""
        for slot, (epoch, segment) in self.table.items():
            base = self.slot(slot)
            place = self.data[base + self.trailer:base + self.trailer + 52]
            trailer = struct.unpack("<IIIIQ", self.unseal(12, epoch, segment, self.trailer, place))
            offset, length = trailer[:2]
            need(trailer[4] == self.records[slot][1], "trailer: generation")
            sealed = self.data[base + offset:base + offset + length]
            plain = self.unseal(11, epoch, segment, offset, sealed)
            f = Fields(plain)
            entries = f.list(lambda: (f.u8(), f.u32(), f.u32(), f.take(32)))
            f.end()
            tag = self.records[slot][4]
            need(tag in (bytes(16), sealed[-16:]), "directory tag")
            chunks = [e for e in entries if 1 <= e[0] <= 4]
            need(len(chunks) == self.records[slot][5], "chunk count")
            for kind, at, size, name in chunks:
                self.chunks.setdefault(name, []).append((slot, at, size))
            if tag == bytes(16) and self.records[slot][1] == self.generation:
                others = [e for e in entries if e[0] != 13]
                closing += struct.pack("<IQ", slot, len(others))
                closing += b"".join(struct.pack("<BII32s", *e) for e in others)
        need(self.content_hash(11, closing) == self.closing, "closing hash")

    def chunk(self, kind, ref):
        name, length = ref
        for slot, offset, size in self.chunks.get(name, []):
            plain = unpack(self.object(kind, (slot, offset), size))
            if blake3(bytes([kind]) + plain, key=self.chunk_key).digest() == name and len(plain) == length:
                return plain
        raise Damaged(f"chunk {name.hex()}")

    def refs(self, chunk_list):
        depth, refs = chunk_list
        need(depth <= 5, "depth")
        for _ in range(depth):
            plain = b"".join(self.chunk(4, r) for r in refs)
            need(len(plain) % 36 == 0, "chunk list")
            refs = [(plain[i:i + 32], *struct.unpack_from("<I", plain, i + 32)) for i in range(0, len(plain), 36)]
        return refs

    # Snapshots

    def snapshots(self):
        if self.catalog[0] == 0:
            return []
        f = Fields(self.stream(8, self.catalog))

        def snapshot():
            start = f.at
            s = dict(id=f.take(16), generation=f.u64(), time=f.time(), host=f.bytes(), tags=f.list(f.bytes),
                     sources=f.list(lambda: (f.u32(), f.bytes(), f.bytes())),
                     counts=[f.u64() for _ in range(10)], manifest=f.refs(), bytes=f.u64())
            kind = f.take(1)[0]
            need(kind < 2, "snapshot origin")
            s["origin"] = f.take(16) if kind else None
            name = self.content_hash(8, bytes(16) + f.data[start + 16:f.at])[:16]
            need(kind or name == s["id"], "snapshot id")
            return s

        found = f.list(snapshot)
        self.pins = f.list(lambda: (f.take(16), f.time(), f.bytes()))
        f.end()
        return found

    def entries(self, snapshot):
        stream = b"".join(self.chunk(3, r) for r in self.refs(snapshot["manifest"]))
        need(len(stream) == snapshot["bytes"], "manifest: length")
        whole, last = Fields(stream), None
        while whole.at < len(stream):
            f = Fields(whole.take(whole.u32()))
            path, kind = f.bytes(), f.u32()
            order = path.replace(b"/", b"\0")
            need(last is None or last < order, "manifest: order")
            last = order
            e = dict(path=path, kind=ENTRIES[kind])
            if kind in (0, 2):
                e["size"] = f.u64()
                e["holes"] = f.list(lambda: (f.u64(), f.u64()))
                e["chunks"] = f.refs()
            elif kind in (3, 4):
                e["target"] = f.bytes()
            elif kind in (7, 8):
                e["device"] = f.u64()
            elif kind >= 9:
                [self.server_entry, self.database_entry, self.table_entry, self.object_entry][kind - 9](f, e)
            e.update(mode=f.u32(), uid=f.u32(), gid=f.u32(), modified=f.time(), changed=f.time(),
                     inode=f.u64(), attributes=f.list(lambda: (f.bytes(), f.bytes())))
            f.end()
            yield e

    # Databases (manifest.md, Databases; rows.md)

    def server_entry(self, f, e):
        e["text"] = [f.bytes(), f.bytes()]
        f.list(lambda: (f.bytes(), f.bytes()))
        e["text"].append([b"per-table", b"snapshot", b"lock"][f.u32()])
        if f.u8():
            f.bytes(), f.u64(), f.bytes()
        f.u64()
        f.list(f.bytes)

    def database_entry(self, f, e):
        name, create, character_set, collation = (f.bytes() for _ in range(4))
        e["text"] = [name, collation]

    def table_entry(self, f, e):
        name, create, engine = (f.bytes() for _ in range(3))
        columns = f.list(lambda: (f.bytes(), f.bytes(), f.u32(), f.bytes()))
        key = f.list(lambda: f.take(2))
        history, rows, checksum = f.u8(), f.u64(), f.take(16)
        first, last, server_bytes, outlines = f.bytes(), f.bytes(), f.u64(), f.u32()
        size, holes, chunks = f.u64(), f.list(lambda: (f.u64(), f.u64())), f.refs()
        cells, count, total, read = blake3(), 0, 0, 0
        for row in self.rows(chunks, len(columns), outlines):
            canonical = b"".join(leb128(0) if c is None else leb128(len(c) + 1) + c for c in row)
            for c in row:
                cells.update(struct.pack("<Q", 0 if c is None else len(c) + 1) + (c or b""))
            total += xxhash.xxh3_128_intdigest(canonical)
            count += 1
        need(count == rows and (total % 2**128).to_bytes(16, "little") == checksum, "table: rows")
        e["text"] = [str(count).encode(), checksum.hex().encode(), cells.hexdigest().encode()]

    def object_entry(self, f, e):
        e["kind"] = OBJECTS[f.u32()]
        name, parent, order = f.bytes(), f.bytes(), f.u32()
        statements = f.list(f.bytes)
        f.list(lambda: (f.bytes(), f.bytes()))
        f.bytes()
        f.bytes()
        e["text"] = [name, blake3(statements[0]).hexdigest().encode()]

    def rows(self, chunk_list, columns, outlines):
        values, patch, groups, refs = b"", None, [], self.refs(chunk_list)
        end, start = len(refs) - outlines, 0
        for place, ref in enumerate(refs):
            chunk = self.chunk(1, ref)
            if place >= end:
                need(chunk[0] == 3 and len(chunk) > 1 and len(chunk) % 48 == 1, "outline")
                for at in range(1, len(chunk), 48):
                    digest, _, patched, base = struct.unpack_from("<32sQII", chunk, at)
                    need(groups and groups.pop(0) in ((patched, base, digest), (patched, base, None)), "outline: group")
                continue
            if chunk[0] == 0:
                values += chunk[1:]
                continue
            if chunk[0] == 2:
                need(patch is None, "a patch of a patch")
                size = struct.unpack_from("<I", chunk, 1)[0]
                need(5 + size <= len(chunk), "patch: length")
                steps = numbers(chunk[5:5 + size])
                need(len(steps) % 3 == 0, "patch: steps")
                come = list(self.group(chunk[5 + size:], columns, values)) if len(chunk) > 5 + size else []
                need(come or values == b"", "patch: values without rows")
                patch, values, patched = (steps, come), b"", place + 1 - start
                continue
            need(chunk[0] == 1, "rows: neither group nor value")
            whole = self.group(chunk, columns, values)
            if patch is None:
                pieces = [self.chunk(1, r) for r in refs[start:place + 1]]
                digest = blake3(b"".join(struct.pack("<I", len(p)) + p for p in pieces)).digest()
                groups.append((0, place + 1 - start, digest))
                yield from whole
            else:
                groups.append((patched, place + 1 - start - patched, None))
                yield from self.patched(list(whole), *patch)
            values, patch, start = b"", None, place + 1
        need(values == b"" and patch is None, "rows: values or a patch without a group")
        need(outlines == 0 or groups == [], "outline: groups")

    def patched(self, old, steps, come):
        rows, at, used = [], 0, 0
        for stay, go, arrive in zip(steps[::3], steps[1::3], steps[2::3]):
            need(stay + go + arrive > 0 and max(stay, go, arrive) <= 65536, "patch: step")
            need(at + stay + go <= len(old) and used + arrive <= len(come), "patch: rows")
            rows += old[at:at + stay] + come[used:used + arrive]
            at, used = at + stay + go, used + arrive
        need(at == len(old) and used == len(come) and 1 <= len(rows) <= 65536, "patch: rows left over")
        return rows

    def group(self, chunk, columns, values):
        need(chunk[0] == 1, "group: first byte")
        count, width = struct.unpack_from("<IH", chunk, 1)
        need(width == columns and 1 <= count <= 65536, "group: shape")
        at, table = 7 + 9 * width, []
        for column in range(width):
            form, marks, data = struct.unpack_from("<BII", chunk, 7 + 9 * column)
            markers = numbers(chunk[at:at + marks])
            if len(markers) == 1:
                markers *= count
            need(len(markers) == count and form < 2, "group: markers")
            data = chunk[at + marks:at + marks + data]
            if form == 1:
                need(max(markers) <= 1, "numbers: markers")
                texts = column_of_numbers(data, sum(markers))
                table.append(([m and 2 * len(next_text) + 1 for m, next_text in spread(markers, texts)],
                              b"".join(texts)))
            else:
                table.append((markers, data))
            at += struct.unpack_from("<BII", chunk, 7 + 9 * column)[2] + marks
        need(at == len(chunk), "group: length")
        places, used = [0] * width, 0
        for number in range(count):
            row = []
            for column, (markers, data) in enumerate(table):
                length, large = divmod(markers[number] - 1, 2)
                if markers[number] == 0:
                    row.append(None)
                elif large:
                    row.append(values[used:used + length])
                    used += length
                else:
                    row.append(data[places[column]:places[column] + length])
                    places[column] += length
            yield row
        need(used == len(values), "group: values")
        need(all(p == len(data) for p, (_, data) in zip(places, table)), "group: data")

    def content(self, e):
        kind = 1 if e["kind"] == "dump" else 2
        data = b"".join(self.chunk(kind, r) for r in self.refs(e["chunks"]))
        out, at = b"", 0
        for offset, length in e["holes"]:
            count = offset - len(out)
            out += data[at:at + count] + bytes(length)
            at += count
        out += data[at:]
        need(len(out) == e["size"], "length")
        return out

    # Index

    def look_up(self, name):
        found = []
        low, high = struct.unpack_from("<II", name)
        salts = "47b6137b 44974d91 8824ad5b a2b7289d 705495c7 2df1424b 9efc4947 5c6bfb31"
        for count, fence, bits in self.runs:
            bits = self.stream(7, bits)
            block = 32 * (high * (len(bits) // 32) >> 32)
            words = struct.unpack_from("<8I", bits, block)
            salted = [(low * int(salt, 16) & 0xFFFFFFFF) >> 27 for salt in salts.split()]
            maybe = all(word >> bit & 1 for word, bit in zip(words, salted))
            f = Fields(self.stream(6, fence))
            pages = f.list(lambda: (f.take(32), f.part()))
            f.end()
            start = max([i for i, (first, _) in enumerate(pages) if first < name] or [0])
            for first, part in pages[start:]:
                if first > name:
                    break
                page = unpack(self.part(5, part))
                for at in range(0, len(page), 48):
                    chunk, slot, offset, length, segment = struct.unpack_from("<32sIII4s", page, at)
                    current = slot in self.table and self.table[slot][1][:4] == segment
                    if chunk == name and current:
                        need(maybe, "the filter denies what a run holds")
                        found.append((slot, offset, length))
        return found

    def check_index(self):
        names = list(self.chunks)[::max(1, len(self.chunks) // 50)]
        for name in names:
            need(sorted(self.look_up(name)) == sorted(self.chunks[name]), f"index: {name.hex()}")
        return len(names)

    # Checksums and parity, without a key

    def check_sectors(self):
        generation, _, slots, maps, closing, s = self.block
        hashes = {}
        for closed in range(closing):
            slot, value = struct.unpack_from("<I16s", s, 1696 + 20 * closed)
            hashes[slot] = value
        entries = []
        for part in range(maps):
            for copy in range(2):
                slot, offset = struct.unpack_from("<II", s, 160 + 16 * part + 8 * copy)
                need((slot, offset) == self.maps[part][copy], "slot map: place")
                at = self.slot(slot) + offset
                count = min(15000, slots - 15000 * part)
                m = self.data[at:at + 72 + 16 * count]
                head = b"COFFERSM" + self.id + struct.pack("<QII", generation, 15000 * part, count)
                need(m[:40] == head and blake3(m[:40] + m[72:]).digest() == m[40:72], "slot map")
            entries += [m[i:i + 16] for i in range(72, len(m), 16)]
        live = 0
        for slot, entry in enumerate(entries):
            need((entry == bytes(16)) == (slot not in self.table), "slot map: live slots")
            if slot in self.table:
                self.check_segment(slot, hashes[slot] if entry == b"\xff" * 16 else entry)
                live += 1
        return live

    def check_segment(self, slot, stated):
        segment = self.data[self.slot(slot):self.slot(slot) + self.size]
        n, t = self.sectors, self.tables
        covered = [segment[i * SECTOR:(i + 1) * SECTOR] for i in [0, *range(1 + t, n - t)]]
        sums = b"".join(struct.pack("<Q", xxhash.xxh3_64_intdigest(c)) for c in covered)
        value = blake3(self.id + self.table[slot][1] + sums).digest()[:16]
        table = (b"COFFERCT" + bytes(8) + value + sums).ljust(t * SECTOR, b"\0")
        need(value == stated, "table hash")
        need(segment[SECTOR:(1 + t) * SECTOR] == table == segment[-t * SECTOR:], "checksum table")
        need(parity(covered[:len(covered) - self.parity], self.parity) == covered[len(covered) - self.parity:],
             "parity")


def leb128(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def numbers(data):
    found, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(number)
            number, shift = 0, 0
    need(shift == 0, "number: cut off")
    return found


def unpack(payload):
    codec, length = struct.unpack_from("<BI", payload)
    need(length <= 786432, "payload: length")
    packed = payload[5:]
    if codec == 0:
        plain = packed
    elif 1 <= codec <= 3:
        plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=length)
        if codec > 1:
            plain = samples(plain, codec - 2)
    else:
        raise Damaged("a codec from the future")
    need(len(plain) == length, "payload: length")
    return plain


def samples(filtered, phase):
    """compression.md, Sample differences."""
    phase = min(phase, len(filtered))
    n = (len(filtered) - phase) // 2
    low, high = filtered[phase:phase + n], filtered[phase + n:phase + 2 * n]
    out, sample = bytearray(filtered[:phase]), 0
    for a, b in zip(low, high):
        z = a | b << 8
        sample = (sample + ((z >> 1) ^ -(z & 1))) & 0xFFFF
        out += struct.pack("<H", sample)
    return bytes(out) + filtered[phase + 2 * n:]


def parity(data, count):
    """container.md, Parity."""
    import numpy

    if count == 0:
        return []
    basis = [int(b, 16) for b in "0001 ACCA 3C0E 163E C582 ED2E 914C 4012 6C98 10D8 6A72 B900 FDB8 FB34 "
             "FF38 991E".split()]
    exp, log, x = [0] * 131070, [0] * 65536, 1
    for power in range(65535):
        exp[power] = exp[power + 65535] = x
        log[x] = power
        x = x << 1 ^ (0x1002D if x & 0x8000 else 0)
    phi = [0]
    for bit in range(16):
        phi += [value ^ basis[bit] for value in phi]
    m = 1
    while m < count:
        m *= 2
    back = numpy.zeros(65536, numpy.uint16)
    back[phi] = numpy.arange(65536)
    exp, logs, phis = numpy.array(exp, numpy.uint16), numpy.array(log), numpy.array(phi)

    def symbols(sector):
        raw = numpy.frombuffer(sector, numpy.uint8).reshape(-1, 2, 32).astype(numpy.uint16)
        return phis[(raw[:, 0] | raw[:, 1] << 8).ravel()]

    sums = [numpy.zeros(len(data[0]) // 2, numpy.uint16) for _ in range(count)]
    for j, sector in enumerate(data):
        values = symbols(sector)
        for i in range(count):
            factor = sum(log[phi[m + j] ^ phi[l]] - log[phi[i] ^ phi[l]] for l in range(m) if l != i) % 65535
            sums[i] ^= numpy.where(values == 0, 0, exp[logs[values] + factor]).astype(numpy.uint16)
    shards = []
    for total in sums:
        v = back[total].reshape(-1, 32)
        shards.append(numpy.stack([v & 255, v >> 8], 1).astype(numpy.uint8).tobytes())
    return shards


def shown(name):
    """Names as the program shows them: what is not UTF-8 as \\xNN."""
    return name.decode("utf-8", "backslashreplace")


def main(arguments):
    options = {a for a in arguments if a.startswith("--")}
    path, password = [a for a in arguments if not a.startswith("--")]
    data = open(path, "rb").read()
    if path.endswith(".zst"):
        data = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 28)
    container = Container(data, password.encode())
    print(f"generation {container.generation}")
    for number, snapshot in enumerate(container.snapshots(), 1):
        print(f"\nsnapshot {number} {snapshot['id'].hex()} {snapshot['time'][0]}")
        for e in container.entries(snapshot):
            line = f"{number} {shown(e['path'])}: {e['kind']}"
            if "text" in e:
                print(line, *[shown(t) for t in e["text"]])
                continue
            if e["kind"] == "link":
                line += f" -> {shown(e['target'])}"
            if e["kind"] == "hard-link":
                line += f" = {shown(e['target'])}"
            if "chunks" in e:
                content = container.content(e)
                line += f" {len(content)} {blake3(content).hexdigest()}"
            line += f" {e['mode']:o} {e['uid']}:{e['gid']} {e['modified'][0]}"
            line += "".join(f" {shown(name)}={value.hex()}" for name, value in e["attributes"])
            print(line)
    if "--index" in options:
        print(f"{container.check_index()} chunks looked up in the index", file=sys.stderr)
    if "--check" in options:
        print(f"{container.check_sectors()} segments checked", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Damaged as what:
        sys.exit(f"damaged: {what}")
