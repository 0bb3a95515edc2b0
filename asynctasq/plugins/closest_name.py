"""The names that somebody may have meant."""

from collections.abc import Iterable


def closest_name(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that looks most like `name`, or None if none looks like it."""
    import difflib  # dear to import, and needed for error messages alone

    spelled = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=cutoff)
    return spelled[close[0]] if close else None
