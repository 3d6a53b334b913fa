"""TLS towards clients and endpoints (T-01 to T-08)."""
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

from lib import config, h2raw, openssl
from lib.rawclient import chat, chat_body
from lib.recorder import once
from lib.scenario import Scenario
from lib.tlsfiles import Authority, client_context, server_context
from lib.wait import until


class Tls(Scenario):
    def setUp(self):
        super().setUp()
        self.authority = Authority(self.scratch)

    def material(self, label="server", names=("sluice.test", "127.0.0.1"), authority=None, **more):
        certificate, key = (authority or self.authority).issue(label, names, **more)
        return {"certificate": str(certificate), "key": str(key)}

    def behind_tls(self, tls=None, **more):
        """A gateway with a TLS listener; port is its first."""
        recorder = self.recorder()
        gateway = self.gateway(config.gateway(config.pool("main", [recorder.url]),
                                              listeners=[config.listener(tls=tls or self.material(), **more)]))
        return gateway, recorder

    def names(self, gateway, name, context=None):
        """Subject of the certificate a client with this SNI name gets."""
        context = context or client_context(self.authority)
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as raw:
            with context.wrap_socket(raw, server_hostname=name) as tls:
                return dict(pair[0] for pair in tls.getpeercert()["subject"])["commonName"]


