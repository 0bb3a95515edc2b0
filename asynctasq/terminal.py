"""The terminal that people read."""

from rich.console import Console

console = Console()
"""rich's console on standard output."""
