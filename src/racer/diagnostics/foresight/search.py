"""The search for the driving that a reward pays best.

First drivers: the cross-entropy method over the numbers of each family, from seeds of every kind of
driving; a round of tries sets off from one of the starts around the lap, the next round from the
next, and what looks best there must be good from all of them. Lines are learned, and put together,
stretch by stretch. Then the command sequence of the best drive from the start line, window by window,
which finds what no driver of a family does. All of them take turns, in cycles.

All is counted in car-steps, never in seconds: the same seed gives the same bytes on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.foresight.driver_groups import (
    ELITE,
    KEPT,
    ROUNDS_OF_SHARES,
    DriverGroup,
    draw_tries,
    learn_from,
    shares_of_round,
)
from racer.diagnostics.foresight.families import (
    FAMILIES,
    LINE,
    STEADY,
    Family,
    Maneuver,
    as_line,
    dallying_seeds,
    lingering_seeds,
)
from racer.diagnostics.foresight.proving_ground import Pricer, ProvingGround
from racer.diagnostics.foresight.sequences import (
    EXTRA_STEPS,
    changed_sequence,
    commands_of,
    sequence_difference,
)
from racer.diagnostics.foresight.stretches import best_sequence, means_by, stretch_advantages
from racer.diagnostics.pay import pay_around_lap
from racer.drivers import Drive, scored_rows_of

Array = NDArray[np.float64]
_Cycle = tuple[tuple[int, float], ...]

SHARES_OF_SHARING = (16, 6)  # tries of a round for the best groups of drivers
SHARED_GROUPS = 2  # of each search
SHARED_SPREAD = 0.2  # of that of a family's numbers
SWITCH_FRACTIONS = (0.001, 0.01)  # of a return, that it costs a line to go on as another one
REFINED_EVERY = 5  # rounds
POPULATION = 32
COMBINED = 6  # changes of commands that are tried together
VERIFIED = 1  # of the best of a round that are tried from all starts
RESTART_SPREAD = 0.2  # by which the seeds of all searches but the first are changed
FIRST_SPREAD = 0.4  # of that of a family's numbers
SEARCHES = 3  # each by itself
CYCLE_STEPS = 250_000  # car-steps after which all that a search does begins again where it was
LEAST_CYCLE = 0.5  # of one: what is left after less than that belongs to the one before
SHARE = -1
POLISH = -2
# what is done in a cycle, a search by its number, and the fraction of the cycle at which that ends
FIRST_CYCLE: _Cycle = ((0, 0.3), (POLISH, 0.36), (1, 0.46), (2, 0.56), (SHARE, 0.84), (POLISH, 1.0))
NEXT_CYCLE: _Cycle = ((0, 0.1), (1, 0.2), (2, 0.3), (SHARE, 0.7), (POLISH, 1.0))
PARTS_OF_LAP = 20  # in which the pay of a step is noted
LEAST_WORK_STEPS = 60  # that a try counts as: a short one takes its time, too
REPLAY_WORK = 0.5  # a car-step without a driver, of one with a driver


@dataclass(eq=False)
class TriedDriver:
    """A driver of a family, and what is known of it."""

    family: Family
    numbers: Array
    pay: float  # the mean over its starts
    drive: Drive  # from the start line
    rewards: Array  # of that drive's steps
    pay_by_start: tuple[float, ...] = ()


@dataclass(eq=False)
class SearchState:
    """How far a search has come. `polished` is the best drive from the start line."""

    work: int = 0  # car-steps
    best: TriedDriver | None = None
    polished: Drive | None = None
    adopted: list[TriedDriver] = field(default_factory=list)  # the best drivers in turn
    polished_rewards: Array = field(default_factory=lambda: np.empty(0))
    polished_pay: float = -np.inf
    lap: Drive | None = None  # the best paid one that completes a lap
    lap_rewards: Array = field(default_factory=lambda: np.empty(0))
    lap_pay: float = -np.inf
    leaders: list[TriedDriver] = field(default_factory=list)  # the best driver of each search
    history: list[tuple[int, float]] = field(default_factory=list)


@dataclass(eq=False)
class _Polishing:
    """How far commands are changed."""

    rng: np.random.Generator
    size: float = 1.0
    changes: list[Array] = field(default_factory=list)  # good ones of the last round, but the best


@dataclass(eq=False)
class _Exploration:
    """A search among drivers: its groups, the best driver so far, and the rounds that it has done."""

    number: int
    rng: np.random.Generator
    searches: list[DriverGroup]
    best: TriedDriver
    turn: int = 0


OnProgress = Callable[[SearchState], None]


class Search:
    """One search on a ground for a reward (a class: it goes on until its work is done)."""

    def __init__(
        self,
        ground: ProvingGround,
        pricer: Pricer,
        gamma: float,
        seed: int,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.ground = ground
        self.pricer = pricer
        self.gamma = gamma
        self.seed = seed
        self.state = SearchState()
        self._on_progress = on_progress
        self._explorations: list[_Exploration] = []
        self._sharing: _Exploration | None = None
        self._polishing = _Polishing(np.random.default_rng([seed, 1000]))

    def run(self, work: int) -> SearchState:
        """Search with `work` car-steps, and a little more for what is under way: three searches by
        themselves, one among what they have found, and changes of the best drive's commands, in turn.
        """
        begin = 0
        cycle = FIRST_CYCLE
        while begin < work:
            end = begin + CYCLE_STEPS
            if work - end < LEAST_CYCLE * CYCLE_STEPS:
                end = work
            for task, fraction in cycle:
                until = int(begin + fraction * (end - begin))
                if task == POLISH:
                    self._polish(until)
                elif task == SHARE:
                    self._share(until)
                else:
                    self._explore(task, until)
            begin = end
            cycle = NEXT_CYCLE
        return self.state

    def offer(self, drives: Sequence[Drive]) -> None:
        """Let drives from the start line compete that others have driven."""
        if not drives:
            return
        rewards, pays = self.price_all(drives)
        self._count(drives)
        best = int(np.argmax(pays))
        self._note(drives[best], rewards[best], float(pays[best]))

    # drivers

    def _explore(self, number: int, until: int) -> None:
        """One search among drivers, until so many car-steps are done in all."""
        if number == len(self._explorations):
            rng = np.random.default_rng([self.seed, number])
            searches, best = self._begin(rng, number)
            self._explorations.append(_Exploration(number, rng, searches, best))
            self.state.leaders.append(best)
            self._adopt(best)
        exploration = self._explorations[number]
        while self.state.work < until:
            exploration.turn += 1
            self._round(exploration, shares_of_round(exploration.turn))
            self.state.leaders[number] = exploration.best
            if exploration.turn in ROUNDS_OF_SHARES or exploration.turn % REFINED_EVERY == 0:
                exploration.searches += self._refined(exploration.searches)

    def _share(self, until: int) -> None:
        """Go on with the best groups of all searches, and among the lines of their best drivers: what
        each of these does well on a stretch comes together.
        """
        leaders = sorted(self.state.leaders, key=lambda leader: -leader.pay)
        if self._sharing is None:
            rng = np.random.default_rng([self.seed, SEARCHES])
            self._sharing = _Exploration(0, rng, [], leaders[0])
        sharing = self._sharing
        if leaders[0].pay > sharing.best.pay:
            sharing.best = leaders[0]
        searches = []
        for exploration in (*self._explorations, sharing):
            groups = sorted(exploration.searches, key=lambda search: -search.pay)
            searches += groups[:SHARED_GROUPS]
        lines = self._as_lines([sharing.best, *leaders])
        if len(lines):
            spread = SHARED_SPREAD * LINE.spread(self.ground.road)
            pay = max(search.pay for search in searches)
            searches.insert(0, DriverGroup(LINE, lines[0].copy(), spread, lines, pay))
        sharing.searches = searches
        while self.state.work < until:
            sharing.turn += 1
            self._round(sharing, SHARES_OF_SHARING)

    def _as_lines(self, drivers: Sequence[TriedDriver]) -> Array:
        """(N, D) the numbers of the lines that drivers follow; of those that follow none, nothing."""
        lines = []
        for driver in drivers:
            if driver.family is LINE:
                lines.append(driver.numbers)
            elif driver.family is STEADY:
                lines.append(as_line(self.ground.road, driver.numbers))
        return np.array(lines)

    def _begin(
        self, rng: np.random.Generator, number: int
    ) -> tuple[list[DriverGroup], TriedDriver]:
        """The first tries: the seeds of every family; of later searches random changes of them."""
        road = self.ground.road
        families: list[Family] = []
        tries: list[Array] = []
        groups: list[int] = []
        group = 0
        for family in FAMILIES:
            spread = family.spread(road)
            for seeds in family.seeds(road):
                group += 1
                for seed in seeds:
                    numbers = seed
                    if number:
                        numbers = seed + RESTART_SPREAD * spread * rng.standard_normal(len(seed))
                    families.append(family)
                    tries.append(numbers)
                    groups.append(group)
        start = self.ground.starts[number % len(self.ground.starts)]
        drives = self._drive(families, tries, [start] * len(tries))
        rewards, pays = self.price_all(drives)
        pay_of_places, pay_of_parts = self._pay_along(drives, rewards)
        lingering = lingering_seeds(road, pay_of_places)
        steady = [k for k, family in enumerate(families) if family in (LINE, STEADY)]
        lines = []
        for k in steady:
            lines.append(tries[k] if families[k] is LINE else as_line(road, tries[k]))
        lingering += list(
            self._composed(
                np.array(lines), [drives[k] for k in steady], [rewards[k] for k in steady], start
            )
        )
        dallying = dallying_seeds(pay_of_parts)
        slow_families = [LINE] * len(lingering) + [STEADY] * len(dallying)
        pays = np.append(pays, self._try(slow_families, lingering + dallying, start))
        families += slow_families
        tries += lingering + dallying
        groups += [0] * len(lingering) + [group + 1] * len(dallying)
        searches = []
        for of_group in range(group + 2):
            members = [k for k, of_try in enumerate(groups) if of_try == of_group]
            order = sorted(members, key=lambda k: -pays[k])
            family = families[members[0]]
            kept = np.array([tries[k] for k in order[:KEPT]])
            elite = np.array([tries[k] for k in order[:ELITE]])
            spread = FIRST_SPREAD * family.spread(road)
            searches.append(
                DriverGroup(family, elite[0].copy(), spread, kept, float(pays[order[0]]))
            )
        searches.sort(key=lambda search: -search.pay)
        leaders = [(search.family, search.kept[0]) for search in searches[:VERIFIED]]
        return searches, max(self._verified(leaders), key=lambda driver: driver.pay)

    def _refined(self, searches: Sequence[DriverGroup]) -> list[DriverGroup]:
        """A search among lines around the best steady driver; nothing where no line is worse."""
        steady = [search for search in searches if search.family is STEADY]
        best = max(steady, key=lambda search: search.pay)
        if best.pay < max(search.pay for search in searches if search.family is LINE):
            return []
        road = self.ground.road
        kept = np.array([as_line(road, numbers) for numbers in best.kept])
        spread = 0.5 * FIRST_SPREAD * LINE.spread(road)
        return [DriverGroup(LINE, kept[0].copy(), spread, kept, np.nextafter(best.pay, np.inf))]

    def _pay_along(self, drives: Sequence[Drive], rewards: Sequence[Array]) -> tuple[Array, Array]:
        """The mean pay of a step at each knot of the road, and in each part of the lap done."""
        rows = np.concatenate([scored_rows_of(drive) for drive in drives])
        paid = np.concatenate(list(rewards))
        knots = self.ground.road.knots
        length = self.ground.scenario.track.length
        place = np.round(rows["s"] / length * knots).astype(int) % knots
        part = np.clip(rows["progress"] / 100.0 * PARTS_OF_LAP, 0, PARTS_OF_LAP - 1).astype(int)
        return means_by(place, paid, knots), means_by(part, paid, PARTS_OF_LAP)

    def _round(self, exploration: _Exploration, shares: Sequence[int]) -> None:
        """One round of tries from the start that is its turn, as many of the best groups as `shares`
        say. The best driver stays, or gives way to a better one.
        """
        searches = exploration.searches
        at = (exploration.number + exploration.turn) % len(self.ground.starts)
        start = self.ground.starts[at]
        searches.sort(key=lambda search: -search.pay)
        counts = [*shares, *[0] * len(searches)][: len(searches)]
        families = []
        tries: list[Array] = []
        for search, count in zip(searches, counts, strict=True):
            drawn = draw_tries(search, count, exploration.rng)
            families += [search.family] * len(drawn)
            tries += list(drawn)
        drives = self._drive(families, tries, [start] * len(tries))
        rewards, pays = self.price_all(drives)
        first = 0
        for search, count in zip(searches, counts, strict=True):
            if count:
                own = slice(first, first + count)
                worth = self._worth(search.family, drives[own], rewards[own], pays[own], start)
                learn_from(search, np.array(tries[own]), pays[own], worth)
                if search.family is LINE:
                    search.composites = self._composed(
                        np.array(tries[own]), drives[own], rewards[own], start
                    )
            first += count
        order = np.argsort(-pays, kind="stable")[:VERIFIED]
        if start == 0.0:
            self._note(drives[order[0]], rewards[order[0]], float(pays[order[0]]))
        promising = []
        for k in order:
            if pays[k] > exploration.best.pay_by_start[at]:
                promising.append((families[k], tries[k]))
        for driver in self._verified(promising):
            if driver.pay > exploration.best.pay:
                exploration.best = driver
                self._adopt(driver)

    def _composed(
        self, lines: Array, drives: Sequence[Drive], rewards: Sequence[Array], start: float
    ) -> Array:
        """(C, D) the lines (N, D) put together, stretch by stretch, from those that are best there."""
        knots = self.ground.road.knots
        composed = []
        for cost in SWITCH_FRACTIONS:
            chosen = best_sequence(drives, rewards, start, knots, self.gamma, cost)
            most = int(np.argmax(np.bincount(chosen, minlength=len(lines))))
            numbers = lines[most].copy()
            places = np.arange(knots)
            numbers[:knots] = lines[chosen, places]
            numbers[knots : 2 * knots] = lines[chosen, knots + places]
            composed.append(numbers)
        return np.array(composed)

    def _worth(
        self,
        family: Family,
        drives: Sequence[Drive],
        rewards: Sequence[Array],
        pays: Array,
        start: float,
    ) -> Array:
        """(N, D) what tries of a family are worth to each of their numbers."""
        worth = np.repeat(pays[:, None], family.size(self.ground.road), axis=1)
        if family is LINE:
            knots = self.ground.road.knots
            best = int(np.argmax(pays))
            of_stretches = stretch_advantages(drives, rewards, best, start, knots, self.gamma)
            worth[:, :knots] = of_stretches
            worth[:, knots : 2 * knots] = of_stretches
        return worth

    def _try(self, families: Sequence[Family], tries: Sequence[Array], start: float) -> Array:
        """(N,) pay of tries from one start."""
        drives = self._drive(families, tries, [start] * len(tries))
        return self.price_all(drives)[1]

    def _verified(self, leaders: Sequence[tuple[Family, Array]]) -> list[TriedDriver]:
        """Drivers of these numbers, tried from all starts."""
        starts = self.ground.starts
        families = [family for family, _ in leaders for _ in starts]
        tries = [numbers for _, numbers in leaders for _ in starts]
        if not tries:
            return []
        drives = self._drive(families, tries, list(starts) * len(leaders))
        rewards, pays = self.price_all(drives)
        drivers = []
        for k, (family, numbers) in enumerate(leaders):
            first = k * len(starts)
            by_start = tuple(float(pay) for pay in pays[first : first + len(starts)])
            mean = float(np.mean(by_start))
            drivers.append(
                TriedDriver(family, numbers, mean, drives[first], rewards[first], by_start)
            )
        return drivers

    def _drive(
        self, families: Sequence[Family], tries: Sequence[Array], starts: Sequence[float]
    ) -> list[Drive]:
        road = self.ground.road
        maneuvers: list[Maneuver] = []
        for family, numbers, start in zip(families, tries, starts, strict=True):
            maneuvers.append(family.maneuver(road, numbers, start))
        drives = self.ground.drive(maneuvers, np.array(starts))
        self._count(drives)
        return drives

    def _count(self, drives: Sequence[Drive], weight: float = 1.0) -> None:
        """Add to the work what drives were; `weight` is what a car-step takes of a driver's."""
        steps = sum(max(len(drive.rows), LEAST_WORK_STEPS) for drive in drives)
        # about half of the time goes into pricing
        self.state.work += round(weight * steps * (1 + self.pricer.repeats)) // 2

    def price_all(self, drives: Sequence[Drive]) -> tuple[list[Array], Array]:
        """What drives are paid, step by step, and their pay (N,)."""
        rewards = self.pricer.price(drives)
        pays = [
            pay_around_lap(paid, drive, self.gamma)
            for paid, drive in zip(rewards, drives, strict=True)
        ]
        return rewards, np.array(pays)

    def _adopt(self, driver: TriedDriver) -> None:
        """Make a driver the answer's, if it is better than the answer so far."""
        if self.state.best is None or driver.pay > self.state.best.pay:
            self.state.best = driver
            self.state.adopted.append(driver)
        pay = pay_around_lap(driver.rewards, driver.drive, self.gamma)
        self._note(driver.drive, driver.rewards, pay)

    def _note(self, drive: Drive, rewards: Array, pay: float) -> None:
        state = self.state
        if pay > state.polished_pay:
            state.polished = drive
            state.polished_rewards = rewards
            state.polished_pay = pay
        if pay > state.lap_pay and not np.isnan(drive.lap_time):
            state.lap = drive
            state.lap_rewards = rewards
            state.lap_pay = pay
        state.history.append((state.work, state.polished_pay))
        if self._on_progress is not None:
            self._on_progress(state)

    # command sequences

    def _polish(self, until: int) -> None:
        """Change windows of the best drive's commands. A drive that was cut off is left as it is."""
        state = self.state
        rng = self._polishing.rng
        while state.work < until and state.polished is not None and not state.polished.is_cut:
            before = state.polished_pay
            commands = commands_of(state.polished)
            size = self._polishing.size
            sequences = self._combined(commands)
            while len(sequences) < POPULATION:
                changed = changed_sequence(commands, size, rng, self.ground.limits.choices)
                sequences.append(self.ground.allowed(changed))
            drives = self.ground.replay(sequences)
            self._count(drives, REPLAY_WORK)
            rewards, pays = self.price_all(drives)
            # a sequence does not go on for ever
            pays[[drive.is_cut for drive in drives]] = -np.inf
            if not np.isnan(state.polished.lap_time):  # and a lap stays one
                pays[[bool(np.isnan(drive.lap_time)) for drive in drives]] = -np.inf
            best = int(np.argmax(pays))
            self._note(drives[best], rewards[best], float(pays[best]))
            self._polishing.changes = []
            for k in np.argsort(-pays, kind="stable")[1 : 1 + COMBINED]:
                if pays[k] > before:
                    self._polishing.changes.append(sequence_difference(sequences[k], commands))
            if state.polished_pay > before:
                self._polishing.size = min(1.5, 1.1 * size)
            else:
                self._polishing.size = max(0.1, 0.9 * size)

    def _combined(self, commands: Array) -> list[Array]:
        """The commands with more and more of the changes that were good beside the best one."""
        sequences = []
        sequence = np.vstack([commands, np.repeat(commands[-1:], EXTRA_STEPS, axis=0)])
        for change in self._polishing.changes:
            count = min(len(sequence), len(change))
            sequence = sequence.copy()
            sequence[:count] += change[:count]
            sequence = self.ground.allowed(sequence)
            sequences.append(sequence)
        return sequences
