"""Draw the pictures of docs/tracks.md, beside this file: python docs/pictures/tracks.py"""

from pathlib import Path

from racer.plotting import style
from racer.plotting.track import track_figure, track_gallery_figure
from racer.track import load_track, track_entries
from racer.track.corners import driving_direction, track_facts
from racer.track.track import Track

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the pictures, and print the table of shipped tracks for the page."""
    names = [entry.name for entry in track_entries() if entry.provenance == "shipped"]
    tracks = sorted(map(load_track, names), key=lambda track: track.length)
    style.save_figure(track_gallery_figure(tracks), HERE / "tracks.png", dpi=100)
    style.save_figure(
        track_figure(load_track("reinvent_2018")), HERE / "reinvent_2018.png", dpi=100
    )
    print("\n".join(_row(track) for track in tracks))


def _row(track: Track) -> str:
    about = track_facts(track)
    turns = f"{about.turns_left + about.turns_right} ({about.turns_left} left)"
    cells = (f"`{track.name}`", track.title, f"{track.length:.1f}", f"{about.width_max:.2f}", turns)
    return f"| {' | '.join(cells)} | {about.radius_min:.2f} | {driving_direction(track)} |"


if __name__ == "__main__":
    main()
