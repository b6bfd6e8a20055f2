"""A critic with a gradient penalty (WGAN-GP): the norm of a gradient is part of what is differentiated."""

from __future__ import annotations

import graphc as gc
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    generator = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 2))
    critic = nn.Sequential(nn.Linear(2, 12), nn.Softplus(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 1))
    of_generator = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.9))
    of_critic = optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))

    def teach_critic(real):
        with gc.no_grad():
            fake = generator(gc.randn(len(real), 3))
        share = gc.rand(len(real), 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = gc.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        of_critic.zero_grad()
        loss.backward()
        of_critic.step()
        return loss, penalty

    def teach_generator():
        loss = -critic(generator(gc.randn(8, 3))).mean()
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
        return loss

    teach_critic, teach_generator = compiled(teach_critic), compiled(teach_generator)

    def turn(number):
        first = [teach_critic(gc.randn(8, 2)) for _ in range(2)]
        return first, teach_generator()

    return Running(turn, (generator, critic, of_generator, of_critic))
