"""Draft, critique, revise: answers made better by the principles of a constitution."""

from amendment.critique.chain import Chain, ChainSettings, PrincipleDraw, run_chain
from amendment.critique.texts import strip_artefacts

__all__ = ["Chain", "ChainSettings", "PrincipleDraw", "run_chain", "strip_artefacts"]
