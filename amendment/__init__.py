"""A toolkit for constitutional AI and preference data that its owner can defend."""

__all__ = ["__version__"]

__version__ = "0.1.0"
