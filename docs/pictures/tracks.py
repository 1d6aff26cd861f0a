"""Draw the pictures of docs/tracks.md, beside this file: python docs/pictures/tracks.py"""

from pathlib import Path

from racer.plotting import style
from racer.plotting.track import track_gallery, track_sheet
from racer.track import entries, load
from racer.track.corners import direction, facts
from racer.track.track import Track

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the pictures, and print the table of shipped tracks for the page."""
    names = [entry.name for entry in entries() if entry.provenance == "shipped"]
    tracks = sorted(map(load, names), key=lambda track: track.length)
    style.save(track_gallery(tracks), HERE / "tracks.png", dpi=100)
    style.save(track_sheet(load("reinvent_2018")), HERE / "reinvent_2018.png", dpi=100)
    print("\n".join(_row(track) for track in tracks))


def _row(track: Track) -> str:
    about = facts(track)
    turns = f"{about.turns_left + about.turns_right} ({about.turns_left} left)"
    cells = (f"`{track.name}`", track.title, f"{track.length:.1f}", f"{about.width_max:.2f}", turns)
    return f"| {' | '.join(cells)} | {about.radius_min:.2f} | {direction(track)} |"


if __name__ == "__main__":
    main()
