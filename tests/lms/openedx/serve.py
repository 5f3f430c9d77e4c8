"""Serves the platform until it is ended: ``python -m tests.lms.openedx.serve FOLDER``."""

# mypy: disable-error-code="import-untyped"

import os
import sys


def main(folder: str) -> None:
    """Prepare the database in a folder, print the address and serve."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    url = f"http://127.0.0.1:{server.server_port}"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.lms.openedx.settings",
        "OPENEDX_FOLDER": folder,
        "OPENEDX_URL": url,
    }
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    call_command("migrate", run_syncdb=True, verbosity=0)
    print(url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
