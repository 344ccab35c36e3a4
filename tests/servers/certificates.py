"""Certificates for tests with TLS: an authority of their own, a server on 127.0.0.1, a client."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.selection import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files in one directory."""

    directory: Path

    def certificate(self, name: str) -> str:
        return str(self.directory / f"{name}.crt")

    def key(self, name: str) -> str:
        return str(self.directory / f"{name}.key")

    @property
    def server_settings(self) -> dict[str, str]:
        """What redis.conf needs besides `tls-port`; clients must show a certificate."""
        return {
            "tls-cert-file": self.certificate("server"),
            "tls-key-file": self.key("server"),
            "tls-ca-cert-file": self.certificate("authority"),
            "tls-auth-clients": "yes",
        }

    @property
    def client_options(self) -> str:
        """The query of a `rediss://` URL."""
        return (
            f"ssl_ca_certs={self.certificate('authority')}"
            f"&ssl_certfile={self.certificate('client')}&ssl_keyfile={self.key('client')}"
        )


def made_certificates(directory: Path) -> Certificates:
    """Make an authority, and a server's and a client's certificate signed by it."""
    if shutil.which("openssl") is None:
        raise Unavailable("no openssl on PATH to make certificates with")
    made = Certificates(directory)
    _openssl(made, "authority", "-x509", "-addext", "keyUsage=critical,keyCertSign")
    signer = ("-x509", "-CA", made.certificate("authority"), "-CAkey", made.key("authority"))
    for name in ("server", "client"):
        _openssl(made, name, *signer, "-addext", "subjectAltName=IP:127.0.0.1",
                 "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return made


def _openssl(made: Certificates, name: str, *options: str) -> None:
    command = ["openssl", "req", *options, *_KEY, "-keyout", made.key(name), "-out", made.certificate(name)]
    told = subprocess.run(
        [*command, "-days", "2", "-subj", f"/CN={name}"], check=False, capture_output=True, text=True
    )
    if told.returncode:
        raise Unavailable(f"openssl made no certificate: {told.stderr.strip()[-300:]}")
