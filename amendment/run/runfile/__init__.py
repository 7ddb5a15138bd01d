"""What a run file may say: its parts, and the schema for editors."""
