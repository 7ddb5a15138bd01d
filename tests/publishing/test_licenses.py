"""What a run's sources allow: licenses that forbid a publication stop it, and who decided its pairs is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command_line import amendment
from tests.hub_standin import Repo, publishes
from tests.publishing.conftest import pairs_run

REPO = "org/pairs"
LICENSES = {
    "mit": (
        "cc-by-nc-4.0 gpl-3.0 deepfloyd-if-license SSPL-1.0 LicenseRef-AcmeNC-1.0 LicenseRef-CCBYND LicenseRef-acme-nc "
        "LicenseRef-Standard-Vendor LicenseRef-evaluation-only LicenseRef-ResearchOnly LicenseRef-no-derivatives "
        "BUSL-1.1 Elastic-2.0 BSD-3-Clause-No-Nuclear-License other unknown",
        "MIT-0 0BSD ODC-By-1.0 OGL-UK-3.0 llama3.1 cc-by-4.0",
    ),
    "cc-by-nc-4.0": ("cc-by-nc-sa-4.0 LicenseRef-ResearchOnly", "cc-by-nc-4.0"),
    "cc-by-4.0": ("cc-by-nd-4.0 cc-by-sa-4.0 cc", "cc-by-4.0"),
    "cc-by-sa-4.0": ("cc-by-nc-4.0", "cc-by-sa-3.0 CC-BY-SA-3.0-DE"),
    "gpl-3.0": ("GPL-2.0-only", "GPL-2.0-or-later"),
    "gpl-2.0": ("", "GPL-2.0-only"),
}
"""Of the dataset; and of sources, those that forbid it or are not known, and those that allow it."""
CHOICES = {"MIT OR LicenseRef-Proprietary": False, "MIT AND LicenseRef-Proprietary": True, "MIT AND CC-BY-NC-4.0": True}
"""Of a source that names two, and whether it forbids `mit`."""


def test_the_dry_run_names_every_license_that_forbids_it(tmp_path: Path) -> None:
    names = " ".join(name for both in LICENSES.values() for name in both).split()
    sources = [*dict.fromkeys(names), *CHOICES]
    run = pairs_run(tmp_path, *(f"license: '{source}'" for source in sources), rows=2)
    for dataset, (forbidden, allowed) in LICENSES.items():
        plan = json.loads(amendment("publish", run, "--repo", REPO, "--license", dataset, "--json").out)
        conflicts = {conflict["license"] for conflict in plan["conflicts"]}
        expected = dict.fromkeys(forbidden.split(), True) | dict.fromkeys(allowed.split(), False)
        for source, is_forbidden in (expected | CHOICES if dataset == "mit" else expected).items():
            assert (source in conflicts) == is_forbidden, (source, dataset)
            begins = f"license of {sources.index(source)}.csv (2 prompts): {source}"
            is_noted = any(note.startswith(begins) for note in plan["look at"])
            assert is_noted == (source.lower() != dataset), (source, dataset)


@pytest.mark.slow
def test_a_license_that_forbids_it_or_is_not_known_stops_the_push_until_it_is_named(hub: Any, tmp_path: Path) -> None:
    run = pairs_run(tmp_path, *(f"license: {one}" for one in ("cc-by-nc-nd-4.0", "LicenseRef-Internal", "cc-by-4.0")))
    asked = [run, "--repo", REPO, "--push", "--license", "apache-2.0", "--public"]
    internal = [*asked, "--allow-license", "licenseref-internal"]
    first, second = publishes(hub, tmp_path / "home", asked, internal)
    assert "--allow-license 'LicenseRef-Internal'" in first.err
    for stopped in (first, second):
        assert stopped.code == 2
        assert all(word in stopped.said for word in ("cc-by-nc-nd-4.0", "non-commercial", "adapted"))
    assert hub.requests == []
    private = hub.repos["datasets", REPO] = Repo("datasets", REPO, private=True)
    private.add({}, "initial commit")
    (allowed,) = publishes(hub, tmp_path / "home", [*internal, "--allow-license", "cc-by-nc-nd-4.0"])
    assert allowed.code == 0, allowed.said
    assert "license of 2.csv (8 prompts): cc-by-4.0; the dataset's is apache-2.0" in allowed.err
    assert f"{REPO}: stays private" in allowed.err
    assert private.private


@pytest.mark.parametrize(
    ("kind", "decided_by", "creators"),
    [("", "unknown", "other"), (", kind: person", "person", "other"), (", kind: model", "judge", "machine-generated")],
)
def test_who_decided_imported_pairs_is_published_as_the_run_file_says(
    tmp_path: Path, kind: str, decided_by: str, creators: str
) -> None:
    run = pairs_run(tmp_path, f"license: mit{kind}")
    checked = amendment("check", tmp_path / "run.yaml")
    assert checked.code == 0, checked.said
    assert ("warning: " in checked.said, "0.csv" in checked.said.partition("\n")[0]) == (not kind, not kind)
    assert amendment("publish", run, "--repo", REPO, "--license", "mit").code == 0
    card = (run / "publish" / "README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["annotations_creators"] == [creators]
    by_people = decided_by == "person"
    assert ("human-feedback" in head["tags"], "decided by people" in card) == (by_people, by_people)
