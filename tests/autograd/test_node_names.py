"""Names of nodes, and where they lead, against PyTorch: for one call of each function, and for writes in place."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest

import graphc
import graphc.nn.functional
from graphc.autograd.descriptions import template
from graphc.autograd.node_names import FUNCTION_NODES
from graphc.ops.functions.registry import FUNCTIONS

# `x` [4, 5], `v` [5] and `b` [2, 4, 5] want gradients, `L(...)` makes more of them; `i` are indices, `m` is a mask.
CALLS = """
x[0]
x[:]
x[...]
x[None]
x[0,1]
x[0,1:]
x[:,1]
x[:,1:3]
x[:,None]
x[...,0]
x[1:]
x[1:,0]
x[0:4]
x[0:4,1]
x[i]
x[i,i]
x[:,i]
x[0,i]
x[m]
x[1:,i]
x[[0,1]]
x[None,i]
x[i,None]
x[True]
x[()]
x[torch.tensor(1)]
x[i,1]
b[0,i]
b[:,i,0]
b[...,i]
1-x
2*x
x*2
2/x
x/2
x-1
x+1
x**2
2**x
x**x
x//2
x%2
3%x
-x
abs(x)
x@v
v@x.T
x@x.T
x.T
x.mT
b.mT
x.H
v.T
x.t()
x.float()
x.double()
x.to(torch.float64)
x.half()
x.type(torch.float64)
x.type_as(torch.zeros(1,dtype=torch.float64))
x.clone()
x.contiguous()
x.T.contiguous()
x.view(-1)
x.view(4,5)
x.T.reshape(-1)
x.reshape(4,5)
x.reshape(5,4)
x.expand(2,4,5)
x.expand_as(b)
x.repeat(2,1)
x.sum()
x.sum(0)
x.sum(dim=None)
x.mean()
x.mean(1,True)
x.max()
x.max(0)[0]
x.max(0).values
torch.max(x,x)
x.sort()[0]
x.topk(2)[0]
x.unbind()[1]
x.split(2)[1]
x.chunk(2,1)[1]
x.cumsum(0)
x.cumprod(0)
x.norm()
torch.norm(x)
x.norm(1)
x.norm(2,0)
torch.linalg.norm(x)
torch.linalg.vector_norm(x)
torch.linalg.matrix_norm(x)
x.dist(x)
torch.nn.utils.parameters_to_vector([x])
x.std()
x.std(0)
x.var(0)
x.prod()
x.prod(0)
x.relu()
F.relu(x)
F.relu6(x)
F.dropout(x,0.5)
F.dropout(x,0.0)
F.dropout(x,0.5,False)
F.dropout2d(b,0.5)
F.alpha_dropout(x,0.5)
F.embedding(i,x)
F.one_hot(i).float()*v[0]
F.linear(x,L(3,5),L(3))
F.linear(x,L(3,5))
F.linear(b,L(3,5),L(3))
F.linear(b,L(3,5))
F.linear(v,L(3,5),L(3))
F.linear(v,L(3,5))
F.bilinear(x,x,L(3,5,5),L(3))
F.cross_entropy(x,torch.tensor([0,1,2,3]))
F.softmax(x,1)
F.log_softmax(x,1)
F.softmin(x,1)
F.gumbel_softmax(x)
F.layer_norm(x,(5,))
F.layer_norm(x,(5,),v,v)
F.batch_norm(x,None,None,training=True)
F.batch_norm(x,torch.zeros(5),torch.ones(5),v,v,training=False)
F.instance_norm(b)
F.group_norm(b,2)
F.local_response_norm(b,2)
F.rms_norm(x,(5,),v)
F.normalize(x)
F.conv1d(b,L(3,4,2))
F.conv2d(b,L(3,2,2,2),L(3))
F.conv2d(b[None],L(3,2,2,2),L(3))
F.conv3d(b[None,None],L(1,1,1,2,2))
F.conv_transpose1d(b,L(4,3,2))
F.conv_transpose2d(b[None],L(2,3,2,2),L(3))
F.max_pool1d(b,2)
F.max_pool2d(b,2)
F.max_pool2d(b[None],2)
F.max_pool3d(b[None,None],2)
F.avg_pool1d(b,2)
F.avg_pool2d(b,2)
F.avg_pool3d(b[None,None],2)
F.adaptive_avg_pool1d(b,2)
F.adaptive_avg_pool2d(b,2)
F.adaptive_avg_pool2d(b,1)
F.adaptive_avg_pool2d(b[None],1)
F.adaptive_avg_pool3d(b[None],1)
F.adaptive_max_pool1d(b,2)
F.adaptive_max_pool2d(b,2)
F.adaptive_max_pool3d(b[None],2)
F.lp_pool2d(b[None],2,2)
F.unfold(b[None],2)
F.fold(L(1,4,6),(3,4),2)
F.pad(x,(1,1))
F.pad(b,(1,1),mode='reflect')
F.pad(b[None],(1,1,1,1),mode='replicate')
F.interpolate(b[None],scale_factor=2)
F.interpolate(b[None],scale_factor=2,mode='bilinear')
F.interpolate(b[None],scale_factor=2,mode='bicubic')
F.interpolate(b[None],size=2,mode='area')
F.interpolate(b,scale_factor=2,mode='linear')
F.interpolate(b,scale_factor=2)
F.interpolate(b[None,None],scale_factor=2)
F.interpolate(b[None,None],scale_factor=2,mode='trilinear')
F.grid_sample(b[None],L(1,3,3,2),align_corners=False)
F.affine_grid(L(1,2,3),(1,1,3,3),align_corners=False)
F.pixel_shuffle(L(1,4,2,2),2)
F.pixel_unshuffle(L(1,1,2,2),2)
F.cosine_similarity(x,x)
F.pairwise_distance(x,x)
F.pdist(x)
F.scaled_dot_product_attention(b,b,b)
F.scaled_dot_product_attention(b[None],b[None],b[None])
F.prelu(x,L(1))
F.rrelu(x)
F.celu(x)
F.selu(x)
F.glu(L(4,4))
F.tanhshrink(x)
F.softshrink(x)
F.hardshrink(x)
F.threshold(x,0,0)
F.logsigmoid(x)
F.hardsigmoid(x)
F.hardswish(x)
F.sigmoid(x)
F.tanh(x)
F.mse_loss(x,x)
F.l1_loss(x,x.detach())
F.smooth_l1_loss(x,x)
F.huber_loss(x,x)
F.nll_loss(x,torch.tensor([0,1,2,3]))
F.binary_cross_entropy(x.sigmoid(),torch.ones(4,5))
F.binary_cross_entropy_with_logits(x,torch.ones(4,5))
F.kl_div(x,x)
F.poisson_nll_loss(x,x)
F.gaussian_nll_loss(x,x,x.exp())
F.hinge_embedding_loss(v,v.sign())
F.margin_ranking_loss(v,v,torch.ones(5))
F.cosine_embedding_loss(x,x,torch.ones(4))
F.triplet_margin_loss(x,x,x)
F.multi_margin_loss(x,torch.tensor([0,1,2,3]))
F.multilabel_margin_loss(x,torch.zeros(4,5,dtype=torch.long))
F.multilabel_soft_margin_loss(x,torch.ones(4,5))
F.soft_margin_loss(x,torch.ones(4,5))
F.ctc_loss(F.log_softmax(L(4,2,5),2),torch.ones(2,2,dtype=torch.long),(4,4),(2,2))
F.embedding_bag(torch.tensor([[0,1]]),x)
torch.addmv(L(4),x,v)
torch.addr(x,L(4),v)
torch.addbmm(L(4,4),b,b.mT)
torch.baddbmm(L(2,4,4),b,b.mT)
torch.addcmul(x,x,x)
torch.addcdiv(x,x,x)
torch.lerp(x,x,0.5)
torch.where(m,x,x)
torch.where(m,x,0.)
torch.where(m,0.,x)
torch.clamp(x,0)
torch.clamp(x,0,1)
torch.clamp(x,x,x)
x.clip(0,1)
x.clamp_min(0)
torch.maximum(x,x)
torch.fmax(x,x)
torch.hypot(x,x)
torch.atan2(x,x)
torch.xlogy(x,x)
torch.logaddexp(x,x)
torch.logsumexp(x,0)
torch.logcumsumexp(x,0)
torch.cat([x,x])
torch.stack([x,x])
torch.hstack([x,x])
torch.vstack([x,x])
torch.dstack([x,x])
torch.column_stack([x,x])
torch.einsum('ij,kj->ik',x,x)
torch.einsum('ij->',x)
torch.einsum('bij,bkj->bik',b,b)
torch.tensordot(x,x.T,1)
torch.outer(v,v)
torch.ger(v,v)
torch.inner(v,v)
torch.inner(x,x)
torch.dot(v,v)
torch.vdot(v,v)
torch.mv(x,v)
torch.mm(x,x.T)
torch.bmm(b,b.mT)
torch.linalg.multi_dot([x,x.T,x])
torch.kron(x,x)
torch.cross(L(2,3),L(2,3),dim=1)
torch.diag(v)
torch.diag(x)
torch.diagonal(x)
torch.diag_embed(v)
torch.diagflat(v)
torch.trace(x@x.T)
torch.tril(x)
torch.triu(x)
torch.flip(x,[0])
torch.fliplr(x)
torch.rot90(x)
torch.roll(x,1)
torch.movedim(x,0,1)
torch.swapaxes(x,0,1)
x.squeeze()
x.squeeze(0)
x.unsqueeze(0)
x.flatten()
x.unflatten(0,(2,2))
x.unfold(0,2,1)
x.narrow(0,1,2)
x.select(0,1)
x.index_select(0,i)
x.gather(0,torch.zeros(1,5,dtype=torch.long))
x.take(i)
torch.take_along_dim(x,torch.zeros(1,5,dtype=torch.long),0)
x.masked_select(m)
x.masked_fill(m,0)
x.masked_scatter(m,x)
x.scatter(0,torch.zeros(1,5,dtype=torch.long),x)
x.scatter(0,torch.zeros(1,5,dtype=torch.long),1.)
x.scatter_add(0,torch.zeros(1,5,dtype=torch.long),x)
x.scatter_reduce(0,torch.zeros(1,5,dtype=torch.long),x,'sum')
x.index_add(0,i,x[:2])
x.index_copy(0,i,x[:2])
x.index_fill(0,i,0)
x.index_put((i,),v)
torch.repeat_interleave(x,2)
torch.repeat_interleave(x,2,0)
torch.tile(x,(2,))
torch.meshgrid(v,v,indexing='ij')[0]
torch.broadcast_to(x,(2,4,5))
torch.atleast_2d(v)
torch.nansum(x)
torch.nanmean(x)
torch.median(x)
torch.median(x,0)[0]
torch.nanmedian(x)
torch.mode(x)[0]
torch.kthvalue(x,1)[0]
torch.quantile(x,0.5)
torch.cummax(x,0)[0]
torch.cummin(x,0)[0]
torch.diff(x)
torch.trapezoid(x)
torch.renorm(x,2,0,1.)
torch.cov(x)
torch.corrcoef(x)
torch.linalg.inv(x@x.T)
torch.inverse(x@x.T)
torch.linalg.det(x@x.T)
torch.det(x@x.T)
torch.logdet(x@x.T)
torch.slogdet(x@x.T)[1]
torch.linalg.slogdet(x@x.T)[1]
torch.linalg.solve(x@x.T,x)
torch.linalg.cholesky(x@x.T)
torch.cholesky(x@x.T)
torch.linalg.qr(x.T)[0]
torch.linalg.svd(x)[1]
torch.linalg.svdvals(x)
torch.svd(x)[1]
torch.linalg.eigh(x@x.T)[0]
torch.linalg.eigvalsh(x@x.T)
torch.linalg.pinv(x)
torch.linalg.matrix_power(x@x.T,2)
torch.matrix_power(x@x.T,3)
torch.linalg.matrix_exp(x@x.T)
torch.fft.fft(v)
torch.fft.rfft(v)
torch.fft.ifft(v)
torch.fft.irfft(torch.fft.rfft(v))
torch.fft.fft2(x)
torch.fft.fftshift(v)
torch.view_as_real(torch.fft.fft(v))
torch.fft.fft(v).real
torch.fft.fft(v).imag
torch.fft.fft(v).abs()
torch.fft.fft(v).angle()
torch.fft.fft(v).conj()
torch.complex(v,v)
torch.polar(v,v)
x.sin()
x.acosh()
x.sinh()
x.asin()
x.atan()
x.tan()
x.erf()
x.erfc()
x.erfinv()
x.lgamma()
x.digamma()
x.logit()
x.sinc()
x.frac()
x.floor()
x.round()
x.sign()
x.sgn()
x.square()
x.rsqrt()
x.reciprocal()
x.log2()
x.log1p()
x.exp2()
x.expm1()
x.deg2rad()
x.softmax(0)
x.fmod(2)
x.fmod(x)
x.remainder(2)
x.copysign(x)
x.ldexp(x)
x.float_power(2)
x.nan_to_num()
x.mul(2)
x.true_divide(2)
x.add(x,alpha=2)
x.sub(x,alpha=2)
torch.rsub(x,x)
torch.rsub(x,1)
x.detach().requires_grad_().sum()
torch.special.expit(x)
torch.special.entr(x.sigmoid())
torch.special.i0(x)
torch.special.log_softmax(x,0)
torch.cumulative_trapezoid(x)
x.logsumexp(0)
x.tanh()
torch.bernoulli(x.sigmoid())
torch.normal(x,1.)
x.unsafe_chunk(2)[0]
torch.hsplit(x,[1])[0]
torch.tensor_split(x,2)[0]
torch.block_diag(x,x)
torch.cartesian_prod(v,v)
torch.combinations(v)
torch.vander(v)
torch.bucketize(v.detach(),v.detach()) * x[0]
torch.cdist(x, x)
(x.double() * 2)
(x.to(torch.float64) + x).sum()
x.float().double().exp()
F.max_unpool2d(F.max_pool2d(L(1, 1, 4, 4), 2, return_indices=True)[0], torch.tensor([[[[0, 2], [8, 10]]]]), 2)
""".strip().splitlines()

# Whose result is composed in another way here: only the names differ, and not the gradients.
COMPOSED_DIFFERENTLY = frozenset(
    {
        "F.gumbel_softmax(x)",
        "F.lp_pool2d(b[None],2,2)",
        "torch.einsum('ij,kj->ik',x,x)",
        "torch.einsum('ij->',x)",
        "torch.einsum('bij,bkj->bik',b,b)",
        "torch.quantile(x,0.5)",
        "torch.trapezoid(x)",
        "torch.cov(x)",
        "torch.corrcoef(x)",
        "torch.logdet(x@x.T)",
        "x.float_power(2)",
        "torch.cumulative_trapezoid(x)",
        "torch.cartesian_prod(v,v)",
        "torch.combinations(v)",
        "torch.vander(v)",
    }
)

WRITES = (
    "y=L(4,5)*1; y.add_(1)",
    "y=L(4,5)*1; y+=L(4,5)",
    "y=L(4,5)*1; y-=1",
    "y=L(4,5)*1; y*=2",
    "y=L(4,5)*1; y/=2",
    "y=L(4,5)*1; y**=2",
    "y=L(4,5)*1; w=y[0]; w.add_(1)",
    "y=L(4,5)*1; w=y[0]; y.add_(1)",
    "y=L(4,5)*1; y[0]=1.",
    "y=L(4,5)*1; y[0]=L(5)",
    "y=torch.zeros(4,5); y[0]=L(5)",
    "y=torch.zeros(4,5); y[:,1:]=L(4,4)",
    "y=torch.zeros(4,5); y[i]=L(2,5)",
    "y=L(4,5)*1; y[m]=0",
    "y=L(4,5)*1; y.zero_()",
    "y=L(4,5)*1; y.fill_(1.)",
    "y=L(4,5)*1; y.copy_(L(4,5))",
    "y=torch.zeros(4,5); y.copy_(L(4,5))",
    "y=L(4,5)*1; y.relu_()",
    "y=F.relu(L(4,5)*1,inplace=True)",
    "y=F.leaky_relu(L(4,5)*1,inplace=True)",
    "y=L(4,5)*1; y.clamp_(0)",
    "y=L(4,5)*1; y.masked_fill_(m,0)",
    "y=L(4,5)*1; y.exp_()",
    "y=L(4,5)*1; y.t_()",
    "y=L(4,5)*1;y.unsqueeze_(0)",
    "y=L(4,5)*1;y.squeeze_()",
    "y=L(4,5)*1; y.index_fill_(0,i,0.)",
    "y=L(4,5)*1; y.uniform_()",
    "y=L(4,5)*1; y.normal_()",
    "y=F.dropout(L(4,5)*1,inplace=True)",
    "y=torch.zeros(4,5); w=y[0]; w.copy_(L(5))",
    "y=torch.zeros(4,5); w=y.view(-1); y[0]=L(5)",
    "y=L(4,5)*1; w=y.detach(); w.zero_()",
    "y=L(4,5)*1; y.sub_(L(4,5),alpha=2)",
    "y=torch.zeros(4,5); y.data=L(4,5).data",
    "y=torch.zeros(4,5); y[0,1]=L(1)[0]",
    "y=torch.zeros(4,5);y[...,0]=L(4)",
    "y=torch.zeros(4,5);y+=L(4,5)",
)


def tree(node: Any, depth: int = 0) -> str:
    """The names of a node and of those that it leads to."""
    if node is None:
        return "None"
    name = type(node).__name__
    if name == "AccumulateGrad":
        return "leaf"
    if depth > 8:
        return "..."
    inner = (tree(f, depth + 1) + (f"#{number}" if number else "") for f, number in node.next_functions)
    return f"{name}({', '.join(inner)})"


def surroundings(torch: Any) -> dict[str, Any]:
    """What the calls are made of."""
    torch.manual_seed(0)

    def leaf(*shape: int) -> Any:
        return torch.randn(*shape).requires_grad_()

    x, v, b = leaf(4, 5), leaf(5), leaf(2, 4, 5)
    return {
        "torch": torch,
        "F": torch.nn.functional,
        "L": leaf,
        "x": x,
        "v": v,
        "b": b,
        "i": torch.tensor([0, 1]),
        "m": x.detach() > 0,
    }


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str) -> None:
    """The node of the result is PyTorch's, with all that it leads to."""
    torch = pytest.importorskip("torch")
    if call in COMPOSED_DIFFERENTLY:
        pytest.skip("composed in another way")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = (eval(call, surroundings(library)) for library in (graphc, torch))
    assert tree(found.grad_fn) == tree(expected.grad_fn)
    assert found.requires_grad == expected.requires_grad


