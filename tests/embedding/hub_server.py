"""A small server that plays the hub: what a revision is, what is in it, and the files."""

import hashlib
import http.server
import json
from pathlib import Path

COMMIT, OTHER = "1" * 40, "2" * 40
REPO = "Someone/Tiny-Llama"


class Hub(http.server.ThreadingHTTPServer):
    """Holds one repository."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.files = {}
        self.refs = {"main": COMMIT}
        #: Status and error code to answer with: of everything, or of files only.
        self.fault: tuple | None = None
        self.file_fault: tuple | None = None
        #: Where the main branch goes once a file was given.
        self.moves_to = ""
        self.asked, self.tokens = [], set()
        self.cache = Path()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.add(self.headers.get("Authorization"))
        api, name = f"/api/models/{REPO}", path.rpartition("/")[2]
        if self.server.fault:
            self.refuse(*self.server.fault)
        elif path.startswith(f"{api}/revision/"):
            revision = path.removeprefix(f"{api}/revision/").replace("%2F", "/")
            commit = self.server.refs.get(revision, revision)
            if commit not in {COMMIT, OTHER}:
                self.refuse(404, "RevisionNotFound")
                return
            self.answer(json.dumps({"id": REPO, "sha": commit}).encode())
        elif path.startswith(f"{api}/tree/"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": digest(content)}
                for name, content in self.server.files.items()
            ]
            self.answer(json.dumps(entries).encode())
        elif path.startswith(f"/{REPO}/resolve/") and self.server.file_fault:
            self.refuse(*self.server.file_fault)
        elif path.startswith(f"/{REPO}/resolve/") and name in self.server.files:
            self.answer(self.server.files[name], commit=path.split("/")[4])
            self.server.refs["main"] = self.server.moves_to or self.server.refs["main"]
        else:
            self.refuse(404, "RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def answer(self, content, commit=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{digest(content)}"')
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def refuse(self, status, code):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def digest(content):
    return hashlib.sha1(content).hexdigest()
