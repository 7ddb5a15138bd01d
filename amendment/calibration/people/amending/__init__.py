"""From where people and judge differ to a proposed new version of the constitution, with the evidence for it."""
