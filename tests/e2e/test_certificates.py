"""Certificates that people bring: from the command line to what a browser is shown."""
import re
import socket
import ssl
import subprocess

import pytest

MANIFEST = "services:\n  web:\n    build: .\n    port: 3000\n    domain: {name}.shop.test\n"


def pair(folder, names, days=30):
    public, key = folder / "cert.pem", folder / "cert.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days),
                    "-subj", "/CN=ignored", "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(public)],
                   check=True, capture_output=True)
    return str(public), str(key)


def shown(rack, name, folder):
    """The names of the certificate that a client is shown."""
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    with socket.create_connection(("127.0.0.1", rack.https), timeout=10) as raw, \
            context.wrap_socket(raw, server_hostname=name) as connection:
        return [value for _, value in connection.getpeercert()["subjectAltName"]]


def test_a_certificate_is_imported_served_and_deleted(make_app, rack, tmp_path):
    app = make_app().write("".join(MANIFEST.format(name="www")))
    app.deploy()
    public, key = pair(tmp_path, "DNS:*.shop.test")
    made = rack.run("certs", "import", public, key)
    name = re.fullmatch(r"Importing certificate\.\.\. OK, (cert-[0-9a-f]{12})\n", made.out).group(1)
    assert rack.run("certs", "import", public, key, "--id").out == name
    assert shown(rack, "www.shop.test", tmp_path) == ["*.shop.test"]

    listed = next(row for row in rack.run("certs", "--json").json() if row["id"] == name)
    assert listed["domain"] == "*.shop.test"
    assert listed["expires"].startswith("20")
    assert re.search(rf"web:443 +{name} +\*\.shop\.test +20\d\d-", app.run("ssl").out)

    rack.fail("certs", "delete", name)  # nobody is there to ask
    rack.run("certs", "delete", name, "--yes")
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(rack, "www.shop.test", tmp_path)
    assert rack.fail("certs", "delete", name, "--yes").err == f"ERROR: no such certificate: {name}\n"


def test_what_is_wrong_with_a_certificate_is_named(rack, tmp_path):
    public, key = pair(tmp_path, "DNS:a.test")
    other = tmp_path / "other"
    other.mkdir()
    _, foreign = pair(other, "DNS:a.test")
    assert "key: does not belong to the certificate" in rack.fail("certs", "import", public, foreign).err
    assert "pub: has to be a certificate in PEM form" in rack.fail("certs", "import", key, key).err
    assert "/nowhere" in rack.fail("certs", "import", "/nowhere", key).err
    assert "carrack certs import" in rack.fail("certs", "generate", "a.test").err
    assert rack.run("certs", "--json").json() == []
