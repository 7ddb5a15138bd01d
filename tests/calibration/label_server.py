"""Serves the labelling page in a process of its own, so that a test can kill it: `label_server.py FOLDER PORT`.

The folder holds `questions.jsonl` and `links.json`; the labels stand beside them. Says its address on stdout once it
takes requests.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

import uvicorn

from amendment.calibration.page_app import create_app
from amendment.calibration.queue import Queue
from amendment.calibration.samples import LabelQuestion
from amendment.calibration.store import Labels


def main(folder: Path, port: int) -> None:
    questions = [LabelQuestion.model_validate_json(line) for line in (folder / "questions.jsonl").open("rb")]
    links = json.loads((folder / "links.json").read_text(encoding="utf-8"))
    with Labels(folder / "labels.sqlite") as labels, socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        queue = Queue(questions, labels.current(), seed=1, annotators=1, clock=time.monotonic)
        app = create_app(queue, labels, links=links, hosts=[host])
        print(f"http://{host}/", flush=True)  # noqa: T201 - the test reads it; the socket takes connections already
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
