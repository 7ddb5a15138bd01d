"""A Hub of our own on loopback: repositories, commits, large files, tags, private ones, as the real client asks.

It answers what `huggingface_hub` and `datasets` send to publish and to load, keeps every commit, and writes down
every request. Large files (Parquet, safetensors) go by the LFS routes, so the client needs `HF_HUB_DISABLE_XET=1`.
`publishes` and `client` ask it by the unmodified client in a process of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.chat_server import Loopback
from tests.command_line import Ended

WRITER, READER = "hf_" + "w" * 34, "hf_" + "r" * 34
"""A token that may do everything, and one that may only read."""
LARGE = (".parquet", ".safetensors")
Files = dict[str, str]
"""The sha256 of each path's content."""


@dataclass
class Repo:
    """One repository: its commits in order, each with all files."""

    kind: str
    name: str
    private: bool
    commits: list[tuple[str, Files, str]] = field(default_factory=list)
    """Name, files and message of each."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    def files(self, revision: str = "main") -> Files | None:
        """The files at a branch, tag or commit; None where there is no such revision."""
        wanted = self.head if revision == "main" else self.tags.get(revision, revision)
        return next((files for name, files, _ in self.commits if name == wanted), None)

    def commit_of(self, revision: str) -> str:
        return self.head if revision == "main" else self.tags.get(revision, revision)

    def add(self, files: Files, message: str) -> str:
        name = hashlib.sha1(f"{self.name}{len(self.commits)}{sorted(files.items())}".encode()).hexdigest()
        self.commits.append((name, files, message))
        return name


class Hub(Loopback):
    """The server; use it in a `with` block."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fails: Callable[[str], bool] = lambda request: False
        """Requests (method and path) that are answered with 500."""
        self.before: Callable[[str], None] = lambda request: None
        """What somebody else does just before a request (method and path) is served."""

    @property
    def url(self) -> str:
        return self.origin

    def text(self, kind: str, name: str, path: str, revision: str = "main") -> str:
        """A text file of a repository."""
        files = self.repos[(kind, name)].files(revision)
        assert files is not None
        return self.blobs[files[path]].decode("utf-8")

    def keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return digest


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


