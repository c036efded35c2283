"""Cases of the exercises in 13_optimization: what check("13.k", ...) tries."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch import nn

from d2lmini.learn import Case


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def part_of(answer, part, names):
    """One of several numbers that an answer returns; TypeError if it returns another number."""
    if answer is None or answer is ...:
        return answer
    if not hasattr(answer, "__len__") or len(answer) != len(names):
        raise TypeError(f"wanted, in this order: {', '.join(names)}")
    return answer[part]


def unchanged(function, gradients, *more):
    """function(gradients, *more); ValueError if it changes one of the tensors in the list.

    gradients: tensors, or pairs that begin with one"""
    tensors = [g if isinstance(g, torch.Tensor) else g[0] for g in gradients]
    before = [g.clone() for g in tensors]
    found = function(list(gradients), *more)
    if not all(map(torch.equal, tensors, before)):
        for g, old in zip(tensors, before, strict=True):
            g.copy_(old)
        raise ValueError("a gradient was changed in place; it belongs to the caller")
    return found


# --- 1: three regimes --------------------------------------------------------------------------

REGIMES = {
    "the limit": "1 - rate x curvature must stay above -1 for the largest curvature",
    "the best rate": "1 - rate x smallest = -(1 - rate x largest)",
    "the factor": "a positive number: 1 - best rate x smallest",
}


def exercise_1(stable_and_best):
    for curvatures in ([0.2, 4.0], [6.0, 0.5, 3.0], [5.0, 5.0], [1.0, 10_000.0, 20.0]):
        low, high = min(curvatures), max(curvatures)
        wanted = (2 / high, 2 / (low + high), (high - low) / (high + low))
        for part, (name, hint) in enumerate(REGIMES.items()):
            yield Case(
                f"curvatures {curvatures}: {name}",
                lambda c=curvatures, part=part: part_of(stable_and_best(list(c)), part, REGIMES),
                wanted[part],
                hint,
            )


def regimes(limit, best, factor):
    def stable_and_best(curvatures):
        low, high = min(curvatures), max(curvatures)
        return limit(low, high), best(low, high), factor(low, high)

    return stable_and_best


def two_over_high(low, high):
    return 2 / high


def two_over_sum(low, high):
    return 2 / (low + high)


def by_condition(low, high):
    return (high / low - 1) / (high / low + 1)


wrong_1 = {
    "first and last": lambda c: (2 / c[-1], 2 / (c[0] + c[-1]), (c[-1] - c[0]) / (c[-1] + c[0])),
    "limit by the gentlest": regimes(lambda low, high: 2 / low, two_over_sum, by_condition),
    "limit 1/high": regimes(lambda low, high: 1 / high, two_over_sum, by_condition),
    "best is the limit": regimes(two_over_high, two_over_high, by_condition),
    "best is 1/high": regimes(two_over_high, lambda low, high: 1 / high, by_condition),
    "all curvatures summed": lambda c: (2 / max(c), 2 / sum(c), 1 - 2 * min(c) / sum(c)),
    "factor of momentum": regimes(
        two_over_high,
        two_over_sum,
        lambda low, high: (math.sqrt(high / low) - 1) / (math.sqrt(high / low) + 1),
    ),
    "factor at 1/high": regimes(two_over_high, two_over_sum, lambda low, high: 1 - low / high),
    "factor with a sign": regimes(
        two_over_high, two_over_sum, lambda low, high: -by_condition(low, high)
    ),
    "factor at the limit": regimes(
        two_over_high, two_over_sum, lambda low, high: 1 - 2 / high * low
    ),
    "the condition number": regimes(two_over_high, two_over_sum, lambda low, high: high / low),
    "by the mean curvature": lambda c: (
        2 / max(c),
        len(c) / sum(c),
        by_condition(min(c), max(c)),
    ),
    "in another order": regimes(two_over_sum, two_over_high, by_condition),
    "the limit alone": lambda c: 2 / max(c),
}


def by_both_ends(curvatures):
    c = torch.tensor(curvatures)
    best = 2 / (c.min() + c.max())
    return torch.stack([2 / c.max(), best, (1 - best * c).abs().max()])


right_1 = {
    "torch, in one tensor": by_both_ends,
    "sorted, in a list": lambda c: [
        2 / sorted(c)[-1],
        2 / (sorted(c)[0] + sorted(c)[-1]),
        1 - 2 * sorted(c)[0] / (sorted(c)[0] + sorted(c)[-1]),
    ],
    "by the condition number": regimes(two_over_high, two_over_sum, by_condition),
    "numpy": lambda c: (
        2 / np.max(c),
        2 / (np.min(c) + np.max(c)),
        1 - 2 * np.min(c) / (np.min(c) + np.max(c)),
    ),
}


# --- 2: curvature of log-sum-exp ---------------------------------------------------------------


def exercise_2(curvature_of_scores):
    formula = "diag(p) - p p^T with p the softmax"
    for scores, hint in (
        ([1.0, -2.0, 0.5], formula),
        ([3.0, 0.0, 1.0, 1.0, -4.0], formula),
        ([201.0, 200.0, 199.0], "exp(201) is no number in 32 bits; softmax takes care of that"),
    ):
        scores = torch.tensor(scores)
        wanted = torch.autograd.functional.hessian(lambda x: x.logsumexp(dim=0), scores)
        yield Case(
            f"scores {scores.tolist()}",
            lambda scores=scores: curvature_of_scores(scores),
            wanted,
            hint,
        )


wrong_2 = {
    "only the diagonal": lambda scores: torch.diag(scores.softmax(-1)),
    "p(1 - p) on the diagonal alone": lambda scores: torch.diag(
        scores.softmax(-1) * (1 - scores.softmax(-1))
    ),
    "added": lambda scores: (
        torch.diag(scores.softmax(-1)) + torch.outer(scores.softmax(-1), scores.softmax(-1))
    ),
    "of the scores": lambda scores: torch.diag(scores) - torch.outer(scores, scores),
    "the identity for the diagonal": lambda scores: (
        torch.eye(len(scores)) - torch.outer(scores.softmax(-1), scores.softmax(-1))
    ),
    "the gradient": lambda scores: scores.softmax(-1),
    "one derivative for each": lambda scores: scores.softmax(0) * (1 - scores.softmax(0)),
    "not normalised": lambda scores: torch.diag(scores.exp()) - torch.outer(*2 * [scores.exp()]),
    "sigmoid": lambda scores: torch.diag(scores.sigmoid()) - torch.outer(*2 * [scores.sigmoid()]),
    "a product of numbers": lambda scores: (
        torch.diag(scores.softmax(0)) - scores.softmax(0) @ scores.softmax(0)
    ),
    "exp without care": lambda scores: torch.autograd.functional.jacobian(
        lambda x: x.exp() / x.exp().sum(), scores
    ),
    "changes the scores": lambda scores: torch.autograd.functional.hessian(
        lambda x: x.logsumexp(0), scores.sub_(scores.max())
    ),
    "the other sign": lambda scores: (
        torch.outer(scores.softmax(-1), scores.softmax(-1)) - torch.diag(scores.softmax(-1))
    ),
}


def with_loops(scores):
    p = scores.softmax(-1)
    found = torch.zeros(len(p), len(p))
    for i in range(len(p)):
        for j in range(len(p)):
            found[i, j] = p[i] * (float(i == j) - p[j])
    return found


right_2 = {
    "p times the rest": lambda scores: (
        scores.softmax(0)[:, None] * (torch.eye(len(scores)) - scores.softmax(0))
    ),
    "loops": with_loops,
    "the jacobian of softmax": lambda scores: torch.autograd.functional.jacobian(
        lambda x: x.softmax(-1), scores
    ),
}


# --- 3: memory ---------------------------------------------------------------------------------

MEMORY = {
    "half-life": "solve beta ** n = 1/2 for n, and do not round",
    "sum": "1 + beta + beta ** 2 + ..., without end; the gradient of now weighs 1",
}


def exercise_3(memory_of):
    for beta in (0.9, 0.5, 0.98):
        wanted = (math.log(0.5) / math.log(beta), 1 / (1 - beta))
        for part, (name, hint) in enumerate(MEMORY.items()):
            yield Case(
                f"beta {beta}: {name}",
                lambda beta=beta, part=part: part_of(memory_of(beta), part, MEMORY),
                wanted[part],
                hint,
            )


wrong_3 = {
    "1/beta": lambda beta: (1 / beta, 1 / (1 - beta)),
    "the sum as half-life": lambda beta: (1 / (1 - beta), 1 / (1 - beta)),
    "whole steps": lambda beta: (math.ceil(math.log(0.5) / math.log(beta)), 1 / (1 - beta)),
    "log of base 2": lambda beta: (math.log2(1 / beta), 1 / (1 - beta)),
    "to 1/e": lambda beta: (-1 / math.log(beta), 1 / (1 - beta)),
    "a mean, not a sum": lambda beta: (math.log(0.5) / math.log(beta), 1.0),
    "negative": lambda beta: (math.log(2) / math.log(beta), 1 / (1 - beta)),
    "without the present": lambda beta: (math.log(0.5) / math.log(beta), beta / (1 - beta)),
    "for 0.9 alone": lambda beta: (math.log(0.5) / math.log(0.9), 10.0),
    "ln 2 times the sum": lambda beta: (math.log(2) / (1 - beta), 1 / (1 - beta)),
    "upside down": lambda beta: (math.log(beta) / math.log(0.5), 1 / (1 - beta)),
    "one step more": lambda beta: (math.log(0.5) / math.log(beta) + 1, 1 / (1 - beta)),
    "to the nearest step": lambda beta: (round(math.log(0.5) / math.log(beta)), 1 / (1 - beta)),
    "cut off": lambda beta: (math.log(0.5) / math.log(beta), sum(beta**n for n in range(50))),
    "the other order": lambda beta: (1 / (1 - beta), math.log(0.5) / math.log(beta)),
}
right_3 = {
    "numpy": lambda beta: (np.log(0.5) / np.log(beta), np.divide(1, 1 - beta)),
    "log2, as a list": lambda beta: [-1 / math.log2(beta), 1 / (1 - beta)],
    "torch": lambda beta: (
        -math.log(2) / torch.tensor(beta).double().log(),
        (1 - torch.tensor(beta).double()).reciprocal(),
    ),
}


# --- 4 and 6: rules ----------------------------------------------------------------------------


def path_of(rule, steps=12, **settings):
    """Steps of a rule, at most 12, with noisy gradients of unlike scales: (steps, 3)"""
    x, memory, noise, places = torch.tensor([1.0, -2.0, 3.0]).double(), {}, drawn(12, 3), []
    for n in noise[:steps]:
        x = rule(x, torch.tensor([0.3, 2.0, 9.0]) * x + n, memory, **settings)
        places.append(x)
    return torch.stack(places)


def path_of_torch(kind, **settings):
    weights = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]).double())
    optimizer, places = kind([weights], **settings), []
    for n in drawn(12, 3):
        weights.grad = torch.tensor([0.3, 2.0, 9.0]) * weights.detach() + n
        optimizer.step()
        places.append(weights.detach().clone())
    return torch.stack(places)


def exercise_4(nesterov):
    for rate, beta in ((0.05, 0.9), (0.1, 0.5)):
        wanted = path_of_torch(torch.optim.SGD, lr=rate, momentum=beta, nesterov=True)
        for steps, which, hint in (
            (1, "the first step", "v is g, so the step is rate (1 + beta) g, downhill"),
            (12, "12 steps", "memory keeps v = beta v + g, no more; then x - rate (g + beta v)"),
        ):
            yield Case(
                f"{which}, rate {rate}, beta {beta}",
                lambda rate=rate, beta=beta, n=steps: path_of(nesterov, n, rate=rate, beta=beta),
                wanted[:steps],
                hint,
            )


def momentum(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return x - rate * v


def with_the_old_velocity(x, g, memory, *, rate, beta=0.9):
    old = memory.get("v", 0)
    memory["v"] = beta * old + g
    return x - rate * (g + beta * old)


def twice_the_gradient(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return x - rate * (g + v)


def leaky_mean(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + (1 - beta) * g
    return x - rate * (g + beta * v)


def forgetful(x, g, memory, *, rate, beta=0.9):
    v = beta * memory.get("v", 0) + g
    return x - rate * (g + beta * v)


def always_09(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = 0.9 * memory.get("v", 0) + g
    return x - rate * (g + 0.9 * v)


def uphill(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return x + rate * (g + beta * v)


def step_in_memory(x, g, memory, *, rate, beta=0.9):
    step = memory["step"] = beta * memory.get("step", torch.zeros_like(x)) - rate * g
    return x + beta * step - rate * g


def looks_twice(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = g + beta * (beta * memory.get("v", 0) + g)
    return x - rate * v


def without_the_gradient(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return x - rate * beta * v


def the_velocity_for_the_gradient(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return x - rate * (v + beta * v)


def the_step_alone(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    return rate * (g + beta * v)


def in_place(x, g, memory, *, rate, beta=0.9):
    v = memory["v"] = beta * memory.get("v", 0) + g
    x -= rate * (g + beta * v)
    return x


mine = {}


def a_memory_of_its_own(x, g, memory, *, rate, beta=0.9):
    v = mine["v"] = beta * mine.get("v", 0) + g
    return x - rate * (g + beta * v)


def with_a_buffer(x, g, memory, *, rate, beta=0.9):
    memory.setdefault("v", torch.zeros_like(g)).mul_(beta).add_(g)
    return x.sub(g.add(memory["v"], alpha=beta), alpha=rate)


wrong_4 = {
    "the look ahead is remembered": looks_twice,
    "without the gradient": without_the_gradient,
    "the velocity in place of the gradient": the_velocity_for_the_gradient,
    "the step alone": the_step_alone,
    "in place": in_place,
    "a memory of its own": a_memory_of_its_own,
    "plain momentum": momentum,
    "the old velocity": with_the_old_velocity,
    "the gradient and the velocity": twice_the_gradient,
    "a leaky mean": leaky_mean,
    "forgets": forgetful,
    "0.9 whatever is asked": always_09,
    "uphill": uphill,
}
right_4 = {"the step is remembered": step_in_memory, "a buffer in the memory": with_a_buffer}


# --- 5: no correction --------------------------------------------------------------------------


def exercise_5(uncorrected):
    for beta1, beta2, t in ((0.9, 0.999, 1), (0.9, 0.999, 10), (0.5, 0.98, 3), (0.9, 0.98, 400)):
        yield Case(
            f"betas {beta1} and {beta2}, step {t}",
            lambda a=beta1, b=beta2, t=t: uncorrected(a, b, t),
            (1 - beta1**t) / math.sqrt(1 - beta2**t),
            "v is too small by 1 - beta1 ** t, the root of s by the root of 1 - beta2 ** t",
        )


wrong_5 = {
    "upside down": lambda a, b, t: math.sqrt(1 - b**t) / (1 - a**t),
    "without the root": lambda a, b, t: (1 - a**t) / (1 - b**t),
    "v alone": lambda a, b, t: 1 - a**t,
    "s alone": lambda a, b, t: 1 / math.sqrt(1 - b**t),
    "powers forgotten": lambda a, b, t: (1 - a) / math.sqrt(1 - b),
    "steps from 0": lambda a, b, t: (1 - a ** (t - 1)) / math.sqrt(1 - b ** (t - 1) + 1e-12),
    "betas exchanged": lambda a, b, t: (1 - b**t) / math.sqrt(1 - a**t),
    "a step late": lambda a, b, t: (1 - a ** (t + 1)) / math.sqrt(1 - b ** (t + 1)),
    "Adam's own betas": lambda a, b, t: (1 - 0.9**t) / math.sqrt(1 - 0.999**t),
    "times for to the power of": lambda a, b, t: (1 - a * t) / math.sqrt(abs(1 - b * t)),
    "what is left": lambda a, b, t: a**t / math.sqrt(b**t),
    "the two numbers asked for": lambda a, b, t: (3.16, 6.53),
}


def by_running_it(beta1, beta2, t):
    v = s = 0.0
    for _ in range(t):
        v, s = beta1 * v + (1 - beta1) * 2.0, beta2 * s + (1 - beta2) * 4.0
    return v / math.sqrt(s)


right_5 = {
    "to the power of -1/2": lambda a, b, t: np.float64(1 - a**t) * (1 - b**t) ** -0.5,
    "by running it": by_running_it,
    "torch": lambda a, b, t: (
        (1 - torch.tensor(a) ** t) / (1 - torch.tensor(b).double() ** t).sqrt()
    ),
}


# --- 6: decay inside ---------------------------------------------------------------------------


def exercise_6(adam_with_l2):
    for rate, decay in ((0.1, 0.5), (0.02, 3.0)):
        yield Case(
            f"12 steps, rate {rate}, decay {decay}",
            lambda rate=rate, decay=decay: path_of(adam_with_l2, rate=rate, decay=decay),
            path_of_torch(torch.optim.Adam, lr=rate, weight_decay=decay),
            "the gradient of decay/2 x^2 is decay x; it goes through both means",
        )


def adam(x, g, memory, *, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    t = memory["t"] = memory.get("t", 0) + 1
    v = memory["v"] = beta1 * memory.get("v", 0) + (1 - beta1) * g
    s = memory["s"] = beta2 * memory.get("s", 0) + (1 - beta2) * g**2
    return x - rate * (v / (1 - beta1**t)) / ((s / (1 - beta2**t)).sqrt() + eps)


def not_in_s(x, g, memory, *, rate, decay):
    t = memory["t"] = memory.get("t", 0) + 1
    v = memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * (g + decay * x)
    s = memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * g**2
    return x - rate * (v / (1 - 0.9**t)) / ((s / (1 - 0.999**t)).sqrt() + 1e-8)


def not_corrected(x, g, memory, *, rate, decay):
    g = g + decay * x
    v = memory["v"] = 0.9 * memory.get("v", 0) + 0.1 * g
    s = memory["s"] = 0.999 * memory.get("s", 0) + 0.001 * g**2
    return x - rate * v / (s.sqrt() + 1e-8)


def in_the_gradient_itself(x, g, memory, *, rate, decay):
    g += decay * x
    return adam(x, g, memory, rate=rate)


wrong_6 = {
    "the penalty, not its gradient": lambda x, g, memory, *, rate, decay: adam(
        x, g + decay / 2 * x**2, memory, rate=rate
    ),
    "forgets": lambda x, g, memory, *, rate, decay: adam(x, g + decay * x, {}, rate=rate),
    "AdamW's 0.01": lambda x, g, memory, *, rate, decay: adam(x, g + 0.01 * x, memory, rate=rate),
    "shrinks first": lambda x, g, memory, *, rate, decay: adam(
        x - rate * decay * x, g, memory, rate=rate
    ),
    "not in s": not_in_s,
    "not corrected": not_corrected,
    "in the gradient itself": in_the_gradient_itself,
    "AdamW": lambda x, g, memory, *, rate, decay: adam(x, g, memory, rate=rate) - rate * decay * x,
    "no decay": lambda x, g, memory, *, rate, decay: adam(x, g, memory, rate=rate),
    "twice": lambda x, g, memory, *, rate, decay: adam(x, g + 2 * decay * x, memory, rate=rate),
    "subtracted": lambda x, g, memory, *, rate, decay: adam(x, g - decay * x, memory, rate=rate),
    "not times x": lambda x, g, memory, *, rate, decay: adam(x, g + decay, memory, rate=rate),
    "times the rate": lambda x, g, memory, *, rate, decay: adam(
        x, g + rate * decay * x, memory, rate=rate
    ),
    "L1": lambda x, g, memory, *, rate, decay: adam(x, g + decay * x.sign(), memory, rate=rate),
    "the gradient shrunk": lambda x, g, memory, *, rate, decay: adam(
        x, (1 + decay) * g, memory, rate=rate
    ),
}


def in_other_words(x, g, memory, *, rate, decay):
    whole = torch.add(g, x, alpha=decay)
    memory.setdefault("n", 0)
    memory["n"] += 1
    for name, beta, term in (("m", 0.9, whole), ("q", 0.999, whole.square())):
        memory[name] = torch.lerp(term, memory.get(name, torch.zeros_like(x)), beta)
    m, q = memory["m"] / (1 - 0.9 ** memory["n"]), memory["q"] / (1 - 0.999 ** memory["n"])
    return x - rate * m / (q.sqrt() + 1e-8)


def torch_itself(x, g, memory, *, rate, decay):
    if not memory:
        weights = memory["x"] = nn.Parameter(x.clone())
        memory["adam"] = torch.optim.Adam([weights], lr=rate, weight_decay=decay)
    memory["x"].data, memory["x"].grad = x.clone(), g
    memory["adam"].step()
    return memory["x"].detach().clone()


right_6 = {"without adam": in_other_words, "torch": torch_itself}


# --- 7: warm-up and cosine ---------------------------------------------------------------------


def exercise_7(cosine_rate):
    for step in (0, 3, 4, 5, 12, 19):
        yield Case(
            f"step {step} of 20, warm-up 4, from 0.8 to 0.1",
            lambda step=step: cosine_rate(step, warm_up=4, total=20, top=0.8, low=0.1),
            cosine(step, 4, 20, 0.8, 0.1),
            "(step + 1) / warm_up first; then z = (step - warm_up) / (total - warm_up)",
        )
    for step, hint in (
        (0, "the cosine begins at the top, and nothing may be divided by 0"),
        (3, "z = step / total, if there is no warm-up"),
    ):
        yield Case(
            f"step {step} of 10, no warm-up, from 3 to 0",
            lambda step=step: cosine_rate(step, warm_up=0, total=10, top=3.0, low=0.0),
            cosine(step, 0, 10, 3.0, 0.0),
            hint,
        )


def cosine(step, warm_up, total, top, low):
    if step < warm_up:
        return top * (step + 1) / warm_up
    z = (step - warm_up) / (total - warm_up)
    return low + (top - low) * (1 + math.cos(math.pi * z)) / 2


def from_zero(step, *, warm_up, total, top, low):
    return top * step / warm_up if step < warm_up else cosine(step, warm_up, total, top, low)


def over_the_whole(step, *, warm_up, total, top, low):
    if step < warm_up:
        return top * (step + 1) / warm_up
    return low + (top - low) * (1 + math.cos(math.pi * step / total)) / 2


def from_the_low(step, *, warm_up, total, top, low):
    if step < warm_up:
        return low + (top - low) * (step + 1) / warm_up
    return cosine(step, warm_up, total, top, low)


def with_z(z_of):
    """The schedule with another way of counting the second part; z_of(step, warm_up, total)"""

    def cosine_rate(step, *, warm_up, total, top, low):
        if step < warm_up:
            return top * (step + 1) / warm_up
        return low + (top - low) * (1 + math.cos(math.pi * z_of(step, warm_up, total))) / 2

    return cosine_rate


def one_step_longer(step, *, warm_up, total, top, low):
    if step <= warm_up:
        return top * (step + 1) / max(warm_up, 1)
    return cosine(step, warm_up, total, top, low)


def a_quarter(step, *, warm_up, total, top, low):
    if step < warm_up:
        return top * (step + 1) / warm_up
    return low + (top - low) * math.cos(math.pi / 2 * (step - warm_up) / (total - warm_up))


def divided_by_no_warm_up(step, *, warm_up, total, top, low):
    rise, z = min(1, (step + 1) / warm_up), max(0, (step - warm_up) / (total - warm_up))
    return rise * (low + (top - low) * (1 + math.cos(math.pi * z)) / 2)


wrong_7 = {
    "warm-up one step longer": one_step_longer,
    "low at the last step": with_z(lambda s, w, total: (s - w) / (total - 1 - w)),
    "over the whole length": with_z(lambda s, w, total: (s - w) / total),
    "one step ahead": with_z(lambda s, w, total: (s + 1 - w) / (total - w)),
    "always 20 steps": with_z(lambda s, w, total: (s - w) / (20 - w)),
    "in degrees": with_z(lambda s, w, total: 180 / math.pi * (s - w) / (total - w)),
    "a quarter of a cosine": a_quarter,
    "cut at low": lambda step, *, warm_up, total, top, low: max(
        low, cosine(step, warm_up, total, top, 0.0)
    ),
    "a share of the top": lambda step, *, warm_up, total, top, low: cosine(
        step, warm_up, total, 1.0, 0.0
    ),
    "divides by no warm-up": divided_by_no_warm_up,
    "the first step is 0": from_zero,
    "the cosine over the whole run": over_the_whole,
    "warm-up from low": from_the_low,
    "to 0": lambda step, *, warm_up, total, top, low: cosine(step, warm_up, total, top, 0.0),
    "a line": lambda step, *, warm_up, total, top, low: (
        top * (step + 1) / warm_up
        if step < warm_up
        else top - (top - low) * (step - warm_up) / (total - warm_up)
    ),
    "no warm-up": lambda step, *, warm_up, total, top, low: cosine(step, 0, total, top, low),
    "a whole cosine": lambda step, *, warm_up, total, top, low: (
        top * (step + 1) / warm_up
        if step < warm_up
        else low
        + (top - low) * (1 + math.cos(2 * math.pi * (step - warm_up) / (total - warm_up))) / 2
    ),
}
right_7 = {
    "a squared sine, where": lambda step, *, warm_up, total, top, low: np.where(
        step < warm_up,
        top * (step + 1) / max(warm_up, 1),
        top - (top - low) * np.sin(np.pi / 2 * (step - warm_up) / (total - warm_up)) ** 2,
    ),
    "a squared cosine": lambda step, *, warm_up, total, top, low: (
        top * (step + 1) / warm_up
        if step < warm_up
        else low + (top - low) * np.cos(np.pi / 2 * (step - warm_up) / (total - warm_up)) ** 2
    ),
}


# --- 8: accumulation ---------------------------------------------------------------------------


def exercise_8(accumulate):
    for sizes, shape in (([3, 10, 1], (2, 4)), ([7, 7], (5,)), ([100, 1], (3,))):
        parts = [(drawn(*shape, seed=i), n) for i, n in enumerate(sizes)]
        wanted = sum(g * n for g, n in parts) / sum(sizes)
        yield Case(
            f"batches of {sizes} words",
            lambda parts=parts: unchanged(accumulate, parts),
            wanted,
            "each mean times its words, summed, divided by all words",
        )


def into_the_first(parts):
    (total, words), *others = parts
    total *= words
    for g, n in others:
        total += g * n
    return total / sum(n for _, n in parts)


def counts_the_first_alone(parts):
    (mean, words), *others = parts
    for g, n in others:
        mean = (mean * words + g * n) / (words + n)
    return mean


wrong_8 = {
    "into the first": into_the_first,
    "a running mean that counts the first alone": counts_the_first_alone,
    "softmax of the words": lambda parts: sum(
        w * g
        for (g, _), w in zip(
            parts, torch.tensor([float(n) for _, n in parts]).softmax(0), strict=True
        )
    ),
    "one number": lambda parts: sum((g * n).sum() for g, n in parts) / sum(n for _, n in parts),
    "mean of the means": lambda parts: sum(g for g, _ in parts) / len(parts),
    "a sum": lambda parts: sum(g * n for g, n in parts),
    "sum of the means": lambda parts: sum(g for g, _ in parts),
    "sums by batches": lambda parts: sum(g * n for g, n in parts) / len(parts),
    "divided twice": lambda parts: sum(g / n for g, n in parts) / sum(1 / n for _, n in parts),
    "means by words": lambda parts: sum(g for g, _ in parts) / sum(n for _, n in parts),
    "the last": lambda parts: parts[-1][0],
}


def stacked(parts):
    g, n = torch.stack([g for g, _ in parts]), torch.tensor([float(n) for _, n in parts])
    return torch.einsum("b,b...->...", (n / n.sum()).double(), g)


def running(parts):
    mean, seen = torch.zeros_like(parts[0][0]), 0
    for g, n in parts:
        seen += n
        mean = mean + (g - mean) * n / seen
    return mean


right_8 = {
    "einsum": stacked,
    "a running mean": running,
    "shares first": lambda parts: sum(g * (n / sum(m for _, m in parts)) for g, n in parts),
}


# --- 9: clipping -------------------------------------------------------------------------------


def exercise_9(clip_all):
    for most, scale in ((1.0, 1.0), (2.0, 5.0), (1.0, 0.01), (3.0, 0.0)):
        gradients = [scale * drawn(2, 3, seed=1), 10 * scale * drawn(4, seed=2)]
        wanted = clipped(gradients, most)
        yield Case(
            f"a matrix and a vector of scale {scale}, bound {most}",
            lambda gradients=gradients, most=most: tuple(unchanged(clip_all, gradients, most)),
            tuple(wanted),
            "one factor for all: the bound over the norm of everything, at most 1",
        )


def clipped(gradients, most):
    norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
    return [g * (min(1.0, most / norm) if norm else 1.0) for g in gradients]


def norm_of(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def clipped_in_place(gradients, most):
    for g in gradients:
        g.mul_(min(1.0, most / (norm_of(gradients).item() + 1e-12)))
    return gradients


def clipped_where_they_are(gradients, most):
    factor = min(1.0, most / (norm_of(gradients).item() + 1e-12))
    for g in gradients:
        g *= factor
    return gradients


wrong_9 = {
    "in place": clipped_where_they_are,
    "in place, and measured anew": clipped_in_place,
    "the longest": lambda gradients, most: [
        g * min(1.0, most / (max(h.norm().item() for h in gradients) + 1e-12)) for g in gradients
    ],
    "to length 1": lambda gradients, most: [
        g / norm_of(gradients) if norm_of(gradients) > most else g for g in gradients
    ],
    "lengthened alone": lambda gradients, most: [
        g if norm_of(gradients) > most else g * most / (norm_of(gradients) + 1e-12)
        for g in gradients
    ],
    "one long vector": lambda gradients, most: torch.cat(
        [g.flatten() for g in clipped(gradients, most)]
    ),
    "taken away": lambda gradients, most: [
        g - (norm_of(gradients) - most).clamp(min=0) for g in gradients
    ],
    "the other way round": lambda gradients, most: clipped(gradients, most)[::-1],
    "each by itself": lambda gradients, most: [clipped([g], most)[0] for g in gradients],
    "by value": lambda gradients, most: [g.clamp(-most, most) for g in gradients],
    "always to the bound": lambda gradients, most: [
        g * most / math.sqrt(sum(h.square().sum().item() for h in gradients) + 1e-12)
        for g in gradients
    ],
    "sum of the norms": lambda gradients, most: [
        g * min(1.0, most / (sum(h.norm().item() for h in gradients) + 1e-12)) for g in gradients
    ],
    "the largest entry": lambda gradients, most: [
        g * min(1.0, most / (max(h.abs().max().item() for h in gradients) + 1e-12))
        for g in gradients
    ],
    "without the root": lambda gradients, most: [
        g * min(1.0, most / (sum(h.square().sum().item() for h in gradients) + 1e-12))
        for g in gradients
    ],
    "nothing": lambda gradients, most: list(gradients),
}


def by_torch(gradients, most):
    weights = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for weight, g in zip(weights, gradients, strict=True):
        weight.grad = g.clone()
    nn.utils.clip_grad_norm_(weights, most)
    return [weight.grad for weight in weights]


right_9 = {
    "torch": by_torch,
    "divided": lambda gradients, most: [
        g / (norm_of(gradients) / most).clamp(min=1) for g in gradients
    ],
    "as they are, if short": lambda gradients, most: (
        gradients
        if norm_of(gradients) <= most
        else tuple(g / norm_of(gradients) * most for g in gradients)
    ),
}


# --- 10: with replacement ----------------------------------------------------------------------


def exercise_10(share_seen):
    for n in (1, 2, 10, 1000):
        yield Case(
            f"{n} example{'s' * (n > 1)}",
            lambda n=n: share_seen(n),
            1 - (1 - 1 / n) ** n,
            "a share from 0 to 1; one given example is missed with chance (1 - 1/n) ** n",
        )


wrong_10 = {
    "missed": lambda n: (1 - 1 / n) ** n,
    "the limit": lambda n: 1 - math.exp(-1),
    "all": lambda n: 1.0,
    "one draw fewer": lambda n: 1 - (1 - 1 / n) ** (n - 1),
    "a half": lambda n: 1 - 0.5 ** (1 / n),
    "a number of examples": lambda n: n * (1 - (1 - 1 / n) ** n),
    "per cent": lambda n: 100 * (1 - (1 - 1 / n) ** n),
    "missed by all": lambda n: 1 - 1 / n**n,
    "whole numbers divided": lambda n: 1 - (1 - 1 // n) ** n,
    "two digits of the limit": lambda n: 0.632,
    "one epoch drawn": lambda n: len({*np.random.default_rng(0).integers(n, size=n)}) / n,
}
right_10 = {
    "a fraction": lambda n: Fraction(n**n - (n - 1) ** n, n**n),
    "torch": lambda n: 1 - (1 - torch.tensor(1 / n, dtype=torch.float64)) ** n,
    "expm1": lambda n: -math.expm1(n * math.log1p(-1 / n)) if n > 1 else 1.0,
    "step by step": lambda n: sum((1 - 1 / n) ** k / n for k in range(n)),
}


# --- 11: slips ---------------------------------------------------------------------------------

SLIPS = {
    "A": "zero_grad too late",
    "B": "zero warm-up",
    "C": "schedule first",
    "D": "mean of means",
    "E": "L2 in Adam",
}


def exercise_11(slip_of):
    hints = {
        "A": "which call makes a step do nothing?",
        "B": "which rate has the first step?",
        "C": "what does torch warn of?",
        "D": "which batches count too much?",
        "E": "by what is the decay divided?",
    }
    for loop, slip in SLIPS.items():
        yield Case(
            f"loop {loop}",
            lambda loop=loop: slip_in(slip_of, loop),
            slip,
            hints[loop],
        )


def slip_in(answer, loop):
    if answer is ... or answer is None:
        return answer
    if not isinstance(answer, dict) or not {str(key).strip().upper() for key in answer} & {*SLIPS}:
        raise TypeError('a dictionary is wanted, {"A": one of the five slips, "B": ...}')
    by_letter = {str(key).strip().upper(): slip for key, slip in answer.items()}
    return by_letter.get(loop, "no slip for this loop")


wrong_11 = {
    "a list": [*SLIPS.values()],
    "slips for keys": {slip: loop for loop, slip in SLIPS.items()},
    "D is A": SLIPS | {"D": SLIPS["A"]},
    "A is C": SLIPS | {"A": SLIPS["C"]},
    "another name": SLIPS | {"E": "AdamW"},
    "A and B exchanged": SLIPS | {"A": SLIPS["B"], "B": SLIPS["A"]},
    "B and C exchanged": SLIPS | {"B": SLIPS["C"], "C": SLIPS["B"]},
    "one for all": dict.fromkeys(SLIPS, "zero_grad too late"),
    "D and E exchanged": SLIPS | {"D": SLIPS["E"], "E": SLIPS["D"]},
    "one is missing": {k: v for k, v in SLIPS.items() if k != "E"},
}
right_11 = {
    "capitals and spaces": {k: f" {v.upper()} " for k, v in SLIPS.items()},
    "small letters, from the last to the first": {k.lower(): SLIPS[k] for k in "EDCBA"},
}
