"""A classifier of texts from bags of embeddings."""
# ruff: noqa

import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader
from collections import Counter

torch.manual_seed(0)
texts = [
    "the cat sat on the mat",
    "dogs chase cats",
    "stocks fell sharply today",
    "markets rose on news",
    "a dog barked",
    "bank profits fell",
]
labels = [0, 0, 1, 1, 0, 1]
counter = Counter(w for t in texts for w in t.split())
vocab = {w: i + 1 for i, (w, _) in enumerate(counter.most_common())}


class Texts(Dataset):
    def __len__(self):
        return len(texts)

    def __getitem__(self, i):
        return labels[i], texts[i]


def collate_batch(batch):
    label_list, text_list, offsets = [], [], [0]
    for l, t in batch:
        label_list.append(l)
        processed = torch.tensor([vocab[w] for w in t.split()], dtype=torch.int64)
        text_list.append(processed)
        offsets.append(processed.size(0))
    return torch.tensor(label_list, dtype=torch.int64), torch.cat(text_list), torch.tensor(offsets[:-1]).cumsum(dim=0)


class Model(nn.Module):
    def __init__(self, vocab_size, dim, n):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, dim, sparse=False)
        self.fc = nn.Linear(dim, n)
        self.init_weights()

    def init_weights(self):
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


model = Model(len(vocab) + 1, 8, 2)
opt = torch.optim.SGD(model.parameters(), lr=5.0)
sched = torch.optim.lr_scheduler.StepLR(opt, 1, gamma=0.1)
loader = DataLoader(Texts(), batch_size=3, shuffle=True, collate_fn=collate_batch)
for e in range(3):
    acc = n = 0
    for l, t, o in loader:
        opt.zero_grad()
        p = model(t, o)
        loss = F.cross_entropy(p, l)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        opt.step()
        acc += (p.argmax(1) == l).sum().item()
        n += l.size(0)
    sched.step()
    print(f"{e} {acc / n:8.3f} {loss.item():.4f} {sched.get_last_lr()}")
print(model)
emb = nn.Embedding(5, 3, padding_idx=0, max_norm=1.0)
print(emb(torch.tensor([[1, 0], [4, 2]])))
print(nn.Embedding.from_pretrained(torch.eye(3))(torch.tensor([2])), F.one_hot(torch.tensor([0, 2]), 3))
ngrams = [((["a", "b"]), "c")]
lin = nn.Linear(4, 2)
out = F.log_softmax(lin(torch.ones(1, 4)), dim=1)
print(out, out.exp().sum())
conv = nn.Conv1d(8, 4, 3, padding=1)
print(F.max_pool1d(F.relu(conv(torch.randn(2, 8, 6))), 6).squeeze(2))
