"""A DNS server for tests: answers A and AAAA of the names it is told, over UDP and TCP.

An answer that does not fit a datagram (512 bytes, or what EDNS offers) is truncated there and whole
over TCP, as real servers do. As a command it prints its port and serves until its input ends:

    python3 dns_server.py one.test=10.0.0.1/60 many.test=10.1.0.0+300/30 mute.test=silent bad.test=servfail
"""
import ipaddress
import socket
import socketserver
import struct
import sys
import threading

A, CNAME, AAAA, OPT = 1, 5, 28, 41
NXDOMAIN, SERVFAIL = 3, 2
PLAIN_BYTES = 512
NAME_POINTER = b"\xc0\x0c"  # to the question's name


class Record:
    """What a name answers: addresses, or one of the words `silent` and `servfail`."""

    def __init__(self, addresses=(), ttl=60, fault=None, alias=None, alias_ttl=60):
        self.addresses = [ipaddress.ip_address(address) for address in addresses]
        self.ttl, self.fault = ttl, fault
        self.alias, self.alias_ttl = alias, alias_ttl

    @staticmethod
    def parse(text):
        """`10.0.0.1,fd00::1/60`, `10.0.0.0+300/60` (so many from there on), `silent`, `servfail`."""
        if text in ("silent", "servfail"):
            return Record(fault=text)
        addresses, _, ttl = text.partition("/")
        if "+" in addresses:
            first, _, count = addresses.partition("+")
            first = ipaddress.ip_address(first)
            return Record([first + i for i in range(int(count))], int(ttl or 60))
        return Record(addresses.split(","), int(ttl or 60))


def pack_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Query:
    def __init__(self, message):
        self.id, self.flags, _, _, _, extra = struct.unpack("!6H", message[:12])
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode())
            at += 1 + message[at]
        self.name = ".".join(labels).lower()
        self.type = struct.unpack("!H", message[at + 1:at + 3])[0]
        self.question = message[12:at + 5]
        self.edns_bytes = None
        if extra and message[at + 5:at + 8] == b"\0" + struct.pack("!H", OPT):
            self.edns_bytes = struct.unpack("!H", message[at + 8:at + 10])[0]


class DnsServer:
    """`records` may change while it runs; `seen` counts (transport, name, type)."""

    def __init__(self, records=None, address=("127.0.0.1", 0)):
        self.records = dict(records or {})
        self.seen = {}
        self.lock = threading.Lock()
        self.udp, self.tcp = self._bind(address)
        self.port = self.udp.server_address[1]
        self.threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
                        for server in (self.udp, self.tcp)]
        for thread in self.threads:
            thread.start()

    def _bind(self, address):
        dns = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                message, sock = self.request
                answer = dns.answer(message, "udp")
                if answer:
                    sock.sendto(answer, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                while len(prefix := self.rfile.read(2)) == 2:
                    message = self.rfile.read(struct.unpack("!H", prefix)[0])
                    answer = dns.answer(message, "tcp")
                    if answer:
                        self.wfile.write(struct.pack("!H", len(answer)) + answer)

        socketserver.ThreadingTCPServer.daemon_threads = True
        while True:  # until one number is free on both
            udp = socketserver.ThreadingUDPServer(address, Datagram)
            udp.daemon_threads = True
            try:
                return udp, socketserver.ThreadingTCPServer(udp.server_address, Stream)
            except OSError:
                udp.server_close()
                if address[1]:
                    raise

    def answer(self, message, transport):
        """The answer's bytes; None: none."""
        query = Query(message)
        with self.lock:
            key = (transport, query.name, query.type)
            self.seen[key] = self.seen.get(key, 0) + 1
            record = self.records.get(query.name)
        if record and record.fault == "silent":
            return None
        rcode = NXDOMAIN if not record else SERVFAIL if record.fault else 0
        records = [] if rcode else self._records(record, query.type)
        limit = 65535 if transport == "tcp" else max(query.edns_bytes or 0, PLAIN_BYTES)
        whole = self._pack(query, rcode, records, truncated=False)
        return whole if len(whole) <= limit else self._pack(query, rcode, [], truncated=True)

    @staticmethod
    def _records(record, kind):
        version = {A: 4, AAAA: 6}.get(kind)
        owner, packed = NAME_POINTER, []
        if record.alias:
            owner = pack_name(record.alias)
            packed.append(NAME_POINTER + struct.pack("!HHIH", CNAME, 1, record.alias_ttl, len(owner)) + owner)
        for address in record.addresses:
            if address.version == version:
                packed.append(owner + struct.pack("!HHIH", kind, 1, record.ttl, len(address.packed)) + address.packed)
        return packed

    @staticmethod
    def _pack(query, rcode, records, truncated):
        extra = b"" if query.edns_bytes is None else b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0)
        flags = 0x8180 | (0x0200 if truncated else 0) | rcode
        head = struct.pack("!6H", query.id, flags, 1, len(records), 0, 1 if extra else 0)
        return head + query.question + b"".join(records) + extra

    def count(self, transport=None, name=None):
        with self.lock:
            return sum(n for (via, asked, _), n in self.seen.items()
                       if transport in (None, via) and name in (None, asked))

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()
        for thread in self.threads:
            thread.join()


def main(arguments):
    records = {}
    for argument in arguments:
        name, _, text = argument.partition("=")
        if text.startswith("cname:"):  # alias.test=cname:real.test:5:10.0.0.9/60
            _, alias, alias_ttl, rest = text.split(":", 3)
            records[name] = Record.parse(rest)
            records[name].alias, records[name].alias_ttl = alias, int(alias_ttl)
        else:
            records[name] = Record.parse(text)
    server = DnsServer(records)
    print(server.port, flush=True)
    sys.stdin.read()
    server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
