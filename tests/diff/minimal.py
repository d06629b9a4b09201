"""Takes away from a conversation what its difference does not need."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.diff.conversation import Batch, Conversation, Step

MOST_TRIES = 200


def minimal(conversation: Conversation, differs: Callable[[Conversation], bool]) -> Conversation:
    """Return the smallest part of a conversation that can be had by leaving things out one by one and still differs."""
    tries = 0
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(conversation):
            tries += 1
            if tries > MOST_TRIES:
                return conversation
            if differs(smaller):
                conversation, changed = smaller, True
                break
    return conversation


def _smaller(conversation: Conversation) -> Iterator[Conversation]:
    if conversation.client_cuts:
        yield replace(conversation, client_cuts=())
    if conversation.backend_cuts:
        yield replace(conversation, backend_cuts=())
    steps = conversation.steps
    for place, step in enumerate(steps):
        yield replace(conversation, steps=steps[:place] + steps[place + 1 :])
        for less in _less(step):
            yield replace(conversation, steps=(*steps[:place], less, *steps[place + 1 :]))


def _less(step: Step) -> Iterator[Step]:
    if isinstance(step, Batch):
        if step.pipelined:
            yield replace(step, pipelined=False)
        if len(step.commands) > 1:
            for place in range(len(step.commands)):
                yield replace(step, commands=step.commands[:place] + step.commands[place + 1 :])
