"""The words of the page, each in a sentence for whoever reads one for the first time."""

from __future__ import annotations

WORDS = {
    "lap": "A drive from the start line to the start line, or from where an episode of training "
    "began once around. It is complete when the car came around.",
    "lap time": "Seconds from the first step of the lap to its last, as the simulator counts: the "
    "step in which the car waits and the penalties of a race belong to it.",
    "covered": "The part of the lap that the car drove, in percent; the simulator calls it progress.",
    "episode": "A drive from a start to an end: a complete lap, or leaving the track, or a crash.",
    "iteration": "The episodes of training between two updates of the policy.",
    "step": "A fifteenth of a second: one picture of the camera, one action, one call of the reward "
    "function.",
    "driven speed": "How fast the car really was, from the places that it was at.",
    "commanded speed": "What the action asked for. The car takes a while to follow.",
    "steering": "The commanded angle of the front wheels in degrees, positive to the left.",
    "action": "One of the pairs of steering and speed that the policy may choose from.",
    "reward": "What the reward function paid, for a step or summed up over a lap.",
    "waypoint": "A numbered point of the center line; waypoint 0 is on the start line.",
    "corner": "T1, T2, ... are the corners of the track in driving direction.",
    "sector": "The road around a corner, to the middle of the straights before and after it.",
    "purple": "The best time of all in a sector, as in Formula 1.",
    "green": "The best time in a sector until then, in the order in which the laps were driven.",
    "gap": "How many seconds a car reaches the same place after the first car; below zero it is ahead.",
    "off track": "All four wheels were outside the road.",
    "crashed": "The car touched an obstacle.",
    "immobilized": "The car stood still for too long.",
    "reversed": "The car drove against the direction of the track.",
    "reset": "In a race, a car that left the track is set back onto it, and loses time.",
    "entropy": "How much the policy leaves to chance. It falls as the policy makes up its mind.",
    "KL divergence": "How far an update moved the policy. Much more than 0.05 is a fast change.",
    "verdict": "Whether training still gets anywhere, from the last iterations.",
}
"""What the words of a report mean."""

_OF_HEADS = {
    "time s": "lap time",
    "lap s": "lap time",
    "best s": "lap time",
    "mean s": "lap time",
    "covered %": "covered",
    "driven m/s": "driven speed",
    "command m/s": "commanded speed",
    "steering °": "steering",
    "behind s": "gap",
    "episode": "episode",
    "iteration": "iteration",
    "steps": "step",
    "reward": "reward",
    "off track": "off track",
    "crashes": "crashed",
    "resets": "reset",
    "waypoint": "waypoint",
    "from waypoint": "waypoint",
    "to waypoint": "waypoint",
    "complete": "lap",
}


def explain_head(words: str) -> str:
    """The sentence about what the head of a column is called; empty where it explains itself.

    >>> explain_head("covered %")[:28]
    'The part of the lap that the'
    """
    return WORDS.get(_OF_HEADS.get(words, ""), "")
