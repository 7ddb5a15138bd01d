"""A toolkit for constitutional AI and preference data that its owner can defend."""

import os

# Threads that wait for each other sleep. Spinning, as is the default, makes two of them ten times slower than one on a
# busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported

__all__ = ["__version__"]

__version__ = "0.1.0"
