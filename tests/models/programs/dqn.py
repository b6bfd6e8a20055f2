"""Q-learning from a replay memory: a target network that is copied from the online one every other turn."""

from __future__ import annotations

import graphc as gc
import graphc.nn.functional as F
from graphc import nn, optim
from tests.models.running import Compiled, Running

STATES, ACTIONS, BATCH = 4, 3, 8


def network():
    return nn.Sequential(nn.Linear(STATES, 16), nn.Tanh(), nn.Linear(16, ACTIONS))


def build(compiled: Compiled) -> Running:
    online, target = network(), network()
    target.load_state_dict(online.state_dict())
    optimizer = optim.RMSprop(online.parameters(), lr=1e-2)
    memory = {
        "state": gc.randn(40, STATES),
        "action": gc.randint(0, ACTIONS, (40,)),
        "reward": gc.randn(40),
        "after": gc.randn(40, STATES),
        "done": gc.rand(40) < 0.1,
    }

    @gc.no_grad()
    def act(state, epsilon):
        greedy = online(state).argmax(dim=1)
        random = (gc.rand(state.shape[0], ACTIONS)).argmax(dim=1)
        return gc.where(gc.rand(state.shape[0]) < epsilon, random, greedy)

    def step(rows):
        state, action, reward, after, done = (column[rows] for column in memory.values())
        with gc.no_grad():
            best = online(after).argmax(dim=1, keepdim=True)
            future = target(after).gather(1, best).squeeze(1)
            wanted = reward + 0.9 * future * ~done
        value = online(state).gather(1, action.unsqueeze(1)).squeeze(1)
        loss = F.huber_loss(value, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    @gc.no_grad()
    def follow():
        for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
            slow.copy_(fast)

    act, step, follow = compiled(act), compiled(step), compiled(follow)

    def turn(number):
        rows = gc.randperm(40)[:BATCH]
        chosen = act(memory["state"][rows], gc.tensor(0.5 / (number + 1)))
        memory["action"][rows] = chosen
        loss = step(rows)
        if number % 2:
            follow()
        return loss, chosen

    return Running(turn, (online, target, optimizer, memory), turns=5)
