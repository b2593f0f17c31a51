"""Certificates of a test's own, and servers that show them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def a_certificate(folder: Path, name: str, *, host: str = "localhost", until: str = "21200101000000Z") -> tuple[Path, Path]:
    """A self-signed certificate and its key. until: when it expires."""
    key, certificate, asked, config = (folder / f"{name}.{ending}" for ending in ("key", "pem", "csr", "cnf"))
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    config.write_text(
        f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index\nserial={folder}/serial\nnew_certs_dir={folder}\ndefault_md=sha256\n"
        "policy=p\nx509_extensions=e\nunique_subject=no\n[p]\ncommonName=supplied\n"
        f"[e]\nsubjectAltName=DNS:{host}\nbasicConstraints=CA:TRUE\n"
    )
    make = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(asked), "-subj", f"/CN={host}"], check=True, capture_output=True)
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", str(config), "-in", str(asked)]
    sign += ["-keyfile", str(key), "-out", str(certificate)]
    subprocess.run([*sign, "-startdate", "20200101000000Z", "-enddate", until], check=True, capture_output=True)
    return certificate, key


def serving(certificate: Path, key: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
