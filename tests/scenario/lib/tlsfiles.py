"""Certificates for tests, made by the openssl command, and contexts that use them."""
import ssl
import subprocess


def run(*args, stdin=None):
    subprocess.run(["openssl", *map(str, args)], check=True, input=stdin, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, name="test authority"):
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def issue(self, label, names=("sluice.test",), days=30):
        """(certificate, key): paths. Names that are addresses become IP names; days below 0: expired."""
        key, request, certificate = (self.folder / f"{label}.{kind}" for kind in ("key", "csr", "crt"))
        alternatives = ",".join(("IP:" if name[0].isdigit() else "DNS:") + name for name in names)
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={label}",
            "-addext", f"subjectAltName={alternatives}", "-keyout", key, "-out", request)
        run("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
            "-copy_extensions", "copy", "-days", days, "-out", certificate)
        return certificate, key


def client_context(authority=None, alpn=("h2", "http/1.1"), certificate=None, version=None, ciphers=None):
    """authority None: nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority.certificate)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    if version:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def server_context(certificate, alpn=("http/1.1",), client_authority=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    context.set_alpn_protocols(list(alpn))
    if client_authority:
        context.load_verify_locations(client_authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
