"""A guestbook: read and write entries that PostgreSQL keeps.

GET  /          the page, with a form
GET  /entries   every entry as JSON, oldest first
POST /entries   {"name", "message"} as JSON or as a form
GET  /healthz   the process answers
GET  /readyz    the database answers

Environment: DB_HOST, DB_PASSWORD, optional DB_PORT and PORT.
Links are relative, so the page works under any path prefix.
"""

import html
import json
import os
import signal
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import psycopg2

MAX_BODY = 16 * 1024
MAX_NAME = 80
MAX_MESSAGE = 1000

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    message text NOT NULL
)
"""

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Guestbook</title>
<h1>Guestbook</h1>
<form method="post" action="entries">
<p><label>Name <input name="name" required maxlength="{max_name}"></label>
<p><label>Message <input name="message" required maxlength="{max_message}"></label>
<p><button>Sign</button>
</form>
<ul>{items}</ul>
</html>
"""


class Refused(Exception):
    """A request that cannot be carried out, with the reason for its sender."""


class Guestbook:
    """The entries in the database. Every call opens its own connection, so that the database can stop at any time."""

    def __init__(self, environment):
        self._dsn = {
            "host": environment["DB_HOST"],
            "port": environment.get("DB_PORT", "5432"),
            "password": environment["DB_PASSWORD"],
            "user": "guestbook",
            "dbname": "guestbook",
            "connect_timeout": 3,
        }
        self._schema_lock = threading.Lock()
        self._schema_exists = False

    def _run(self, query, parameters=()):
        connection = psycopg2.connect(**self._dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def prepare(self):
        """Creates the table once, and shows that the database answers."""
        with self._schema_lock:
            if not self._schema_exists:
                self._run(SCHEMA)
                self._schema_exists = True
                return
        self._run("SELECT 1")

    def entries(self):
        self.prepare()
        rows = self._run("SELECT id, written_at, name, message FROM entries ORDER BY id")
        return [
            {"id": row[0], "writtenAt": row[1].isoformat(), "name": row[2], "message": row[3]} for row in rows
        ]

    def write(self, name, message):
        self.prepare()
        query = "INSERT INTO entries (name, message) VALUES (%s, %s) RETURNING id, written_at"
        row = self._run(query, (name, message))[0]
        return {"id": row[0], "writtenAt": row[1].isoformat(), "name": name, "message": message}


def checked(fields, key, longest):
    """The text of one field, or the reason why it cannot be taken."""
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"{key}: expected a text that is not empty")
    if len(value) > longest:
        raise Refused(f"{key}: at most {longest} characters")
    if "\0" in value:
        raise Refused(f"{key}: must not hold a zero character")
    return value.strip()


def page(entries):
    items = "".join(
        f"<li><b>{html.escape(entry['name'])}</b>: {html.escape(entry['message'])}" for entry in entries
    )
    return PAGE.format(items=items, max_name=MAX_NAME, max_message=MAX_MESSAGE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    guestbook = None

    def do_GET(self):
        routes = {
            "/": lambda: self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page(self.guestbook.entries())),
            "/entries": lambda: self._json(HTTPStatus.OK, self.guestbook.entries()),
            "/healthz": lambda: self._json(HTTPStatus.OK, {"alive": True}),
            "/readyz": self._ready,
        }
        self._route(routes)

    def do_POST(self):
        self._route({"/entries": self._write})

    def _route(self, routes):
        route = routes.get(self.path.split("?", 1)[0])
        if route is None:
            self.close_connection = True
            return self._json(HTTPStatus.NOT_FOUND, {"error": "no such page"})
        try:
            return route()
        except Refused as refused:
            return self._json(HTTPStatus.BAD_REQUEST, {"error": str(refused)})
        except psycopg2.Error as error:
            print(f"database: {error}", file=sys.stderr)
            return self._json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the database does not answer"})

    def _ready(self):
        self.guestbook.prepare()
        self._json(HTTPStatus.OK, {"ready": True})

    def _write(self):
        fields, is_form = self._fields()
        entry = self.guestbook.write(checked(fields, "name", MAX_NAME), checked(fields, "message", MAX_MESSAGE))
        if is_form:
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", "./")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._json(HTTPStatus.CREATED, entry)

    def _fields(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            raise Refused(f"body: expected a Content-Length of at most {MAX_BODY} bytes")
        try:
            body = self.rfile.read(int(length)).decode()
            if self.headers.get_content_type() != "application/json":
                return {key: values[0] for key, values in parse_qs(body).items()}, True
            fields = json.loads(body)
        except ValueError as error:
            raise Refused(f"body: {error}") from error
        if not isinstance(fields, dict):
            raise Refused("body: expected a JSON object")
        return fields, False

    def _json(self, status, value):
        self._answer(status, "application/json", json.dumps(value))

    def _answer(self, status, content_type, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    missing = [name for name in ("DB_HOST", "DB_PASSWORD") if not os.environ.get(name)]
    if missing:
        sys.exit(f"guestbook: not set: {', '.join(missing)}")
    Handler.guestbook = Guestbook(os.environ)
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
    server.daemon_threads = True
    # The first process of a container ignores SIGTERM unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"guestbook: listening on port {server.server_port}")
    server.serve_forever()


if __name__ == "__main__":
    main()
