"""Sound from other hosts: only listed ones, only at checked addresses, only by a certificate that names them."""

import datetime
import http.server
import socket
import ssl
import threading

import pytest

from otoloop.serve import remote
from otoloop.serve.refusals import Refusal
from otoloop.serve.remote import Allowed, fetch


def code_of(url, *allowed, max_bytes=1000):
    with pytest.raises(Refusal) as refused:
        fetch(url, Allowed.of(allowed), max_bytes)
    return refused.value.code


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate of `localhost`, and the file that holds it with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
        key, hashes.SHA256()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "https://127.0.0.1/secret")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode() if self.path != "/long" else b"x" * 5000)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(certificate):
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_address[1]
    made.shutdown()
    made.server_close()


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    real = socket.getaddrinfo  # `localhost` may have an address of IPv6 too, where nobody listens
    monkeypatch.setattr(remote.socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))


def test_a_listed_host_in_a_listed_network_is_read(server, trusted):
    allowed = Allowed.of(["localhost", "127.0.0.0/8"])
    assert fetch(f"https://localhost:{server}/a.wav?b=1", allowed, 1000) == b"/a.wav?b=1"


def test_what_it_must_not_reach(server, trusted):
    here = f"https://localhost:{server}"
    assert code_of(f"{here}/x") == "host_not_allowed"
    assert code_of(f"{here}/x", "127.0.0.0/8") == "host_not_allowed"
    assert code_of(f"{here}/x", "localhost") == "address_not_allowed"
    assert code_of(f"{here}/moved", "localhost", "127.0.0.0/8") == "fetch_failed"
    assert code_of(f"{here}/long", "localhost", "127.0.0.0/8") == "too_large"
    # the certificate is not this host's
    assert code_of(f"https://plant.example:{server}/x", "plant.example", "127.0.0.0/8") == "fetch_failed"


def test_an_untrusted_certificate(server):
    assert code_of(f"https://127.0.0.1:{server}/x", "127.0.0.0/8") == "fetch_failed"


@pytest.mark.parametrize(
    "url",
    ["http://h/x", "file:///etc/passwd", "ftp://h/x", "https:///x", "https://u:p@h/x", "https://h:0/x", "https://h:99999/x",
     "https://h/x\r\nHost: y", "https://h/ü", "https://[::1", "gopher://h", "https://h /x", "x"],
)  # fmt: skip
def test_no_https_address(url):
    assert code_of(url, "h") == "invalid_url"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1",
     "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "255.255.255.255"],
)  # fmt: skip
def test_addresses_that_are_not_public(address, monkeypatch):
    row = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    monkeypatch.setattr(remote.socket, "getaddrinfo", lambda *_, **__: [public, row])
    assert code_of("https://h/x", "h") == "address_not_allowed"


def test_a_literal_address_needs_its_network(monkeypatch):
    assert code_of("https://10.0.0.1/x", "h") == "host_not_allowed"
    assert code_of("https://0x7f000001/x", "h") == "host_not_allowed"
    assert not Allowed.of(["10.2.0.0/16"]).has("10.3.0.1") and Allowed.of(["10.2.0.0/16"]).has("10.2.0.1")
