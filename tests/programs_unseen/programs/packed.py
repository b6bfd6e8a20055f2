"""Packed sequences through a two-way LSTM, and a tagger with a mask."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

torch.manual_seed(0)
seqs = [torch.tensor([1, 2, 3]), torch.tensor([4, 5]), torch.tensor([6])]
padded = pad_sequence(seqs, batch_first=True, padding_value=0)
lengths = torch.tensor([3, 2, 1])
print(padded, pad_sequence(seqs), pad_sequence(seqs, batch_first=True, padding_side="left"))
packed = pack_padded_sequence(padded, lengths, batch_first=True)
print(packed, packed.batch_sizes, packed.data)
print(pad_packed_sequence(packed, batch_first=True, total_length=4))
print(pack_sequence(seqs), unpack_sequence(packed), unpad_sequence(padded, lengths, batch_first=True))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(7, 4, padding_idx=0)
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.fc = nn.Linear(6, 2)

    def forward(self, x, lengths):
        p = pack_padded_sequence(self.emb(x), lengths, batch_first=True, enforce_sorted=False)
        out, (h, c) = self.lstm(p)
        print(type(out).__name__, out.data.shape, out.sorted_indices, out.unsorted_indices, h.shape)
        out, lens = pad_packed_sequence(out, batch_first=True)
        return self.fc(out), lens, h


model = Tagger()
print(model, model.emb.weight[0])
shuffled, lens = padded[[2, 0, 1]], lengths[[2, 0, 1]]
out, found, h = model(shuffled, lens)
print(out.shape, found, h[-1])
mask = torch.arange(3)[None] < lens[:, None]
target = torch.randint(0, 2, (3, 3))
target[~mask] = -100
loss = nn.CrossEntropyLoss(ignore_index=-100)(out.transpose(1, 2), target)
loss.backward()
print(mask, target, loss, model.emb.weight.grad)
gru = nn.GRU(4, 3, bidirectional=True)
o, hn = gru(pack_sequence([torch.randn(2, 4), torch.randn(1, 4)]))
print(o.batch_sizes, hn.shape, gru.flatten_parameters(), gru)
rnn = nn.RNN(4, 3, nonlinearity="relu", batch_first=True)
print(rnn(torch.randn(2, 5, 4))[0].shape, rnn(torch.randn(5, 4))[0].shape, [n for n, _ in rnn.named_parameters()])
print(
    packed.to(torch.float64).data.dtype, packed.is_cuda, isinstance(packed, PackedSequence), packed.double().data.dtype
)
try:
    pack_padded_sequence(shuffled, lens, batch_first=True)
except RuntimeError as error:
    print(str(error)[:80])
try:
    model.lstm(torch.randn(2, 3, 5))
except RuntimeError as error:
    print(error)
