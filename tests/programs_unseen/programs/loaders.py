"""Data sets, samplers, collation, packed sequences, and what goes wrong with them."""
# ruff: noqa

import csv
import math
import os
import tempfile

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import *
from torch.utils.data import default_collate

torch.manual_seed(0)


class Text(Dataset):
    def __init__(self):
        self.d = [([1, 2, 3], 0), ([4], 1), ([5, 6], 0), ([7, 8, 9, 1], 1), ([2], 0)]

    def __len__(self):
        return len(self.d)

    def __getitem__(self, i):
        return torch.tensor(self.d[i][0]), self.d[i][1]


def collate(b):
    s, l = zip(*b)
    ln = torch.tensor([len(x) for x in s])
    return pad_sequence(s, batch_first=True), ln, torch.tensor(l)


for p, l, y in DataLoader(Text(), 2, shuffle=True, collate_fn=collate):
    print(p, l, y)


class Stream(IterableDataset):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __iter__(self):
        w = get_worker_info()
        if w is None:
            return iter(range(self.a, self.b))
        per = math.ceil((self.b - self.a) / w.num_workers)
        s = self.a + w.id * per
        return iter(range(s, min(s + per, self.b)))


print(list(DataLoader(Stream(3, 9), batch_size=2)))
if __name__ == "__main__":
    print(sorted(int(x) for x in DataLoader(Stream(3, 9), num_workers=2, batch_size=None)))


class Buckets(Sampler):
    def __init__(self, lens, bs):
        self.lens, self.bs = lens, bs

    def __iter__(self):
        idx = sorted(range(len(self.lens)), key=lambda i: self.lens[i])
        yield from (idx[i : i + self.bs] for i in range(0, len(idx), self.bs))

    def __len__(self):
        return -(-len(self.lens) // self.bs)


dl = DataLoader(Text(), batch_sampler=Buckets([3, 1, 2, 4, 1], 2), collate_fn=collate)
print(len(dl), [l.tolist() for _, l, _ in dl])
print(
    default_collate([{"a": 1, "b": (torch.ones(2), "x")}, {"a": 2, "b": (torch.zeros(2), "y")}]),
    default_collate([1.5, 2.5]),
)
ds = ConcatDataset(
    [
        TensorDataset(torch.arange(3), torch.arange(3) * 2),
        Subset(TensorDataset(torch.arange(10), torch.arange(10)), [7, 8]),
    ]
)
print(len(ds), ds[3], ds[-1], ds.cumulative_sizes)
print(
    [len(s) for s in random_split(range(10), [0.5, 0.3, 0.2])],
    list(BatchSampler(SequentialSampler(range(5)), 2, False)),
    list(SubsetRandomSampler([4, 5, 6])),
    list(RandomSampler(range(4), replacement=True, num_samples=6)),
    list(WeightedRandomSampler([0.1, 0.9], 5)),
)
pk = pack_sequence([torch.tensor([1.0, 2, 3]), torch.tensor([4.0, 5]), torch.tensor([6.0])])
print(pk, pad_packed_sequence(pk))
lstm = torch.nn.GRU(2, 3, batch_first=True, bidirectional=True)
pp = pack_padded_sequence(torch.randn(3, 4, 2), torch.tensor([2, 4, 1]), batch_first=True, enforce_sorted=False)
o, h = lstm(pp)
print(pad_packed_sequence(o, batch_first=True, total_length=5)[0].shape, h.shape, pp.sorted_indices, pp.batch_sizes)
try:
    next(iter(DataLoader([torch.ones(2), torch.ones(3)], batch_size=2)))
except RuntimeError as e:
    print(e)
try:
    DataLoader(range(3), shuffle=True, sampler=SequentialSampler(range(3)))
except ValueError as e:
    print(e)
it = iter(DataLoader(range(6), 4, drop_last=True))
print(next(it))
print(next(it, "done"))
print(
    DataLoader(range(7), 3).__len__(),
    type(DataLoader(range(3)).sampler).__name__,
    [b.tolist() for b in DataLoader(range(5), 2, shuffle=True, generator=torch.Generator().manual_seed(5))],
)
path = os.path.join(tempfile.mkdtemp(), "d.csv")
with open(path, "w") as file:
    file.write("a,b,y\n1,2,0\n3,4,1\n")
rows = list(csv.reader(open(path)))[1:]
t = torch.tensor([[float(v) for v in r] for r in rows])
print(t[:, :-1], t[:, -1].long(), t.mean(0), (t - t.mean(0)) / t.std(0))
