"""Draft, critique, revise: answers made better by the principles of a constitution."""

from amendment.critique.artefacts import strip_artefacts
from amendment.critique.chain import Chain, ChainSettings, PrincipleDraw, run_chain

__all__ = ["Chain", "ChainSettings", "PrincipleDraw", "run_chain", "strip_artefacts"]
