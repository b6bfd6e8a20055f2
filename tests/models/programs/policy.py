"""Actor and critic: actions are drawn within the step, advantages are detached, entropy is rewarded."""

from __future__ import annotations

import graphc as gc
from graphc import nn, optim
from graphc.distributions import Categorical
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    body, actor, critic = nn.Sequential(nn.Linear(4, 10), nn.Tanh()), nn.Linear(10, 3), nn.Linear(10, 1)
    parts = nn.ModuleDict({"body": body, "actor": actor, "critic": critic})
    optimizer = optim.Adam(parts.parameters(), lr=1e-2)

    def step(state, reward_of):
        hidden = body(state)
        choice = Categorical(logits=actor(hidden))
        # The greatest of logits and Gumbel noise is a category of that probability.
        action = (choice.logits.detach() - (-gc.rand_like(choice.logits).log()).log()).argmax(dim=1)
        reward = reward_of.gather(1, action[:, None]).squeeze(1)
        value = critic(hidden).squeeze(1)
        advantage = (reward - value).detach()
        loss = -(choice.log_prob(action) * advantage).mean() + (reward - value).pow(2).mean()
        loss = loss - 0.01 * choice.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, action, reward

    step = compiled(step)

    def turn(number):
        return step(gc.randn(6, 4), gc.randn(6, 3))

    return Running(turn, (parts, optimizer))
