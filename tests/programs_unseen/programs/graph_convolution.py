"""A graph convolution on a small graph, dense, with degrees and normalisation."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter

torch.manual_seed(42)
edges = torch.tensor([[0, 1], [0, 2], [1, 2], [3, 4], [4, 5], [3, 5], [2, 3]]).t()
adj = torch.zeros(6, 6)
adj[edges[0], edges[1]] = 1
adj = adj + adj.T.multiply(adj < adj.T) - adj.multiply(adj < adj.T)
adj = adj + torch.eye(6)
degree = adj.sum(1)
D = torch.diag(degree.pow(-0.5))
norm = D @ adj @ D
print(edges, degree, norm)


class GraphConvolution(Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(torch.FloatTensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.FloatTensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        support = torch.mm(input, self.weight)
        output = torch.spmm(adj, support)
        return output + self.bias if self.bias is not None else output

    def __repr__(self):
        return self.__class__.__name__ + " (" + str(self.in_features) + " -> " + str(self.out_features) + ")"


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass, bias=False)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


class GAT(nn.Module):
    def __init__(self, f_in, f_out):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(size=(f_in, f_out)))
        nn.init.xavier_uniform_(self.W.data, gain=1.414)
        self.a = nn.Parameter(torch.zeros(size=(2 * f_out, 1)))
        nn.init.xavier_uniform_(self.a.data, gain=1.414)
        self.leakyrelu = nn.LeakyReLU(0.2)

    def forward(self, h, adj):
        Wh = torch.mm(h, self.W)
        N = Wh.size(0)
        f = Wh.shape[1]
        e = self.leakyrelu(torch.matmul(Wh, self.a[:f, :]) + torch.matmul(Wh, self.a[f:, :]).T)
        zero_vec = -9e15 * torch.ones_like(e)
        attention = F.softmax(torch.where(adj > 0, e, zero_vec), dim=1)
        return F.elu(torch.matmul(attention, Wh)), attention


features = torch.randn(6, 5)
labels = torch.tensor([0, 0, 0, 1, 1, 1])
idx_train, idx_val = torch.LongTensor([0, 5]), torch.LongTensor(range(1, 5))
model = GCN(5, 4, 2, 0.5)
print(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=5e-4)


def accuracy(output, labels):
    preds = output.max(1)[1].type_as(labels)
    correct = preds.eq(labels).double()
    return correct.sum() / len(labels)


for epoch in range(4):
    model.train()
    optimizer.zero_grad()
    output = model(features, norm)
    loss_train = F.nll_loss(output[idx_train], labels[idx_train])
    acc_train = accuracy(output[idx_train], labels[idx_train])
    loss_train.backward()
    optimizer.step()
    model.eval()
    output = model(features, norm)
    loss_val = F.nll_loss(output[idx_val], labels[idx_val])
    print(
        f"Epoch: {epoch + 1:04d}",
        f"loss_train: {loss_train.item():.4f}",
        f"acc_train: {acc_train.item():.4f}",
        f"loss_val: {loss_val.item():.4f}",
    )
gat = GAT(5, 3)
out, attention = gat(features, adj)
print(out, attention.sum(1))
out.sum().backward()
print(gat.a.grad.view(-1))
src, dst = edges
messages = torch.zeros(6, 5).index_add_(0, dst, features[src])
print(messages, torch.zeros(6).scatter_add(0, dst, torch.ones(7)), torch.bincount(dst, minlength=6))
print(
    torch.zeros(6, 5).scatter_reduce(0, dst[:, None].expand(-1, 5), features[src], reduce="amax", include_self=False)[2]
)
