"""Makes the gallery from the folder of a finished demo, and the pictures of the README.

    make gallery

The report's picture is of `report.html`; that of the labelling page shows two of the demo's pairs to an annotator.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from amendment.constitutions import load_constitution
from amendment.people.samples import LabelQuestion, PrincipleText
from amendment.publishing.formats import export_run
from amendment.records import Message, user
from tests.conftest import CHROMIUM, FLAGS
from tests.people.label_browser import Site

ROOT = Path(__file__).resolve().parents[2]
GALLERY, IMAGES = ROOT / "examples/gallery", ROOT / "docs/images"
FILES = ("report.html", "summary.md", "certificate.md", "certificate.json")
RULES = ROOT / "examples/rules/brief.yaml"
PAIRS = 2
WIDE, HIGH = 1200, 700
"""Pixels of a picture."""


def main(folder: Path) -> None:
    """Copy what people read, export the pairs, and take the pictures."""
    for name in FILES:
        shutil.copyfile(folder / name, GALLERY / name)
    with tempfile.TemporaryDirectory() as scratch:
        export_run(folder, "jsonl", Path(scratch) / "pairs")
        for side in ("train", "test"):
            shutil.copyfile(Path(scratch) / f"pairs/{side}.jsonl", GALLERY / f"{side}.jsonl")
        rows = [json.loads(line) for line in (GALLERY / "train.jsonl").read_text("utf-8").splitlines()[:PAIRS]]
        with sync_playwright() as playwright:
            page = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page(
                viewport={"width": WIDE, "height": HIGH}
            )
            page.goto((GALLERY / "report.html").as_uri())
            page.screenshot(path=IMAGES / "report.png")
            site = Site(Path(scratch), [question(row) for row in rows], ["you"])
            page.goto(site.link("you"))
            page.get_by_text(rows[0]["chosen"][0]["content"]).or_(
                page.get_by_text(rows[1]["chosen"][0]["content"])
            ).first.wait_for()
            page.screenshot(path=IMAGES / "label.png")
            site.kill()


def question(row: dict[str, Any]) -> LabelQuestion:
    """A pair of the demo as an annotator sees it."""
    principles = load_constitution(RULES).principles
    sides = {side: (Message(role="assistant", content=row[side][0]["content"]),) for side in ("chosen", "rejected")}
    return LabelQuestion(
        comparison_id=row["comparison_id"],
        prompt_id=row["prompt_id"],
        prompt=user(row["prompt"][0]["content"]),
        a_id=row["chosen_id"],
        b_id=row["rejected_id"],
        a=sides["chosen"],
        b=sides["rejected"],
        principles=tuple(PrincipleText(id=f"brief/{each.id}", statement=each.statement) for each in principles),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
