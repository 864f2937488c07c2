"""`splatkit view`: a run, a mesh or splats in the browser."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import tyro

from splatkit.commands.terminal import say
from splatkit.errors import SettingsError

_HOST = "127.0.0.1"  # what is shown stays on this machine


@dataclass(frozen=True)
class View:
    """Look at a run, a mesh or splats in the browser, from this machine alone. Ctrl-C ends it.

    A run opens in nerfstudio's viewer. Meshes turn with the mouse: a .glb with its texture, others with the colors of
    their vertices, decimated where they are large. Splats are shown as points.
    """

    what: tyro.conf.Positional[Path]
    """config.yml of a run; or a .ply, .glb, .obj or .stl mesh; or splats: .ply, .sog, .spz, .splat, .glb,
    lod-meta.json."""
    port: int = 7007
    """Port to listen on; 0 takes any that is free."""


def run_view(settings: View) -> None:
    """Serve until interrupted."""
    if settings.what.suffix == ".yml":
        from splatkit.optimize.nerfstudio.open_viewer import open_viewer

        open_viewer(settings.what, _HOST, settings.port)
        return
    from splatkit.pages.view import view_page

    server = page_server(view_page(settings.what), settings.port)
    say(f"http://{_HOST}:{server.server_port} shows {settings.what}; Ctrl-C ends it")
    sys.stdout.flush()
    with server:
        server.serve_forever()


def page_server(page: str, port: int) -> ThreadingHTTPServer:
    """A server of one page.

    Raises:
        SettingsError: another program listens on the port.
    """
    content = page.encode()

    class Handler(BaseHTTPRequestHandler):
        """Answers with the page, whoever asks for it."""

        def do_GET(self) -> None:
            """The page at the root; nothing else is there."""
            found = self.path == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(content)

        log_message: Callable[..., None] = staticmethod(lambda *_: None)

    try:
        return ThreadingHTTPServer((_HOST, port), Handler)
    except OSError as error:
        raise SettingsError(
            f"port {port} cannot be listened on ({error.strerror}); --port 0 takes a free one"
        ) from None
