"""An HTTP/2 client made of frames: whatever is asked for is sent, well-formed or not."""
import json
import socket
import struct
import time

from lib import hpack
from lib.wait import HANG_S

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION) = range(10)
PRIORITY_UPDATE = 0x10
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def head(path="/v1/chat/completions", method="POST", authority="sluice.test", scheme="http", extra=()):
    fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [(name, value) for name, value in fields if value is not None] + list(extra)


def headers(stream, fields, end_stream=False, end_headers=True):
    block = fields if isinstance(fields, bytes) else hpack.encode(fields)
    return frame(HEADERS, end_stream * END_STREAM | end_headers * END_HEADERS, stream, block)


def data(stream, payload, end_stream=True):
    return frame(DATA, end_stream * END_STREAM, stream, payload)


def request(stream, body=None, extra=(), **more):
    """A whole request's frames."""
    if body is None:
        return headers(stream, head(extra=extra, **more), end_stream=True)
    fields = head(extra=[("content-type", "application/json"), *extra], **more)
    return headers(stream, fields) + data(stream, body)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    def code(self):
        """The error code of an RST_STREAM or GOAWAY."""
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0]

    def __repr__(self):
        return f"<kind {self.kind} flags {self.flags:#x} stream {self.stream} {self.payload[:40]!r}>"


class Stream:
    """What was received on one stream."""

    def __init__(self):
        self.fields, self.trailers, self.body = None, None, b""
        self.ended, self.reset = False, None  # reset: the error code

    @property
    def status(self):
        return int(dict(self.fields)[":status"]) if self.fields else None

    @property
    def over(self):
        return self.ended or self.reset is not None

    def get(self, name):
        return dict(self.fields or []).get(name)

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<status {self.status} body {self.body[:200]!r} ended={self.ended} reset={self.reset}>"


class H2Client:
    def __init__(self, port, tls=None, server_name="sluice.test", preface=True, with_settings=(), timeout=HANG_S,
                 auto_window=True, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.timeout, self.auto_window = timeout, auto_window
        self.decoder, self.rest, self.block = hpack.Decoder(), b"", b""
        self.streams, self.frames = {}, []
        self.settings, self.goaway, self.ended = {}, None, None
        self.windows = {}  # bytes the peer lets us send more, by stream, from WINDOW_UPDATEs
        if preface:
            self.send(PREFACE + settings(*with_settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, raw):
        """False when the peer has left."""
        try:
            self.socket.sendall(raw)
            return True
        except OSError:
            return False

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def read_frame(self, seconds=None):
        """The next frame, noted; None at the end of the connection. Fails when nothing comes in time."""
        end = time.monotonic() + (seconds or self.timeout)
        while True:
            if len(self.rest) >= 9:
                length = int.from_bytes(self.rest[:3], "big")
                if len(self.rest) >= 9 + length:
                    kind, flags, number = struct.unpack(">BBI", self.rest[3:9])
                    got = Frame(kind, flags, number & 0x7fffffff, self.rest[9:9 + length])
                    self.rest = self.rest[9 + length:]
                    self._note(got)
                    return got
            if self.ended:
                return None
            try:
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                piece = self.socket.recv(262144)
            except (TimeoutError, socket.timeout):
                raise AssertionError(f"no frame came in time; so far {self.frames[-5:]} {self.streams}") from None
            except OSError:
                self.ended = "reset"
                continue
            if not piece:
                self.ended = "closed"
                continue
            self.rest += piece

    def read_until(self, condition, seconds=None):
        """Reads frames until condition(self), or the end of the connection. Returns the condition's value."""
        end = time.monotonic() + (seconds or self.timeout)
        while not condition(self):
            if self.read_frame(max(0.01, end - time.monotonic())) is None:
                break
        return condition(self)

    def wait(self, number, seconds=None):
        """The stream, when it is over (or the connection is)."""
        self.read_until(lambda link: link.stream(number).over, seconds)
        return self.stream(number)

    def wait_end(self, seconds=None):
        """Reads until the peer closes; the error code of its last GOAWAY, or None."""
        while self.read_frame(seconds) is not None:
            pass
        return self.goaway

    def is_closed_within(self, seconds):
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                if self.read_frame(max(0.01, end - time.monotonic())) is None:
                    return True
        except AssertionError:
            pass
        return self.ended is not None

    def ask(self, number, body=None, seconds=None, **more):
        """A request and its answer."""
        self.send(request(number, body, **more))
        return self.wait(number, seconds)

    def ping(self, opaque=b"sluice!!", seconds=None):
        """Whether the peer still answers: an acknowledged PING."""
        self.send(frame(PING, 0, 0, opaque))
        return self.read_until(lambda link: any(f.kind == PING and f.flags & ACK and f.payload == opaque
                                                for f in link.frames), seconds)

    def _note(self, got):
        if got.kind != DATA:
            self.frames.append(got)
        if got.kind == SETTINGS and not got.flags & ACK:
            for at in range(0, len(got.payload), 6):
                key, value = struct.unpack(">HI", got.payload[at:at + 6])
                self.settings[key] = value
            self.send(frame(SETTINGS, ACK))
        elif got.kind == PING and not got.flags & ACK:
            self.send(frame(PING, ACK, 0, got.payload))
        elif got.kind == GOAWAY:
            self.goaway = got.code()
        elif got.kind == RST_STREAM:
            self.stream(got.stream).reset = got.code()
        elif got.kind == WINDOW_UPDATE:
            self.windows[got.stream] = self.windows.get(got.stream, 0) + struct.unpack(">I", got.payload)[0]
        elif got.kind in (HEADERS, CONTINUATION):
            self._note_headers(got)
        elif got.kind == DATA:
            self._note_data(got)

    def _note_headers(self, got):
        payload = got.payload
        if got.kind == HEADERS:
            pad = payload[0] if got.flags & PADDED else 0
            payload = payload[bool(got.flags & PADDED):len(payload) - pad]
            payload = payload[5:] if got.flags & PRIORITY_FLAG else payload
            self.ends = bool(got.flags & END_STREAM)
        self.block += payload
        if got.flags & END_HEADERS:
            fields, self.block = self.decoder.decode(self.block), b""
            stream = self.stream(got.stream)
            if stream.fields is None or dict(stream.fields)[":status"].startswith("1"):
                stream.fields = fields
            else:
                stream.trailers = fields
            stream.ended = stream.ended or self.ends

    def _note_data(self, got):
        payload = got.payload
        if got.flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        stream = self.stream(got.stream)
        stream.body += payload
        stream.ended = stream.ended or bool(got.flags & END_STREAM)
        if self.auto_window and got.payload:
            self.send(window_update(0, len(got.payload)) + (b"" if stream.ended else
                                                            window_update(got.stream, len(got.payload))))
