"""The stages of a run, one file each, and what they share; `amendment.run.chain` lists them in their order."""
