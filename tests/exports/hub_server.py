"""A local stand-in for the Hugging Face Hub: what huggingface_hub needs to upload small files."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0" * 40
"""Of all repositories."""


@dataclass
class Hub:
    """What the server has.

    Attributes:
        url: of the server.
        repositories: "models/user/name" or "datasets/user/name" -> whether it is private.
        files: the same and a path -> content.
        tokens: of the requests.
    """

    url: str = ""
    repositories: dict[str, bool] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A Hub on a free port of this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.partition("?")[0].removeprefix("/api/")
            repository, resolve, path = name.lstrip("/").partition(f"/resolve/{COMMIT}/")
            if resolve:
                key = repository if repository in hub.files else f"models/{repository}"
                body = hub.files[key][path]
                return self.send(body, 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"'})
            if name not in hub.repositories:
                return self.answer({"error": "Repository not found"}, 404)
            files = [{"rfilename": path} for path in hub.files.get(name, {})]
            return self.answer(
                {
                    "id": name.partition("/")[2],
                    "private": hub.repositories[name],
                    "sha": COMMIT,
                    "siblings": files,
                }
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hub.tokens.add(self.headers["Authorization"])
            path = self.path.partition("?")[0].removeprefix("/api/")
            name, _, action = path.rpartition("/main")[0].rpartition("/")
            if self.headers["Authorization"] != "Bearer hf_secret":
                self.answer({"error": "Invalid username or password."}, 401)
            elif path == "validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif path == "repos/create":
                self.create(json.loads(body))
            elif action == "preupload":
                files = json.loads(body)["files"]
                modes = {"uploadMode": "regular", "shouldIgnore": False}
                self.answer({"files": [{"path": file["path"], **modes} for file in files]})
            elif action == "commit":
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        hub.files.setdefault(name, {})[line["value"]["path"]] = content
                    elif line["key"] == "deletedFile":
                        del hub.files[name][line["value"]["path"]]
                self.answer({"commitUrl": f"{hub.url}/{name}/commit/0", "commitOid": COMMIT})
            else:
                self.answer({"error": self.path}, 404)

        def create(self, request: dict[str, Any]) -> None:
            name = f"{request.get('organization')}/{request['name']}"
            key = f"{request.get('type') or 'model'}s/{name}"
            url = f"{hub.url}/{key.removeprefix('models/')}"
            exists = key in hub.repositories
            if not exists:
                private = request.get("private", request.get("visibility") == "private")
                hub.repositories[key] = bool(private)
            self.answer({"url": url, "id": name, "name": name}, 409 if exists else 200)

        def answer(self, content: object, status: int = 200) -> None:
            self.send(json.dumps(content).encode(), status, {"Content-Type": "application/json"})

        def send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            lengths = {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT}
            for name, value in {**headers, **lengths}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield hub
        server.shutdown()
