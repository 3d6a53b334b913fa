"""An HTTP/1.1 client that sends any bytes, in any pieces, and reads answers strictly."""
import json
import socket
import struct
import time

from lib.wait import HANG_S

HOST = b"Host: sluice.test\r\n"
JSON = b"Content-Type: application/json\r\n"


def chat_body(model="sim", text="hello", **more):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode()


def post(body, path=b"/v1/chat/completions", fields=b""):
    """A well-formed POST."""
    return (b"POST " + path + b" HTTP/1.1\r\n" + HOST + JSON + fields
            + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def chat(model="sim", text="hello", fields=b"", **more):
    return post(chat_body(model, text, **more), fields=fields)


class Broken(AssertionError):
    """The answer is not HTTP/1.1, or ended too early."""


class Answer:
    def __init__(self, status, fields, body, complete):
        self.status, self.fields, self.body = status, fields, body
        self.complete = complete  # False: cut off
        self.trailers = []

    def all(self, name):
        return [value for have, value in self.fields if have == name]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:200]!r} complete={self.complete}>"


class RawClient:
    def __init__(self, port, tls=None, server_name="sluice.test", timeout=HANG_S, receive_buffer=None, segment=None, address=None):
        self.socket = socket.socket()
        if address:
            self.socket.bind((address, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if segment:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.rest = b""
        self.ended = None  # "closed" or "reset" once the peer's end was read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data, piece=None, gap_s=0.0):
        """In one go, or `piece` bytes at a time with a pause between. False when the peer has left."""
        try:
            if piece is None:
                self.socket.sendall(data)
                return True
            for at in range(0, len(data), piece):
                self.socket.sendall(data[at:at + piece])
                if gap_s:
                    time.sleep(gap_s)
            return True
        except OSError:
            return False

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def fill(self):
        """One read into `rest`; False at the end."""
        if self.ended:
            return False
        try:
            piece = self.socket.recv(262144)
        except (TimeoutError, socket.timeout):
            raise Broken(f"nothing came in time; so far {self.rest[-300:]!r}") from None
        except OSError:
            self.ended = "reset"
            return False
        if not piece:
            self.ended = "closed"
            return False
        self.rest += piece
        return True

    def take(self, size):
        while len(self.rest) < size:
            if not self.fill():
                return None
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def line(self):
        while b"\r\n" not in self.rest:
            if not self.fill():
                return None
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def read_head(self, skip_interim=True):
        """(status, fields) of the next answer; None when the connection ended instead."""
        while True:
            line = self.line()
            if line is None:
                if self.rest:
                    raise Broken(f"the head is cut off: {self.rest!r}")
                return None
            parts = line.split(b" ", 2)
            if len(parts) < 2 or parts[0] != b"HTTP/1.1" or not parts[1].isdigit():
                raise Broken(f"not a status line: {line!r}")
            fields = self.read_fields()
            status = int(parts[1])
            if status >= 200 or not skip_interim:
                return status, fields

    def read_fields(self):
        fields = []
        while True:
            line = self.line()
            if line is None:
                raise Broken("the fields are cut off")
            if not line:
                return fields
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise Broken(f"not a field: {line!r}")
            fields.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))

    def read_answer(self, method=b"POST"):
        """The next answer with its body, or None when the connection ended instead."""
        head = self.read_head()
        if head is None:
            return None
        answer = Answer(head[0], head[1], b"", True)
        coding, length = answer.get("transfer-encoding"), answer.get("content-length")
        if coding and length:
            raise Broken(f"two framings: {answer}")
        if method == b"HEAD" or answer.status in (204, 304):
            return answer
        if coding == "chunked":
            self._read_chunks(answer)
        elif length is not None:
            body = self.take(int(length))
            answer.complete = body is not None
            answer.body = self.rest if body is None else body
        else:
            while self.fill():
                pass
            answer.body, self.rest = self.rest, b""
            answer.complete = self.ended == "closed"
        return answer

    def read_chunk(self):
        """The next chunk's data, b"" for the last one, None when the connection ended."""
        line = self.line()
        if line is None:
            return None
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return b""
        data = self.take(size + 2)
        if data is None:
            return None
        if data[-2:] != b"\r\n":
            raise Broken(f"a chunk that does not end in CRLF: {data[-10:]!r}")
        return data[:-2]

    def _read_chunks(self, answer):
        while True:
            data = self.read_chunk()
            if data is None:
                answer.complete = False
                answer.body += self.rest
                return
            if not data:
                answer.trailers = self.read_fields()
                return
            answer.body += data

    def read_to_end(self):
        """All bytes until the peer closes."""
        while self.fill():
            pass
        data, self.rest = self.rest, b""
        return data

    def is_closed_within(self, seconds):
        """Whether the peer closes; what comes before that is kept in `rest`."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                if not self.fill():
                    return True
            return False
        except Broken:
            return False


def ask(port, request, method=b"POST", tls=None, timeout=HANG_S):
    """One request on a connection of its own."""
    with RawClient(port, tls=tls, timeout=timeout) as client:
        client.send(request)
        return client.read_answer(method)