_REPO = r"(?P<kind>datasets|models)/(?P<name>[^/]+/[^/]+)"
_PAGE = r"/(?:(?P<kind>datasets)/)?(?P<name>[^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", rf"/api/{_REPO}(?:/revision/(?P<revision>[^/]+))?", "info"),
    ("POST", rf"/api/{_REPO}/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", rf"/api/{_REPO}/commit/(?P<revision>[^/]+)", "commit"),
    ("GET", rf"/api/{_REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?", "tree"),
    ("POST", rf"/api/{_REPO}/paths-info/(?P<revision>[^/]+)", "paths"),
    ("GET", rf"/api/{_REPO}/refs", "refs"),
    ("POST", rf"/api/{_REPO}/tag/(?P<revision>[^/]+)", "tag"),
    ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", r"/large/(?P<oid>[0-9a-f]{64})", "put_large"),
    ("POST", r"/large/verify", "verify_large"),
    ("GET", r"/large/(?P<oid>[0-9a-f]{64})", "get_large"),
    ("GET", rf"{_PAGE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two make the client wait 40 ms for each answer
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:  # the parent's name
        """Say nothing."""

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        target = urlsplit(self.path)
        self.query = parse_qs(target.query)
        request = f"{self.command} {target.path}"
        self.server.requests.append(request)
        self.server.before(request)
        if self.server.fails(request):
            self._answer(500, {"error": "out of order"}, {})
            return
        method = "GET" if self.command == "HEAD" else self.command
        for verb, pattern, name in ROUTES:
            found = re.fullmatch(pattern, target.path)
            if verb == method and found:
                self._call(name, {key: unquote(value) for key, value in found.groupdict().items() if value})
                return
        self._answer(404, {"error": "no such page"}, {"X-Error-Code": "EntryNotFound"})

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - the parent's names

    def _call(self, name: str, parts: dict[str, str]) -> None:
        try:
            getattr(self, f"_{name}")(**parts)
        except _Refused as refused:
            self._answer(refused.status, {"error": str(refused)}, {"X-Error-Code": refused.code})

    def _answer(self, status: int, value: Any, headers: dict[str, str]) -> None:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode("utf-8")
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(value, bytes) else "application/json"
        for key, one in {"content-type": kind, "content-length": str(len(raw)), **headers}.items():
            self.send_header(key, one)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    @property
    def _token(self) -> str | None:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        return token if token in (WRITER, READER) else None

    def _repo(self, kind: str, name: str, *, write: bool = False) -> Repo:
        repo = self.server.repos.get((kind, name))
        if repo is None or (repo.private and not self._token):
            raise _Refused(404 if self._token else 401, "RepoNotFound", "Repository not found")
        if write:
            self._may_write()
        return repo

    def _may_write(self) -> None:
        if self._token is None:
            raise _Refused(401, "Unauthorized", "Invalid username or password")
        if self._token != WRITER:
            raise _Refused(403, "Forbidden", "this token may only read")

    def _at(self, repo: Repo, revision: str) -> Files:
        files = repo.files(revision)
        if files is None:
            raise _Refused(404, "RevisionNotFound", f"no revision {revision}")
        return files

    def _whoami(self) -> None:
        if self._token is None:
            raise _Refused(401, "Unauthorized")
        self._answer(200, {"type": "user", "name": "tester", "orgs": [{"name": "org"}]}, {})

    def _create(self) -> None:
        self._may_write()
        asked = json.loads(self.body)
        kind = f"{asked.get('type', 'model')}s"
        name = f"{asked['organization'] or 'tester'}/{asked['name']}"
        url = f"{self.server.url}/{'datasets/' if kind == 'datasets' else ''}{name}"
        if (kind, name) in self.server.repos:
            self._answer(409, {"error": "exists", "url": url}, {})
            return
        repo = Repo(kind, name, private=asked.get("visibility") == "private")
        repo.add({".gitattributes": self.server.keep(b"*.parquet filter=lfs\n")}, "initial commit")
        self.server.repos[(kind, name)] = repo
        self._answer(200, {"url": url, "name": name}, {})

    def _validate(self) -> None:
        head = re.match(r"---\n(.*?)\n?---", json.loads(self.body)["content"], flags=re.DOTALL)
        bad = head is not None and re.search(r"^license:\s*$", head[1], flags=re.MULTILINE)
        errors = [{"message": "license is empty"}] if bad else []
        self._answer(400 if bad else 200, {"errors": errors, "warnings": []}, {})

    def _info(self, kind: str, name: str, revision: str = "main") -> None:
        repo = self._repo(kind, name)
        files = self._at(repo, revision)
        siblings = [{"rfilename": path} for path in sorted(files)]
        info = {"id": name, "sha": repo.commit_of(revision), "private": repo.private, "siblings": siblings, "tags": []}
        self._answer(200, {"_id": "1", **info, "gated": False, "disabled": False, "downloads": 0, "likes": 0}, {})

    def _preupload(self, kind: str, name: str, revision: str) -> None:
        files = self._at(self._repo(kind, name, write=True), revision)
        told = []
        for one in json.loads(self.body)["files"]:
            path = one["path"]
            entry: dict[str, Any] = {"path": path, "shouldIgnore": False}
            entry["uploadMode"] = "lfs" if path.endswith(LARGE) else "regular"
            if path in files:
                entry["oid"] = self._oid(path, files[path])
            told.append(entry)
        self._answer(200, {"files": told}, {})

    def _oid(self, path: str, digest: str) -> str:
        """A large file's sha256; any other file's name in git."""
        content = self.server.blobs[digest]
        return digest if path.endswith(LARGE) else hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def _batch(self, name: str, kind: str = "models") -> None:
        self._repo(kind, name, write=True)
        told = []
        for one in json.loads(self.body)["objects"]:
            entry = dict(one)
            if one["oid"] not in self.server.blobs:
                upload = {"href": f"{self.server.url}/large/{one['oid']}"}
                entry["actions"] = {"upload": upload, "verify": {"href": f"{self.server.url}/large/verify"}}
            told.append(entry)
        self._answer(200, {"transfer": "basic", "objects": told}, {})

    def _put_large(self, oid: str) -> None:
        if self.server.keep(self.body) != oid:
            raise _Refused(400, "BadRequest", "the bytes are not those that were announced")
        self._answer(200, {}, {})

    def _verify_large(self) -> None:
        asked = json.loads(self.body)
        there = len(self.server.blobs.get(asked["oid"], b"")) == asked["size"]
        self._answer(200 if there else 404, {}, {})

    def _get_large(self, oid: str) -> None:
        self._answer(200, self.server.blobs[oid], {"etag": f'"{oid}"'})

    def _commit(self, kind: str, name: str, revision: str) -> None:
        repo = self._repo(kind, name, write=True)
        files, message = dict(self._at(repo, revision)), ""
        for line in self.body.splitlines():
            step = json.loads(line)
            value = step["value"]
            match step["key"]:
                case "header":
                    message = value["summary"]
                    if value.get("parentCommit") not in (None, repo.head):
                        raise _Refused(412, "PreconditionFailed", "A commit has happened since. Please refresh.")
                case "file":
                    files[value["path"]] = self.server.keep(base64.b64decode(value["content"]))
                case "lfsFile":
                    assert value["oid"] in self.server.blobs, "a commit of bytes that were never sent"
                    files[value["path"]] = value["oid"]
                case "deletedFile":
                    del files[value["path"]]
                case "deletedFolder":
                    files = {
                        path: one for path, one in files.items() if not path.startswith(f"{value['path'].rstrip('/')}/")
                    }
        made = repo.add(files, message)
        self._answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{made}", "commitOid": made}, {})

    def _tree(self, kind: str, name: str, revision: str, path: str = "") -> None:
        files = self._at(self._repo(kind, name), revision)
        inside = f"{path.strip('/')}/" if path.strip("/") else ""
        below = sorted(one for one in files if one.startswith(inside))
        if inside and not below:
            raise _Refused(404, "EntryNotFound", f"no {path}")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        found = {}
        for one in below:
            rest = one[len(inside) :]
            folder = rest.partition("/")[0] if "/" in rest else None
            if folder is not None:
                shown = f"{inside}{folder}"
                found[shown] = {"type": "directory", "path": shown, "oid": "0" * 40, "size": 0}
            if folder is None or deep:
                found[one] = self._entry(one, files[one])
        self._answer(200, list(found.values()), {})

    def _entry(self, path: str, digest: str) -> dict[str, Any]:
        size = len(self.server.blobs[digest])
        entry: dict[str, Any] = {"type": "file", "path": path, "oid": self._oid(path, digest), "size": size}
        if path.endswith(LARGE):
            entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 130}
        return entry

    def _paths(self, kind: str, name: str, revision: str) -> None:
        files = self._at(self._repo(kind, name), revision)
        asked = json.loads(self.body)["paths"]
        found = []
        for path in [asked] if isinstance(asked, str) else asked:
            if path in files:
                found.append(self._entry(path, files[path]))
            elif any(one.startswith(f"{path}/") for one in files):
                found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        self._answer(200, found, {})

    def _refs(self, kind: str, name: str) -> None:
        repo = self._repo(kind, name)
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": sha} for tag, sha in repo.tags.items()]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head}
        self._answer(200, {"branches": [main], "tags": tags, "converts": []}, {})

    def _tag(self, kind: str, name: str, revision: str) -> None:
        repo = self._repo(kind, name, write=True)
        tag = json.loads(self.body)["tag"]
        if tag in repo.tags:
            self._answer(409, {"error": "tag exists"}, {})
            return
        repo.tags[tag] = repo.commit_of(revision)
        self._answer(200, {}, {})

    def _resolve(self, name: str, revision: str, path: str, kind: str = "models") -> None:
        repo = self._repo(kind, name)
        files = self._at(repo, revision)
        commit = {"X-Repo-Commit": repo.commit_of(revision)}
        if path not in files:
            self._answer(404, {"error": "no such file"}, {**commit, "X-Error-Code": "EntryNotFound"})
            return
        content, oid = self.server.blobs[files[path]], self._oid(path, files[path])
        if not path.endswith(LARGE):
            self._answer(200, content, {**commit, "ETag": f'"{oid}"'})
            return
        linked = {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{oid}"'}
        place = f"http://localhost:{self.server.server_port}/large/{oid}"  # another host, as the Hub's store is
        self._answer(302, {}, {**commit, **linked, "Location": place})


PUBLISHES = """\
import json, os, sys
from unittest import mock
from tests.command_line import amendment

ended = []
for argv, env in json.load(sys.stdin):
    with mock.patch.dict(os.environ):
        for name, value in env.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        ended.append(amendment("publish", *argv))
print(json.dumps(ended))
"""


def client(hub: Hub, home: Path, script: str, asked: Any) -> Any:
    """Run a script with the real client in a process of its own; returns the JSON it prints."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_TOKEN": WRITER,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(asked), capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def publishes(
    hub: Hub, home: Path, *calls: Sequence[object], env: Sequence[Mapping[str, str | None]] = ()
) -> list[Ended]:
    """`amendment publish` with each of these arguments and further variables, one after another."""
    asked = [(list(map(str, call)), env[number] if number < len(env) else {}) for number, call in enumerate(calls)]
    return [Ended(*ended) for ended in client(hub, home, PUBLISHES, asked)]
