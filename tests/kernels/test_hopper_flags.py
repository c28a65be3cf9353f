"""The protocol of the flags between thread blocks, as a model: every order of steps of calls that run at once."""

from __future__ import annotations

import pytest

from formats.products import StreamK
from kernels_ref.hopper import flags
from kernels_ref.hopper.work import Work


def key(call):
    """Of a call whose parts lie at some multiple of 128."""
    return (0x7F0000000000 + 128 * call) << 7


def steps_of(work, block, call, passes):
    """What the first thread of a block does to flags, in order: see `kernels_ref.hopper.join`."""
    inside = bool(work.begins_inside(block))
    steps = [("claim", block, key(call))] if inside else []
    last_tile = min(block * work.run + work.run, work.units) - 1
    after = int(work.parts_after(block, last_tile // work.steps))
    for passed in range(passes):
        steps += [("signal", block, key(call) + 1 + passed)] if inside else []
        begins = work.begins_inside(block) == 0 or last_tile // work.steps > block * work.run // work.steps
        if begins:
            steps += [("wait", block + 1 + i, key(call) + 1 + passed, passed == passes - 1) for i in range(after)]
    return tuple(steps)


def step(found, action, flag, value, clears=False):
    """The flag after a step, or None where the step has to wait."""
    if action == "claim":
        return value if found == 0 else None
    if action == "signal":
        assert value - 1 == found  # what the call itself wrote
        return value
    if (found - value) % (1 << 64) >= flags.PASSES:
        return None
    return 0 if clears else found


def explored(actors, count):
    """Every state that can be reached; fails where nothing can go on, or a flag is left."""
    start = (0,) * len(actors), (0,) * count
    seen, due = {start}, [start]
    while due:
        places, words = due.pop()
        moved = False
        for i, actor in enumerate(actors):
            if places[i] == len(actor):
                continue
            action, flag, *rest = actor[places[i]]
            after = step(words[flag], action, flag, *rest)
            if after is None:
                continue
            moved = True
            state = (*places[:i], places[i] + 1, *places[i + 1 :]), (*words[:flag], after, *words[flag + 1 :])
            if state not in seen:
                seen.add(state)
                due.append(state)
        if not moved:
            assert all(place == len(actor) for place, actor in zip(places, actors, strict=True)), (places, words)
            assert not any(words)
    return len(seen)


SHAPES = [(2, 4, 3), (1, 4, 3), (3, 2, 2), (1, 3, 3), (2, 3, 4)]


def actors(shape, calls, passes):
    """All blocks of some calls, each with its steps."""
    tiles, steps, blocks = shape
    work = Work(split=StreamK(rows=64, depth=128, blocks=blocks), n=64 * tiles, k=128 * steps)
    return [steps_of(work, block, call, passes) for call in range(calls) for block in range(work.blocks)], work.blocks


@pytest.mark.parametrize(("calls", "passes"), [(1, 1), (1, 2), (1, 5), (2, 1), (3, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_calls_at_once_neither_hang_nor_take_a_signal_of_each_other(shape, calls, passes):
    found, blocks = actors(shape, calls, passes)
    assert any(found)
    assert explored(found, blocks) > 1


def test_calls_of_several_passes_may_hang_where_they_share_flags():
    """Why such calls get flags of their own."""
    with pytest.raises(AssertionError):
        explored(*actors((1, 3, 3), 2, 2))


def test_the_model_sees_signals_that_nobody_claimed():
    """Two calls that signal without a claim: one takes the other's place, and its waiter waits for ever."""
    found, blocks = actors((1, 2, 2), 2, 1)
    unclaimed = [tuple(each for each in actor if each[0] != "claim") for actor in found]
    with pytest.raises(AssertionError):
        explored(unclaimed, blocks)
