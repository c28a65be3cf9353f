"""The protocol of the flags between thread blocks, as a model: every order of steps of calls that run at once."""

from __future__ import annotations

from itertools import product

import pytest

from formats.products import StreamK
from kernels_ref.hopper.work import Work

#: tiles, units of each, thread blocks
SHAPES = [(2, 4, 3), (1, 4, 3), (3, 2, 2), (1, 3, 3), (2, 3, 4)]


def steps_of(work, block, warpgroup, warpgroups, call, passes):
    """What a warpgroup does: see `kernels_ref.hopper.join`. The last terms are a call's key, in place of its address.

    A unit needs the others of the block to be done with those before: all wait for the same memory.
    """
    first, end = block * work.run, min((block + 1) * work.run, work.units)
    last = (end - 1) // work.steps
    inside, begins = first % work.steps != 0, first % work.steps == 0 or last > first // work.steps
    steps = []
    ends = [unit for unit in range(first, end) if unit % work.steps == work.steps - 1 or unit == end - 1]

    def flag(passed, other):
        return (passed * work.blocks + other) * warpgroups + warpgroup

    for passed in range(passes):
        for unit in range(first, end):
            steps.append(("unit", (call, block)))
            if inside and unit == ends[0]:
                steps.append(("signal", flag(passed, block), call + 1))
        for other in range(block + 1, block + 1 + int(work.parts_after(block, last)) if begins else 0):
            steps.append(("wait", flag(passed, other), call + 1))
    return tuple(steps)


def actors(shape, calls, passes, warpgroups=1):
    """Every warpgroup's steps, and the number of flags."""
    tiles, steps, blocks = shape
    work = Work(split=StreamK(rows=64, depth=128, blocks=blocks), n=64 * tiles, k=128 * steps)
    everyone = product(range(calls), range(work.blocks), range(warpgroups))
    found = [steps_of(work, block, warpgroup, warpgroups, call, passes) for call, block, warpgroup in everyone]
    return found, passes * work.blocks * warpgroups


def after(word, action, key, overwrite):
    """The flag after a step, or None where the step has to wait."""
    if action == "signal":
        return key if overwrite or word == 0 else None
    return 0 if word == key else None


def explored(actors, count, overwrite=False):
    """How many states can be reached; fails where nothing can go on, or a flag is left."""
    units = [[sum(step[0] == "unit" for step in steps[:at]) for at in range(len(steps) + 1)] for steps in actors]
    blocks = [steps[0][1] for steps in actors]
    start = (0,) * len(actors), (0,) * count
    seen, due = {start}, [start]
    while due:
        places, words = due.pop()
        moved = False
        for i, steps in enumerate(actors):
            if places[i] == len(steps):
                continue
            action, at, *key = steps[places[i]]
            moved_words = words
            if action == "unit":
                others = (j for j, block in enumerate(blocks) if block == at)
                if any(units[j][places[j]] < units[i][places[i]] for j in others):
                    continue
            else:
                word = after(words[at], action, *key, overwrite)
                if word is None:
                    continue
                moved_words = (*words[:at], word, *words[at + 1 :])
            moved = True
            state = (*places[:i], places[i] + 1, *places[i + 1 :]), moved_words
            if state not in seen:
                seen.add(state)
                due.append(state)
        if not moved:
            assert all(place == len(steps) for place, steps in zip(places, actors, strict=True)), (places, words)
            assert not any(words)
    return len(seen)


@pytest.mark.parametrize(("calls", "passes"), [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_calls_at_once_neither_hang_nor_take_a_signal_of_each_other(shape, calls, passes):
    assert explored(*actors(shape, calls, passes)) > 1


@pytest.mark.parametrize(("calls", "passes"), [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 4, 2), (2, 3, 2)])
def test_warpgroups_that_share_memory_do_not_hang_either(shape, calls, passes):
    assert explored(*actors(shape, calls, passes, warpgroups=2)) > 1


def test_the_model_sees_signals_that_overwrite():
    """One call takes the other's place where a signal does not wait for zero, and its waiter waits for ever."""
    found, count = actors((1, 2, 2), 2, 1)
    with pytest.raises(AssertionError):
        explored(found, count, overwrite=True)
