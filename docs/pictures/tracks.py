"""Draw the pictures of docs/tracks.md, beside this file: python docs/pictures/tracks.py"""

from pathlib import Path

from racer.plotting import style, track_figure, track_gallery_figure
from racer.track import load_track, track_entries
from racer.track.corners import driving_direction, track_facts
from racer.track.track import Track

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Write the pictures, and print the table of shipped tracks for the page."""
    names = [entry.name for entry in track_entries() if entry.provenance == "shipped"]
    tracks = sorted(map(load_track, names), key=lambda track: track.length)
    style.save_figure(track_gallery_figure(tracks), FOLDER / "tracks.png", dpi=100)
    style.save_figure(
        track_figure(load_track("reinvent_2018")), FOLDER / "reinvent_2018.png", dpi=100
    )
    print("\n".join(_table_row(track) for track in tracks))


def _table_row(track: Track) -> str:
    facts = track_facts(track)
    cells = (
        f"`{track.name}`",
        track.title,
        f"{track.length:.1f}",
        f"{facts.width_max:.2f}",
        f"{facts.corners_left + facts.corners_right} ({facts.corners_left} left)",
        f"{facts.radius_min:.2f}",
        driving_direction(track),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