@pytest.mark.parametrize("program", WRITES)
def test_writes(program: str) -> None:
    """After writes in place: the nodes of the tensor `y`, and of its view `w`."""
    torch = pytest.importorskip("torch")
    nodes = []
    for library in (graphc, torch):
        names = surroundings(library)
        exec(program, names)
        nodes.append([tree(names[name].grad_fn) for name in ("y", "w") if name in names])
    assert nodes[0] == nodes[1]


def test_the_sweep_goes_by_the_real_nodes() -> None:
    """What a described node leads to are the very nodes of the function's arguments, and a hook on one is called."""
    x = graphc.ones(2, 3, requires_grad=True)
    y = x * 2
    weight = graphc.ones(4, 3, requires_grad=True)
    z = graphc.nn.functional.linear(y, weight, graphc.ones(4, requires_grad=True))
    bias, given, transposed = (node for node, _ in z.grad_fn.next_functions)
    assert given is y.grad_fn
    assert type(bias).__name__ == "AccumulateGrad"
    assert transposed.next_functions[0][0].variable is weight
    seen: list[Any] = []
    given.register_hook(lambda inputs, outputs: seen.append(outputs[0].tolist()))
    z.sum().backward()
    assert seen == [[[4.0] * 3] * 2]
    with pytest.raises(RuntimeError, match="TBackward0 is a part of a function"):
        transposed.register_hook(print)


def test_nodes_are_called_as_their_classes() -> None:
    """``type``, ``name``, and ``repr`` agree."""
    x = graphc.ones(2, requires_grad=True)
    for node, name in (((x * 2).grad_fn, "MulBackward0"), (graphc.nn.functional.gelu(x).grad_fn, "GeluBackward0")):
        assert (type(node).__name__, node.name()) == (name, name)
        assert repr(node).startswith(f"<{name} object at 0x")
        assert str(type(node)) == f"<class '{name}'>"
    y = x * 1
    y[0] = 3.0
    assert repr(y.grad_fn).startswith("<CopySlices object at")


def test_names_of_parameters_are_those_of_the_functions() -> None:
    """Every parameter that a fixed entry of the table names is one of the function's; entries by arguments are
    tried by the calls above."""
    wrong = []
    for name, node in FUNCTION_NODES.items():
        function = FUNCTIONS.get(name)
        if function is None or not isinstance(node, str):
            continue
        parameters = inspect.signature(function).parameters
        wrong += [(name, each) for each in template(node).parameters if each.removeprefix("*") not in parameters]
    assert wrong == []
