"""Where the time of a run went, in two lines."""

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from poolnorm_cli.engine.profile import Profile


def profile_lines(profile: "Profile") -> list[str]:
    """Say what the seconds went to, and how far the run is from a mere copy in memory."""
    spans = ", ".join(f"{name} {seconds:.3f}" for name, seconds in profile.spans.items())
    moved = f"{_mega(profile.read_bytes)} read, {_mega(profile.written_bytes)} written"
    share = f"{profile.rate / profile.copy_rate:.2f} of the {_giga(profile.copy_rate)}"
    return [
        f"profile: {profile.seconds:.3f} s: {spans}",
        f"profile: {moved}: {_giga(profile.rate)}, {share} at which memory is copied here",
    ]


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _giga(rate: float) -> str:
    return f"{rate / 1e9:.2f} GB/s"
