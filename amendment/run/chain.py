"""The chain: `STAGES` lists the stages of a run in their order, and a run file has those that it names."""

from __future__ import annotations

from amendment.errors import ConfigError
from amendment.stages import shipped_stages
from amendment.stages.contract import RunSettings, Stage
from amendment.stages.tables import RunTables

_SHIPPED = shipped_stages()
STAGES: list[type[Stage]] = [*_SHIPPED]
"""The shipped stages and the registered ones."""


def register_stage(kind: type[Stage]) -> None:
    """Add a stage to the chain, behind the one that it names as `after`, or at the end.

    A stage that is registered again replaces the one of its name. Raises ConfigError for the name of a shipped
    one or of another key of the run file, and for an `after` that names none.
    """
    if kind.name in (*RunSettings.model_fields, *(shipped.name for shipped in _SHIPPED)):
        raise ConfigError(f"stage {kind.name} is shipped, or a key of the run file; choose another name")
    others = [stage for stage in STAGES if stage.name != kind.name]
    names = [stage.name for stage in others]
    if kind.after is not None and kind.after not in names:
        raise ConfigError(f"stage {kind.name}: found after = {kind.after!r}, expected one of {', '.join(names)}")
    place = len(others) if kind.after is None else names.index(kind.after) + 1
    STAGES[:] = [*others[:place], kind, *others[place:]]


def list_stages(settings: RunSettings) -> list[Stage]:
    """Return the stages that a run file has, each with the tables of this run that it reads."""
    stages = [stage for kind in STAGES for stage in kind.of(settings)]
    roles = {role for stage in stages for role in stage.roles.values()}
    stages = [stage for stage in stages if not stage.needs or not roles.isdisjoint(stage.needs)]
    tables = RunTables({name: role for stage in stages for name, role in stage.roles.items()})
    for stage in stages:
        stage.join(tables)
    return stages


def run_tables(settings: RunSettings) -> RunTables:
    """Return the tables and models that the stages of a run file make."""
    return list_stages(settings)[0].tables
