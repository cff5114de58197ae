"""A receiver for Alertmanager's webhook: prints every notification as a line of JSON.

It stands for what would wake people in the demonstration, and has no other use.
Usage: notifications.py HOST:PORT
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Prints what is posted, whatever the path."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps(json.loads(body)), flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing: a notification is all that there is to see."""


host, port = sys.argv[1].rsplit(":", 1)
server = HTTPServer((host, int(port)), Receiver)
print(f"listening on http://{host}:{server.server_port}/", flush=True)
server.serve_forever()
