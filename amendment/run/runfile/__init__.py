"""The model of the run file, and the schema for editors."""
