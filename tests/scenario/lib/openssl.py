"""What Python's ssl module cannot do to a server: renegotiate, flood it with KeyUpdates, send early data."""
import ctypes
import ctypes.util
import socket

LIB = ctypes.CDLL(ctypes.util.find_library("ssl"))
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "SSL_get1_session"):
    getattr(LIB, _name).restype = ctypes.c_void_p
SSL_CTRL_SET_MIN, SSL_CTRL_SET_MAX, SSL_CTRL_HOSTNAME = 123, 124, 55
TLS1_1, TLS1_2, TLS1_3 = 0x302, 0x303, 0x304
KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED = 0, 1


class Connection:
    """A blocking TLS client that verifies nothing."""

    def __init__(self, port, version=TLS1_3, session=None, name=b"sluice.test", ciphers=None, security=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=None)
        self.socket.settimeout(None)
        seconds = b"\x05" + b"\x00" * 15  # struct timeval: reads of the library end too
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        self.context = ctypes.c_void_p(LIB.SSL_CTX_new(ctypes.c_void_p(LIB.TLS_client_method())))
        if ciphers:
            LIB.SSL_CTX_set_cipher_list(self.context, ciphers)
        if security is not None:
            LIB.SSL_CTX_set_security_level(self.context, security)
        LIB.SSL_CTX_ctrl(self.context, SSL_CTRL_SET_MIN, ctypes.c_long(version), None)
        LIB.SSL_CTX_ctrl(self.context, SSL_CTRL_SET_MAX, ctypes.c_long(version), None)
        self.tls = ctypes.c_void_p(LIB.SSL_new(self.context))
        LIB.SSL_set_fd(self.tls, self.socket.fileno())
        LIB.SSL_ctrl(self.tls, SSL_CTRL_HOSTNAME, ctypes.c_long(0), ctypes.c_char_p(name))
        if session:
            LIB.SSL_set_session(self.tls, session)
        self.connected = None

    def connect(self):
        self.connected = LIB.SSL_connect(self.tls) == 1
        return self.connected

    def write(self, data):
        return LIB.SSL_write(self.tls, data, len(data)) == len(data)

    def read(self, size=65536):
        buffer = ctypes.create_string_buffer(size)
        got = LIB.SSL_read(self.tls, buffer, size)
        return buffer.raw[:got] if got > 0 else b""

    def key_update(self, kind=KEY_UPDATE_REQUESTED):
        """False when the peer no longer takes it."""
        return LIB.SSL_key_update(self.tls, kind) == 1 and LIB.SSL_do_handshake(self.tls) == 1

    def renegotiate(self):
        """False when the peer refuses."""
        return LIB.SSL_renegotiate(self.tls) == 1 and LIB.SSL_do_handshake(self.tls) == 1 and self.write(b"\r\n")

    def session(self):
        return ctypes.c_void_p(LIB.SSL_get1_session(self.tls))

    def was_resumed(self):
        return LIB.SSL_session_reused(self.tls) == 1

    @staticmethod
    def early_data_of(session):
        """How many early bytes the server offered to take with this session."""
        LIB.SSL_SESSION_get_max_early_data.restype = ctypes.c_uint32
        return LIB.SSL_SESSION_get_max_early_data(session)

    def close(self):
        LIB.SSL_free(self.tls)
        LIB.SSL_CTX_free(self.context)
        self.socket.close()
