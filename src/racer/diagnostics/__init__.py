"""Does a reward function agree with the clock? Scripted drivers are paid by it and ranked by pay
and by lap time.
"""

from racer.diagnostics.scoring import (
    Inversion,
    Score,
    Verdict,
    correlation,
    price,
    returns,
    score,
    score_all,
)

__all__ = ["Inversion", "Score", "Verdict", "correlation", "price", "returns", "score", "score_all"]
