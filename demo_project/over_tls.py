"""
``make demo-tls``: the shop over TLS, with a certificate of its own making.

Browsers bind sessions to a key of their device over TLS alone, and only where they trust the
certificate. So a command is printed that starts one which trusts this certificate and no other.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.tls import FEATURES, Certificate, Handler, Server

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".cache" / "tls"
DAYS = 90


def main(port: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings_tls")
    KEPT.mkdir(parents=True, exist_ok=True)
    certificate = Certificate(KEPT, days=DAYS)
    server = served(port, certificate)
    print_what_to_do(f"https://localhost:{port}/", certificate)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def served(port: int, certificate: Certificate) -> Server:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    server = Server(("localhost", port), Handler)
    server.use(certificate)
    server.set_app(StaticFilesHandler(application))
    return server


def print_what_to_do(address: str, certificate: Certificate) -> None:
    command = [
        "chromium",
        f"--user-data-dir={KEPT / 'profile'}",
        f"--ignore-certificate-errors-spki-list={certificate.fingerprint}",
        f"--enable-features={FEATURES}",
        address,
    ]
    print(
        f"The shop: {address} (its certificate: {certificate.certificate})\n"
        "A Chrome or Chromium that trusts it, in a profile of its own; without the second\n"
        "feature on Windows, where the key is the device's own:\n\n"
        f"  {shlex.join(command)}\n\n"
        "Sign in as maya: Devices says that the session is bound to this device.",
        flush=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8443)
