"""A recording endpoint: raw TCP, keeps every byte, answers what its script says.

What a security test asserts is what arrived here, not what the client was told. The script is a
function of one connection, run in a thread of its own; it may read requests, answer them in pieces,
say nothing, or break off.
"""
import socket
import ssl
import struct
import threading
import time

from lib.wait import HANG_S, until

OK_BODY = (b'{"id":"r","object":"chat.completion","model":"recorded","choices":[{"index":0,"finish_reason":"stop",'
           b'"message":{"role":"assistant","content":"hello"}}],'
           b'"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}')
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text):
    """A content event of a chat stream."""
    return (b'data: {"id":"r","object":"chat.completion.chunk","model":"recorded","choices":'
            b'[{"index":0,"delta":{"content":"' + text.encode() + b'"},"finish_reason":null}]}\n\n')


ROLE_EVENT = (b'data: {"id":"r","object":"chat.completion.chunk","model":"recorded","choices":'
              b'[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n')
STOP_EVENT = (b'data: {"id":"r","object":"chat.completion.chunk","model":"recorded","choices":'
              b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
DONE_EVENT = b"data: [DONE]\n\n"


def answer(body=OK_BODY, status=b"200 OK", fields=b"content-type: application/json\r\n"):
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, fields, len(body), body)


class Request:
    """One request as a lenient reader takes it from the bytes."""

    def __init__(self, head, body):
        self.head, self.body = head, body
        self.address = None  # at which it arrived
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target = (self.line.split(" ") + ["", ""])[:2]
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]

    def all(self, name):
        return [value for have, value in self.fields if have.lower() == name]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None


class Connection:
    """One connection to the recorder, for its script."""

    def __init__(self, recorder, sock):
        self.recorder, self.socket = recorder, sock
        self.address = sock.getsockname()[0]  # of ours that the gateway dialled
        self.received = bytearray()
        self.opened_at = time.monotonic()
        self.closed_at = None  # when the gateway's end (FIN, reset) was seen
        self.reset = False
        self.used = 0  # bytes that read_request has taken

    def fill(self):
        """One read; False at the peer's end."""
        try:
            piece = self.socket.recv(65536)
        except (TimeoutError, socket.timeout):
            raise
        except OSError:
            piece, self.reset = b"", True
        if not piece:
            self.closed_at = self.closed_at or time.monotonic()
            return False
        self.received += piece
        return True

    def read_until(self, mark, start):
        while mark not in self.received[start:]:
            if not self.fill():
                return -1
        return self.received.index(mark, start) + len(mark)

    def read_bytes(self, end):
        while len(self.received) < end:
            if not self.fill():
                return False
        return True

    def read_request(self):
        """The next request with its whole body, or None at the peer's end."""
        start = self.used
        end = self.read_until(b"\r\n\r\n", start)
        if end < 0:
            return None
        request = Request(bytes(self.received[start:end - 4]), b"")
        if "chunked" in (request.get("transfer-encoding") or "").lower():
            request.body, end = self._read_chunks(end)
        else:
            length = int(request.get("content-length") or 0)
            if not self.read_bytes(end + length):
                return None
            request.body, end = bytes(self.received[end:end + length]), end + length
        self.used = end
        request.address = self.address
        self.recorder.requests.append(request)
        return request if request.body is not None else None

    def _read_chunks(self, at):
        body = b""
        while True:
            line_end = self.read_until(b"\r\n", at)
            if line_end < 0:
                return None, at
            size = int(self.received[at:line_end - 2].split(b";")[0], 16)
            if size == 0:
                end = self.read_until(b"\r\n", line_end)
                while end >= 0 and self.received[line_end:end] != b"\r\n":
                    line_end, end = end, self.read_until(b"\r\n", end)
                return (body, end) if end >= 0 else (None, at)
            if not self.read_bytes(line_end + size + 2):
                return None, at
            body += self.received[line_end:line_end + size]
            at = line_end + size + 2

    def send(self, data):
        """False when the gateway has left."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            self.closed_at = self.closed_at or time.monotonic()
            return False

    def wait_end(self):
        """Reads on until the gateway closes."""
        while self.fill():
            pass

    def abort(self):
        """RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        """An orderly end; over TLS with close_notify."""
        try:
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(1)
                self.socket.unwrap()
        except (OSError, ValueError):
            pass
        self.socket.close()


def always(reply):
    """A script: every request gets these bytes, the connection stays."""
    def script(connection):
        while connection.read_request():
            if not connection.send(reply):
                return
    return script


def once(*pieces, close=True):
    """A script: answers a request with these pieces, then closes; or stays, and answers the next one so."""
    def script(connection):
        while connection.read_request():
            for piece in pieces:
                connection.send(piece)
            if close:
                return
    return script


def silent(connection):
    """A script that never answers."""
    connection.wait_end()


class Recorder:
    def __init__(self, script=None, tls=None, read_buffer=None, timeout=30, host="127.0.0.1"):
        self.script = script or always(answer())
        self.tls, self.timeout = tls, timeout
        self.connections, self.requests, self.errors = [], [], []
        self.listening = socket.socket()
        if read_buffer:
            self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_buffer)
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listening.bind((host, 0))
        self.listening.listen(256)
        self.port = self.listening.getsockname()[1]
        self.closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def received(self):
        """Every byte of every connection."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    def wait_requests(self, count, seconds=HANG_S):
        until(f"the endpoint sees {count} requests", lambda: len(self.requests) >= count, seconds)
        return self.requests[:count]

    def wait_connection(self, index=0, seconds=HANG_S):
        until("the endpoint is dialled", lambda: len(self.connections) > index, seconds)
        return self.connections[index]

    def _accept(self):
        while not self.closing:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return
            sock.settimeout(self.timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.tls:
                connection.socket = self.tls.wrap_socket(connection.socket, server_side=True)
            self.script(connection)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(error)
        except Exception as error:  # a script that fails fails its test, in Scenario.tearDown
            if not self.closing:
                self.errors.append(error)
        finally:
            connection.close()

    def close(self):
        self.closing = True
        self.listening.close()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
