"""Two networks, two optimizers, two compiled steps that share both networks; one is detached in the other."""

from __future__ import annotations

import graphc as gc
from graphc import nn, optim
from tests.models.running import Compiled, Running


def build(compiled: Compiled) -> Running:
    generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(16, 1))
    of_generator = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    of_critic = optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))
    loss_fn = nn.BCEWithLogitsLoss()

    def teach_critic(real):
        of_critic.zero_grad()
        fake = generator(gc.randn(real.shape[0], 4)).detach()
        ones, zeros = gc.ones(real.shape[0], 1), gc.zeros(real.shape[0], 1)
        loss = loss_fn(critic(real), ones) + loss_fn(critic(fake), zeros)
        loss.backward()
        of_critic.step()
        return loss

    def teach_generator(count):
        of_generator.zero_grad()
        loss = loss_fn(critic(generator(gc.randn(count, 4))), gc.ones(count, 1))
        loss.backward()
        of_generator.step()
        return loss

    teach_critic, teach_generator = compiled(teach_critic), compiled(teach_generator)

    def turn(number):
        return teach_critic(gc.randn(8, 2) * 0.1 + 1), teach_generator(8)

    return Running(turn, (generator, critic, of_generator, of_critic))
