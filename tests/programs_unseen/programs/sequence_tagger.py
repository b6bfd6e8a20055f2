"""A recurrent network with a conditional random field on top, after the PyTorch tutorial."""
# ruff: noqa

import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(1)


def argmax(vec):
    _, idx = torch.max(vec, 1)
    return idx.item()


def prepare_sequence(seq, to_ix):
    return torch.tensor([to_ix[w] for w in seq], dtype=torch.long)


def log_sum_exp(vec):
    max_score = vec[0, argmax(vec)]
    mb = max_score.view(1, -1).expand(1, vec.size()[1])
    return max_score + torch.log(torch.sum(torch.exp(vec - mb)))


START, STOP = "<START>", "<STOP>"


class BiLSTM_CRF(nn.Module):
    def __init__(self, vocab_size, tag_to_ix, E, H):
        super().__init__()
        self.H, self.tag_to_ix, self.T = H, tag_to_ix, len(tag_to_ix)
        self.word_embeds = nn.Embedding(vocab_size, E)
        self.lstm = nn.LSTM(E, H // 2, num_layers=1, bidirectional=True)
        self.hidden2tag = nn.Linear(H, self.T)
        self.transitions = nn.Parameter(torch.randn(self.T, self.T))
        self.transitions.data[tag_to_ix[START], :] = -10000
        self.transitions.data[:, tag_to_ix[STOP]] = -10000
        self.hidden = self.init_hidden()

    def init_hidden(self):
        return (torch.randn(2, 1, self.H // 2), torch.randn(2, 1, self.H // 2))

    def _forward_alg(self, feats):
        init = torch.full((1, self.T), -10000.0)
        init[0][self.tag_to_ix[START]] = 0.0
        fv = init
        for feat in feats:
            alphas = []
            for nt in range(self.T):
                emit = feat[nt].view(1, -1).expand(1, self.T)
                trans = self.transitions[nt].view(1, -1)
                alphas.append(log_sum_exp(fv + trans + emit).view(1))
            fv = torch.cat(alphas).view(1, -1)
        return log_sum_exp(fv + self.transitions[self.tag_to_ix[STOP]])

    def _feats(self, s):
        self.hidden = self.init_hidden()
        e = self.word_embeds(s).view(len(s), 1, -1)
        o, self.hidden = self.lstm(e, self.hidden)
        return self.hidden2tag(o.view(len(s), self.H))

    def _score(self, feats, tags):
        score = torch.zeros(1)
        tags = torch.cat([torch.tensor([self.tag_to_ix[START]], dtype=torch.long), tags])
        for i, feat in enumerate(feats):
            score = score + self.transitions[tags[i + 1], tags[i]] + feat[tags[i + 1]]
        return score + self.transitions[self.tag_to_ix[STOP], tags[-1]]

    def _viterbi(self, feats):
        bps = []
        init = torch.full((1, self.T), -10000.0)
        init[0][self.tag_to_ix[START]] = 0
        fv = init
        for feat in feats:
            b, v = [], []
            for nt in range(self.T):
                ntv = fv + self.transitions[nt]
                best = argmax(ntv)
                b.append(best)
                v.append(ntv[0][best].view(1))
            fv = (torch.cat(v) + feat).view(1, -1)
            bps.append(b)
        tv = fv + self.transitions[self.tag_to_ix[STOP]]
        best = argmax(tv)
        ps = tv[0][best]
        path = [best]
        for b in reversed(bps):
            best = b[best]
            path.append(best)
        start = path.pop()
        assert start == self.tag_to_ix[START]
        path.reverse()
        return ps, path

    def nll(self, s, t):
        f = self._feats(s)
        return self._forward_alg(f) - self._score(f, t)

    def forward(self, s):
        return self._viterbi(self._feats(s))


data = [
    (["the", "wall", "street", "journal", "reported", "today"], ["B", "I", "I", "I", "O", "O"]),
    (["georgia", "tech", "is", "a", "university", "in", "georgia"], ["B", "I", "O", "O", "O", "O", "B"]),
]
w2i = {}
for s, _ in data:
    for w in s:
        w2i.setdefault(w, len(w2i))
t2i = {"B": 0, "I": 1, "O": 2, START: 3, STOP: 4}
model = BiLSTM_CRF(len(w2i), t2i, 5, 4)
opt = optim.SGD(model.parameters(), lr=0.01, weight_decay=1e-4)
with torch.no_grad():
    print(model(prepare_sequence(data[0][0], w2i)))
for e in range(6):
    for s, t in data:
        model.zero_grad()
        l = model.nll(prepare_sequence(s, w2i), torch.tensor([t2i[x] for x in t], dtype=torch.long))
        l.backward()
        opt.step()
    print(e, l)
with torch.no_grad():
    print(model(prepare_sequence(data[0][0], w2i)))