class Clients(Tls):
    def test_both_versions_of_both_protocols_are_served(self):
        gateway, _ = self.behind_tls()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version):
                client = self.client(gateway, tls=client_context(self.authority, ["http/1.1"], version=version))
                client.send(chat())
                self.assertEqual(client.read_answer().status, 200)
                link = self.h2(gateway, tls=client_context(self.authority, ["h2"], version=version))
                self.assertEqual(link.socket.selected_alpn_protocol(), "h2")
                self.assertEqual(link.ask(1, chat_body(), scheme="https").status, 200)

    def test_alpn_prefers_h2_and_none_means_http1(self):
        """T-06"""
        gateway, _ = self.behind_tls()
        self.assertEqual(self.h2(gateway, tls=client_context(alpn=["http/1.1", "h2"])).socket.selected_alpn_protocol(), "h2")
        client = self.client(gateway, tls=client_context(alpn=None))
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        with self.assertRaises(ssl.SSLError):
            self.client(gateway, tls=client_context(alpn=["spdy/3"]))

    def test_renegotiation_is_off(self):
        """T-01"""
        gateway, _ = self.behind_tls()
        connection = openssl.Connection(gateway.port, openssl.TLS1_2)
        self.assertTrue(connection.connect())
        self.assertFalse(connection.renegotiate())
        connection.close()
        client = self.client(gateway, tls=client_context())
        client.close()

    def test_a_flood_of_key_updates_is_cut(self):
        """T-02"""
        gateway, _ = self.behind_tls()
        connection = openssl.Connection(gateway.port, openssl.TLS1_3)
        self.assertTrue(connection.connect())
        sent = 0
        while sent < 200000 and connection.key_update():
            sent += 1
        self.assertLess(sent, 200000)
        connection.close()
        few = openssl.Connection(gateway.port, openssl.TLS1_3)
        self.assertTrue(few.connect())
        self.assertTrue(all(few.key_update() for _ in range(5)))
        self.assertTrue(few.write(chat()))
        self.assertTrue(few.read().startswith(b"HTTP/1.1 200"))
        few.close()

    def test_old_versions_and_weak_ciphers_are_refused(self):
        """T-03"""
        gateway, _ = self.behind_tls()
        old = openssl.Connection(gateway.port, openssl.TLS1_1, security=0)
        self.assertFalse(old.connect())
        old.close()
        for ciphers in (b"NULL", b"RC4", b"EXPORT", b"3DES", b"aNULL"):
            weak = openssl.Connection(gateway.port, openssl.TLS1_2, ciphers=ciphers, security=0)
            self.assertFalse(weak.connect(), ciphers)
            weak.close()

    def test_http2_with_a_prohibited_cipher_is_refused(self):
        """RFC 9113, 9.2.2: INADEQUATE_SECURITY, or no h2 at all."""
        gateway, _ = self.behind_tls()
        context = client_context(alpn=["h2", "http/1.1"], version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")
        try:
            link = self.h2(gateway, tls=context)
        except (ssl.SSLError, OSError):
            return
        if link.socket.selected_alpn_protocol() == "h2":
            link.wait_end(5)
            self.assertEqual(link.goaway, h2raw.INADEQUATE_SECURITY)

    def test_compression_is_off(self):
        gateway, _ = self.behind_tls()
        with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
            with client_context(version=ssl.TLSVersion.TLSv1_2).wrap_socket(raw, server_hostname="sluice.test") as tls:
                self.assertIsNone(tls.compression())

    def test_certificates_follow_the_name_asked_for(self):
        """T-06: several certificates, wildcards; an unknown name and none get the default."""
        a, b = self.material("a", ["a.test"]), self.material("b", ["*.b.test", "b.test"])
        gateway, _ = self.behind_tls({**a, "certificates": [b]})
        for name, expected in (("a.test", "a"), ("x.b.test", "b"), ("b.test", "b"), ("A.TEST", "a"), ("unknown.test", "a"), ("x.y.b.test", "a"), (None, "a")):
            with self.subTest(name=name):
                self.assertEqual(self.names(gateway, name), expected)

    def test_records_of_one_byte_and_cut_hellos_are_handled(self):
        """T-06: the ClientHello arrives a byte at a time, through a relay."""
        gateway, _ = self.behind_tls()
        dribble = self.dribble_to(gateway.port)
        client = self.client(dribble, tls=client_context(self.authority, alpn=["http/1.1", "x" * 200] + [f"p{n}" for n in range(60)]))
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)

    def dribble_to(self, port):
        """A listening port whose first 2,000 bytes reach `port` one at a time, each its own segment."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def pump(source, sink, slow):
            try:
                while data := source.recv(65536):
                    for piece in ([data[n:n + 1] for n in range(len(data))] if slow > 0 else [data]):
                        sink.sendall(piece)
                    slow -= len(data)
            except OSError:
                pass
            sink.close()

        def serve():
            inner, _ = listening.accept()
            outer = socket.create_connection(("127.0.0.1", port))
            outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pump, args=(inner, outer, 2000), daemon=True).start()
            threading.Thread(target=pump, args=(outer, inner, 0), daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        return listening.getsockname()[1]

    def test_sessions_resume_without_early_data(self):
        """T-05, T-04"""
        gateway, _ = self.behind_tls()
        first = openssl.Connection(gateway.port)
        self.assertTrue(first.connect())
        first.write(chat())
        self.assertTrue(first.read())
        session = first.session()
        self.assertEqual(openssl.Connection.early_data_of(session), 0)
        again = openssl.Connection(gateway.port, session=session)
        self.assertTrue(again.connect())
        self.assertTrue(again.was_resumed())
        first.close()
        again.close()

    def test_a_session_does_not_resume_on_another_listener(self):
        """T-04: nor past a client certificate that the other listener wants."""
        recorder = self.recorder()
        tls = self.material()
        gateway = self.gateway(config.gateway(config.pool("main", [recorder.url]), listeners=[
            config.listener(tls=tls), config.listener(tls={**tls, "client_ca": str(self.authority.certificate)})]))
        first = openssl.Connection(gateway.port)
        self.assertTrue(first.connect())
        first.write(chat())
        first.read()
        other = openssl.Connection(config.port_of(gateway.configuration, 1), session=first.session())
        self.assertFalse(other.connect() and other.was_resumed())
        self.assertFalse(other.write(chat()) and other.read().startswith(b"HTTP/1.1 200"))
        first.close()
        other.close()

    def test_client_certificates_are_verified(self):
        gateway, recorder = self.behind_tls({**self.material(), "client_ca": str(self.authority.certificate)})
        good = self.authority.issue("client")
        stranger = Authority(self.scratch, "stranger").issue("client")
        client = self.client(gateway, tls=client_context(self.authority, ["http/1.1"], certificate=good))
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        seen = len(recorder.requests)
        for what, certificate in (("none", None), ("a stranger's", stranger)):
            with self.subTest(certificate=what):
                got = None
                try:
                    client = self.client(gateway, tls=client_context(self.authority, ["http/1.1"], certificate=certificate))
                    client.send(chat())
                    got = client.read_answer()
                except (ssl.SSLError, OSError):
                    pass
                self.assertIsNone(got)
                self.assertEqual(len(recorder.requests), seen)

    def test_a_certificate_is_reloaded_without_dropping_a_connection(self):
        folder = self.scratch / "live"
        folder.mkdir()

        def put(label):
            have = self.material(label)
            shutil.copy(have["certificate"], folder / "tls.crt")
            shutil.copy(have["key"], folder / "tls.key")
        put("old")
        gateway, _ = self.behind_tls({"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")})
        client = self.client(gateway, tls=client_context(self.authority, ["http/1.1"]))
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(self.names(gateway, "sluice.test"), "old")
        put("new")
        gateway.reload()
        until("the new certificate is shown", lambda: self.names(gateway, "sluice.test") == "new", self.slower(5))
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)

    def test_a_broken_certificate_keeps_the_old_one(self):
        tls = self.material("good")
        gateway, _ = self.behind_tls(tls)
        mark = len(gateway.lines)
        open(tls["certificate"], "w").write("not a certificate\n")
        gateway.reload()
        gateway.wait_line("certificate|tls", after=mark)
        self.assertEqual(gateway.admin_status("/readyz"), 200)
        self.assertEqual(self.names(gateway, "sluice.test"), "good")
        until("it is counted", lambda: sum(v for labels, v in gateway.metrics().series("sluice_config_reloads_total") if labels["outcome"] != "ok"))

    def test_an_answer_ends_with_close_notify(self):
        gateway, _ = self.behind_tls()
        client = self.client(gateway, tls=client_context(self.authority, ["http/1.1"]))
        client.send(chat(fields=b"Connection: close\r\n"))
        self.assertEqual(client.read_answer().status, 200)
        self.assertTrue(client.is_closed_within(3))
        self.assertEqual(client.ended, "closed", "no close_notify")

    def test_curl_and_openssl_agree(self):
        gateway, _ = self.behind_tls()
        for flags in (["--http1.1"], ["--http2"], ["--tls-max", "1.2"]):
            with self.subTest(flags=flags):
                done = subprocess.run(["curl", "-sS", "--max-time", "10", *flags, "--cacert", str(self.authority.certificate), "--resolve",
                                       f"sluice.test:{gateway.port}:127.0.0.1", f"https://sluice.test:{gateway.port}/v1/chat/completions",
                                       "-H", "content-type: application/json", "-d", chat_body().decode()], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn('"content":"hello"', done.stdout)


class Endpoints(Tls):
    """T-07, T-08: who answers for a pool must prove its name."""

    def ask(self, endpoint, **tls):
        gateway = self.in_front_of(endpoint, pool={"tls": {"ca": str(self.authority.certificate), **tls}, "retry": {"attempts": 1}})
        client = self.client(gateway)
        client.send(chat())
        return client.read_answer()

    def endpoint(self, label="engine", names=("localhost", "127.0.0.1"), script=None, authority=None, **more):
        context = server_context((authority or self.authority).issue(label, names, **more))
        self.asked = []
        context.sni_callback = lambda sock, name, ctx: self.asked.append(name)
        return self.recorder(script, tls=context)

    def test_a_good_certificate_is_served(self):
        self.assertEqual(self.ask(self.endpoint()).status, 200)

    def test_sni_is_sent_for_names_only(self):
        endpoint = self.endpoint()
        self.assertEqual(self.ask(f"https://localhost:{endpoint.port}").status, 200)
        self.assertEqual(self.asked, ["localhost"])
        endpoint = self.endpoint("second")
        self.ask(endpoint)
        self.assertEqual([name for name in self.asked if name], [])

    def test_what_cannot_be_verified_fails_closed(self):
        for what, more in (("another name", {"names": ["other.test"]}), ("expired", {"days": -1}),
                           ("a stranger's", {"authority": Authority(self.scratch, "stranger")})):
            with self.subTest(what=what):
                endpoint = self.endpoint(what.replace(" ", "-").replace("'", ""), **more)
                self.assert_openai_error(self.ask(endpoint), 502)
                self.assertEqual(endpoint.requests, [])

    def test_verification_is_off_only_when_the_operator_says_so(self):
        endpoint = self.endpoint(authority=Authority(self.scratch, "stranger"))
        self.assertEqual(self.ask(endpoint, verify=False).status, 200)

    def test_a_client_certificate_is_shown_to_endpoints_that_ask(self):
        certificate, key = self.authority.issue("gateway")
        context = server_context(self.authority.issue("engine", ["127.0.0.1"]), client_authority=self.authority)
        endpoint = self.recorder(tls=context)
        self.assertEqual(self.ask(endpoint, certificate=str(certificate), key=str(key)).status, 200)

    def test_http2_over_tls_is_spoken_where_the_url_says_so(self):
        certificate, key = self.authority.issue("engine", ["127.0.0.1"])
        engine = self.engine("--tls-cert", str(certificate), "--tls-key", str(key), "--tokens", "5")
        gateway = self.in_front_of(f"h2://127.0.0.1:{engine.port}", pool={"tls": {"ca": str(self.authority.certificate)}})
        for _ in range(3):
            self.assert_serves(gateway)
        self.assertEqual(gateway.metrics().total("sluice_endpoint_connections"), 1)

    def test_an_endpoint_that_does_not_speak_http2_is_not_sent_any(self):
        endpoint = self.endpoint()  # its ALPN knows http/1.1 only
        self.assert_openai_error(self.ask(f"h2://127.0.0.1:{endpoint.port}"), 502)
        self.assertEqual(endpoint.requests, [])

    def test_a_close_without_close_notify_is_a_truncation(self):
        def script(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhalf of it")
            socket.close(connection.socket.detach())
        got = self.ask(self.endpoint(script=script))
        self.assertTrue(got.status == 502 or not got.complete, got)

    def test_a_close_with_close_notify_is_an_end(self):
        got = self.ask(self.endpoint(script=once(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it")))
        self.assertEqual((got.status, got.body, got.complete), (200, b"all of it", True))


if __name__ == "__main__":
    unittest.main()
