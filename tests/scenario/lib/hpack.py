"""HPACK (RFC 7541): literals without Huffman coding out, everything in.

What is sent is never compressed unless a test asks for it by index, so that malformed names and
values can be sent as they are.
"""
STATIC = [tuple(entry.split("|")) for entry in (
    ":authority|;:method|GET;:method|POST;:path|/;:path|/index.html;:scheme|http;:scheme|https;:status|200;"
    ":status|204;:status|206;:status|304;:status|400;:status|404;:status|500;accept-charset|;"
    "accept-encoding|gzip, deflate;accept-language|;accept-ranges|;accept|;access-control-allow-origin|;age|;allow|;"
    "authorization|;cache-control|;content-disposition|;content-encoding|;content-language|;content-length|;"
    "content-location|;content-range|;content-type|;cookie|;date|;etag|;expect|;expires|;from|;host|;if-match|;"
    "if-modified-since|;if-none-match|;if-range|;if-unmodified-since|;last-modified|;link|;location|;max-forwards|;"
    "proxy-authenticate|;proxy-authorization|;range|;referer|;refresh|;retry-after|;server|;set-cookie|;"
    "strict-transport-security|;transfer-encoding|;user-agent|;vary|;via|;www-authenticate|").split(";")]

# RFC 7541, Appendix B: the length of each symbol's code, in base 36. The code is canonical, so lengths are enough.
LENGTHS = [int(digit, 36) for digit in (
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6"
    "f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmnlnmnnkmmmnmm"
    "nqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu")]


def _codes():
    """{(length, code): symbol}."""
    code, length, table = 0, 0, {}
    for symbol in sorted(range(257), key=lambda s: (LENGTHS[s], s)):
        code <<= LENGTHS[symbol] - length
        length = LENGTHS[symbol]
        table[length, code] = symbol
        code += 1
    return table


CODES = _codes()


def huffman(data):
    out, code, length = bytearray(), 0, 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            symbol = CODES.get((length, code))
            if symbol is not None:
                if symbol == 256:
                    raise ValueError("EOS inside a string")
                out.append(symbol)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise ValueError("bad padding")
    return bytes(out)


def integer(value, prefix, pattern=0):
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([pattern | value])
    out, value = bytearray([pattern | limit]), value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    raw = value if isinstance(value, bytes) else value.encode("latin-1")
    return integer(len(raw), 7) + raw


def literal(name, value, indexed=False):
    """A literal field, put into the peer's table or not."""
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def indexed(index):
    return integer(index, 7, 0x80)


def table_size(size):
    return integer(size, 5, 0x20)


def encode(fields):
    return b"".join(literal(name, value) for name, value in fields)


class Decoder:
    def __init__(self):
        self.table = []

    def decode(self, block):
        fields, at = [], 0
        while at < len(block):
            byte = block[at]
            if byte & 0x80:
                index, at = self._integer(block, at, 7)
                fields.append(self._entry(index))
            elif byte & 0x40:
                field, at = self._literal(block, at, 6)
                self.table.insert(0, field)
                fields.append(field)
            elif byte & 0x20:
                _, at = self._integer(block, at, 5)
            else:
                field, at = self._literal(block, at, 4)
                fields.append(field)
        return fields

    def _entry(self, index):
        return STATIC[index - 1] if index <= len(STATIC) else self.table[index - len(STATIC) - 1]

    @staticmethod
    def _integer(block, at, prefix):
        limit = (1 << prefix) - 1
        value, at, shift = block[at] & limit, at + 1, 0
        if value < limit:
            return value, at
        while True:
            byte, at = block[at], at + 1
            value += (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value, at

    def _text(self, block, at):
        coded = block[at] & 0x80
        length, at = self._integer(block, at, 7)
        raw = block[at:at + length]
        return (huffman(raw) if coded else raw).decode("latin-1"), at + length

    def _literal(self, block, at, prefix):
        index, at = self._integer(block, at, prefix)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = self._text(block, at)
        value, at = self._text(block, at)
        return (name, value), at
