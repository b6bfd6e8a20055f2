"""Loaders: collate functions of one's own, workers, samplers, iterable data, and seeds."""

import math

import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)


class Sentences(Dataset):
    def __init__(self):
        self.items = [("abc", 0), ("a", 1), ("abcde", 0), ("ab", 1), ("abcd", 0)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        text, label = self.items[i]
        return torch.tensor([ord(c) - 96 for c in text]), label


def collate(batch):
    batch.sort(key=lambda item: len(item[0]), reverse=True)
    texts, labels = zip(*batch)
    lengths = torch.tensor([len(t) for t in texts])
    return torch.nn.utils.rnn.pad_sequence(texts, batch_first=True), lengths, torch.tensor(labels)


class Counting(IterableDataset):
    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        info = get_worker_info()
        if info is None:
            return iter(range(self.start, self.end))
        per = int(math.ceil((self.end - self.start) / float(info.num_workers)))
        first = self.start + info.id * per
        return iter(range(first, min(first + per, self.end)))


def init(worker_id):
    torch.manual_seed(worker_id)


if __name__ == "__main__":
    torch.manual_seed(0)
    for batch in DataLoader(Sentences(), batch_size=2, shuffle=True, collate_fn=collate):
        print(batch)
    loader = DataLoader(
        Sentences(), batch_size=2, collate_fn=collate, num_workers=2, worker_init_fn=init, persistent_workers=True
    )
    for epoch in range(2):
        print(epoch, [labels.tolist() for _, _, labels in loader], len(loader))
    print(list(DataLoader(Counting(3, 9), num_workers=2)), list(DataLoader(Counting(3, 7), batch_size=3)))
    data = TensorDataset(torch.arange(10), torch.arange(10) ** 2)
    print(len(data), data[3], data[2:4])
    train, val = random_split(data, [7, 3], generator=torch.Generator().manual_seed(42))
    print(train.indices, val.indices, type(train).__name__, [len(part) for part in random_split(data, [0.5, 0.3, 0.2])])
    print(list(WeightedRandomSampler([0.1, 0.9, 0.4], 5, generator=torch.Generator().manual_seed(1))))
    print(
        list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=True)),
        list(RandomSampler(data, generator=torch.Generator().manual_seed(2))),
    )
    print(
        list(SubsetRandomSampler([1, 3, 5], generator=torch.Generator().manual_seed(3))),
        len(ConcatDataset([data, Subset(data, [1, 2])])),
    )
    print(
        default_collate([{"a": 1, "b": [1.5, "x"]}, {"a": 2, "b": [2.5, "y"]}]),
        default_collate([(torch.ones(2), 3), (torch.zeros(2), 4)]),
    )
    g = torch.Generator()
    g.manual_seed(5)
    print([x.tolist() for x, _ in DataLoader(data, batch_size=4, shuffle=True, generator=g, drop_last=True)])
    print([x for x in DataLoader([1, 2, 3], batch_size=None)], next(iter(DataLoader(["a", "b"], batch_size=2))))
    try:
        DataLoader(data, batch_size=2, shuffle=True, sampler=SequentialSampler(data))
    except ValueError as error:
        print(error)

    class Broken(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            raise KeyError("no such picture")

    try:
        next(iter(DataLoader(Broken(), num_workers=1)))
    except KeyError as error:
        print(type(error).__name__, str(error).splitlines()[0][:60])
    print(DataLoader(data, batch_size=3).batch_sampler.batch_size, DataLoader(data).dataset is data)
