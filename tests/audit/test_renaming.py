"""A certificate with other names for people names the old ones nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_every_part_that_names_people_is_renamed_and_sorted_by_the_new_names(said: Said, items: Items) -> None:
    votes = [
        *said("Anna Berg", "AABB" * 10, confidence=1.0),
        *said("Anna Berg", "AAAB" * 10, again=True),
        *said("Bruno", "AABA" * 10, confidence=1 / 3),
        *said("Bruno", "A", again=True),
        *said("Carla", "ABBB" * 10),
        *said("j", "AABB" * 10, "model"),
    ]
    found = audit(items(40), votes, draws=20)
    shown = found.renamed({"Anna Berg": "person-3", "Bruno": "person-1", "Carla": "person-2"})
    told = json.dumps(shown.to_json()) + "\n".join(certificate_lines(shown))
    assert not [name for name in ("Anna", "Bruno", "Carla") if name in told]
    assert shown.people
    assert shown.people.again
    assert [one.person for one in shown.people.again.people] == ["person-1", "person-3"]
    assert shown.judges[0].alternative_annotator
    assert [one.person for one in shown.judges[0].alternative_annotator.people] == ["person-1", "person-2", "person-3"]
    assert list(dict.fromkeys(one.name for one in shown.labels)) == [
        "person-1",
        "person-2",
        "person-3",
        "unsure",
        "sure",
        "not told",
    ]
    back = shown.renamed({"person-3": "Anna Berg", "person-1": "Bruno", "person-2": "Carla"})
    assert back.to_json() == found.to_json()
