"""Cases of the exercises in 14_beyond_text: what check("14.k", ...) tries."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from d2lmini.learn import Case


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- 1: filters --------------------------------------------------------------------------------


def exercise_1(as_filters):
    for d_model, channels, side in ((5, 3, 2), (4, 1, 3), (2, 2, 4)):
        W = drawn(d_model, side * side * channels, seed=side)
        image = drawn(1, channels, 2 * side, 3 * side, seed=9)
        cut = image.unflatten(3, (3, side)).unflatten(2, (2, side))  # (1, c, 2, p, 3, p)
        patches = cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (1, 6, pixels)

        def same(W=W, channels=channels, side=side, image=image):
            filters = as_filters(W, side, channels)
            return F.conv2d(image, filters, stride=side).flatten(2).mT

        yield Case(
            f"{d_model} filters of {side} x {side} pixels, channels: {channels}",
            same,
            patches @ W.T,
            "a row of W holds pixel after pixel; conv2d wants channels before rows and columns",
        )


wrong_1 = {
    "only reshaped": lambda W, side, channels: W.view(len(W), channels, side, side),
    "rows and columns exchanged": lambda W, side, channels: W.view(
        len(W), side, side, channels
    ).permute(0, 3, 2, 1),
    "channels last": lambda W, side, channels: W.view(len(W), side, side, channels),
    "the filters' axis last": lambda W, side, channels: W.view(
        len(W), side, side, channels
    ).permute(3, 1, 2, 0),
}
right_1 = {
    "movedim": lambda W, side, channels: W.view(len(W), side, side, channels).movedim(-1, 1),
    "einsum": lambda W, side, channels: torch.einsum(
        "dyxc->dcyx", W.reshape(len(W), side, side, channels)
    ),
}


# --- 2: another size ---------------------------------------------------------------------------


def exercise_2(resize_positions):
    for old, new, d in ((2, 4, 3), (4, 6, 5), (3, 2, 2)):
        P = drawn(1 + old * old, d, seed=new)
        yield Case(
            f"from {old} x {old} to {new} x {new} patches, width {d}",
            lambda P=P, new=new: resize_positions(P, new),
            resized(P, new),
            "row 0 is [cls] and stays; the rest is an image of d channels",
        )
    P = drawn(10, 4, seed=3)
    yield Case(
        "from 3 x 3 to 3 x 3: nothing changes", lambda: resize_positions(P, 3), P, "the same grid"
    )


def resized(P, new, mode="bilinear", skip=1):
    side = math.isqrt(len(P) - skip)
    grid = P[skip:].T.reshape(1, -1, side, side)
    grid = F.interpolate(grid, size=(new, new), mode=mode)
    return torch.cat([P[:skip], grid.flatten(2)[0].T])


def flat_line(P, new):
    line = F.interpolate(P[1:].T[None], size=new * new, mode="linear")[0].T
    return torch.cat([P[:1], line])


def axes_mixed(P, new):
    side = math.isqrt(len(P) - 1)
    grid = P[1:].reshape(1, -1, side, side)
    grid = F.interpolate(grid, size=(new, new), mode="bilinear")
    return torch.cat([P[:1], grid.reshape(new * new, -1)])


def turned(P, new):
    grid = resized(P, new)[1:].unflatten(0, (new, new)).transpose(0, 1)
    return torch.cat([P[:1], grid.flatten(0, 1)])


wrong_2 = {
    "as one line": flat_line,
    "nearest": lambda P, new: resized(P, new, mode="nearest"),
    "[cls] lost": lambda P, new: resized(P, new)[1:],
    "reshaped without transposing": axes_mixed,
    "rows for columns": turned,
    "repeated": lambda P, new: P[torch.arange(1 + new * new) % len(P)],
}
right_2 = {
    "reshape and permute": lambda P, new: torch.cat(
        [
            P[:1],
            F.interpolate(
                P[1:].view(1, math.isqrt(len(P) - 1), -1, P.shape[1]).permute(0, 3, 1, 2),
                size=new,
                mode="bilinear",
                align_corners=False,
            )
            .permute(0, 2, 3, 1)
            .reshape(new * new, -1),
        ]
    ),
}


# --- 3: how far a head looks -------------------------------------------------------------------


def exercise_3(attention_distance):
    eye = torch.eye(9)
    yield Case(
        "each patch looks at itself",
        lambda: attention_distance(eye[None], 3),
        torch.zeros(1),
        "no distance",
    )
    uniform = torch.full((1, 4, 4), 0.25)
    yield Case(
        "2 x 2 patches, even weights",
        lambda: attention_distance(uniform, 2),
        torch.tensor([(0 + 1 + 1 + 2**0.5) / 4]),
        "distances in the image: 0, 1, 1 and the diagonal",
    )
    weights = drawn(3, 16, 16, seed=4).softmax(dim=-1)
    yield Case(
        "three heads on 4 x 4 patches",
        lambda: attention_distance(weights, 4),
        distances(weights, 4),
        "weigh each distance with its weight, then take the mean over queries",
    )


def distances(weights, side, metric=2.0):
    place = torch.arange(side * side)
    at = torch.stack([place // side, place % side], dim=1).float()
    return (weights * torch.cdist(at, at, p=metric)).sum(dim=-1).mean(dim=-1)


def along_the_row(weights, side):
    place = torch.arange(side * side)
    return (weights * (place[:, None] - place).abs()).sum(dim=-1).mean(dim=-1)


wrong_3 = {
    "numbers of patches": along_the_row,
    "city blocks": lambda weights, side: distances(weights, side, 1.0),
    "the larger of both": lambda weights, side: distances(weights, side, torch.inf),
    "a mean over heads": lambda weights, side: distances(weights, side).mean(),
    "by query": lambda weights, side: distances(weights, side) * side * side,
    "of the heaviest key": lambda weights, side: distances(
        F.one_hot(weights.argmax(dim=-1), side * side).float(), side
    ),
}


def distances_with_loops(weights, side):
    found = torch.zeros(len(weights))
    for head, table in enumerate(weights):
        for i, row in enumerate(table):
            for j, w in enumerate(row):
                gap = math.hypot(i // side - j // side, i % side - j % side)
                found[head] += w * gap / len(table)
    return found


right_3 = {"loops": distances_with_loops}


# --- 4: windows --------------------------------------------------------------------------------


def exercise_4(window_mask):
    for side, window in ((4, 2), (6, 3), (6, 2), (3, 3)):
        yield Case(
            f"{side} x {side} patches, windows of {window} x {window}",
            lambda side=side, window=window: window_mask(side, window),
            windows(side, window),
            "patch i stands in row i // side and column i % side; both must share a window",
        )


def windows(side, window):
    place = torch.arange(side * side)
    of = place // side // window * side + place % side // window
    return of[:, None] == of


def near(side, window):
    place = torch.arange(side * side)
    row, column = place // side, place % side
    rows, columns = (row[:, None] - row).abs(), (column[:, None] - column).abs()
    return (rows < window) & (columns < window)


def stripes(side, window):
    place = torch.arange(side * side)
    return place[:, None] // (window * window) == place // (window * window)


def only_rows(side, window):
    of = torch.arange(side * side) // side // window
    return of[:, None] == of


def ambiguous(side, window):
    place = torch.arange(side * side)
    of = place // side // window + place % side // window
    return of[:, None] == of


wrong_4 = {
    "near enough": near,
    "blocks of the row of patches": stripes,
    "rows alone": only_rows,
    "sums of both numbers": ambiguous,
    "the opposite": lambda side, window: ~windows(side, window),
    "0 and 1": lambda side, window: windows(side, window).float(),
}


def windows_with_loops(side, window):
    mask = torch.zeros(side * side, side * side, dtype=torch.bool)
    for i in range(side * side):
        for j in range(side * side):
            rows = i // side // window == j // side // window
            mask[i, j] = rows and i % side // window == j % side // window
    return mask


right_4 = {"loops": windows_with_loops}


# --- 5: the same test images -------------------------------------------------------------------


def exercise_5(disagreement):
    first = torch.tensor([1, 1, 1, 0, 1, 0, 1, 1, 1, 1]).bool()
    second = torch.tensor([1, 0, 0, 1, 1, 0, 1, 0, 0, 0]).bool()
    yield Case(
        "10 images, of which 5 are right in the first alone, 1 in the second alone",
        lambda: disagreement(first, second),
        4 / 6**0.5,
        "(b - c) / sqrt(b + c); images where both agree do not count",
    )
    yield Case(
        "the other way round",
        lambda: disagreement(second, first),
        -4 / 6**0.5,
        "the sign says which is better",
    )
    yield Case(
        "no disagreement", lambda: disagreement(first, first), 0.0, "without a difference: 0"
    )


def z_of(first, second):
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    return (b - c) / math.sqrt(b + c) if b + c else 0.0


def two_samples(first, second):
    p, q, n = first.double().mean(), second.double().mean(), len(first)
    return ((p - q) / ((p * (1 - p) + q * (1 - q)) / n).sqrt()).item()


wrong_5 = {
    "two independent samples": two_samples,
    "not divided": lambda a, b: int(a.sum() - b.sum()),
    "by all images": lambda a, b: int(a.sum() - b.sum()) / len(a) ** 0.5,
    "without the root": lambda a, b: z_of(a, b) / max(int((a ^ b).sum()), 1) ** 0.5,
    "without a sign": lambda a, b: abs(z_of(a, b)),
    "0 / 0": lambda a, b: (int(a.sum()) - int(b.sum())) / float((a ^ b).sum()) ** 0.5,
}
right_5 = {
    "numpy": lambda a, b: (
        np.float64(int(a.sum()) - int(b.sum())) / np.sqrt(max(int((a ^ b).sum()), 1))
    ),
    "a tensor": lambda a, b: torch.tensor(z_of(a, b)),
}


# --- 6: triangles that cannot be ---------------------------------------------------------------


def exercise_6(violations):
    line = torch.tensor([0.0, 1.0, 3.0, 7.0])
    exact = (line[:, None] - line).abs()
    yield Case("four points on a line", lambda: violations(exact), 0.0, "equality is allowed")
    broken = exact.clone()
    broken[0, 1] = broken[1, 0] = 5.0
    yield Case(
        "the same, but the first two are 5 apart",
        lambda: violations(broken),
        sum(
            bool(broken[i, j] > broken[i, k] + broken[k, j] + 1e-6)
            for i in range(4)
            for j in range(i)
            for k in range(4)
            if k not in (i, j)
        )
        / 12,
        "each pair i < j has n - 2 other points k",
    )
    noisy = drawn(7, 7, seed=1).abs()
    noisy = (noisy + noisy.T).fill_diagonal_(0)
    yield Case(
        "seven points, distances by lot",
        lambda: violations(noisy),
        share_broken(noisy),
        "k is neither i nor j; divide by the number of (pair, k)",
    )


def share_broken(D, slack=1e-6, ends=False, orders=True):
    n = len(D)
    sums = D[:, :, None] + D[None, :, :]  # (i, k, j)
    bad = D[:, None, :] > sums + slack
    count = bad.sum().item() if orders else bad.sum().item() / 2
    return count / (n**3 if ends else n * (n - 1) * (n - 2))


wrong_6 = {
    "every k": lambda D: share_broken(D, ends=True),
    "equality counts": lambda D: (
        (D[:, None, :] >= D[:, :, None] + D[None, :, :]).sum().item()
        / (len(D) * (len(D) - 1) * (len(D) - 2))
    ),
    "pairs with any": lambda D: (
        (D[:, None, :] > D[:, :, None] + D[None, :, :] + 1e-6)
        .any(dim=1)[tuple(torch.triu_indices(len(D), len(D), 1))]
        .double()
        .mean()
        .item()
    ),
    "half of them": lambda D: share_broken(D, orders=False),
    "a count": lambda D: share_broken(D) * len(D) * (len(D) - 1) * (len(D) - 2) / 2,
}


def broken_with_loops(D):
    n, bad, total = len(D), 0, 0
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(n):
                if k != i and k != j:
                    total += 1
                    bad += bool(D[i, j] > D[i, k] + D[k, j] + 1e-6)
    return bad / total


right_6 = {"loops": broken_with_loops}


# --- 7: the ending node ------------------------------------------------------------------------


def rows_of(W):
    """A row attention with one head that gives its inputs as queries, keys and values."""

    def attend(x, pairs):
        scores = x @ (x @ W).mT + (pairs @ W[0])[:, None]  # (batch, rows, columns, columns)
        return scores.softmax(dim=-1) @ x

    return attend


def exercise_7(around_the_end):
    for seed, n, d in ((0, 4, 3), (1, 5, 2)):
        attend, z = rows_of(drawn(d, d, seed=seed)), drawn(2, n, n, d, seed=seed + 5)
        yield Case(
            f"{n} residues, width {d}",
            lambda attend=attend, z=z: around_the_end(attend, z),
            attend(z.transpose(1, 2), z.transpose(1, 2)).transpose(1, 2),
            "edge ij looks at the edges kj, with a bias from ki: exchange i and j everywhere",
        )


wrong_7 = {
    "the starting node": lambda attend, z: attend(z, z),
    "not turned back": lambda attend, z: attend(z.transpose(1, 2), z.transpose(1, 2)),
    "the bias of the start": lambda attend, z: attend(z.transpose(1, 2), z).transpose(1, 2),
    "only the bias turned": lambda attend, z: attend(z, z.transpose(1, 2)),
    "turned at the end": lambda attend, z: attend(z, z).transpose(1, 2),
}
right_7 = {
    "swapaxes": lambda attend, z: attend(z.swapaxes(1, 2), z.swapaxes(1, 2)).swapaxes(1, 2),
    "permute": lambda attend, z: attend(z.permute(0, 2, 1, 3), z.permute(0, 2, 1, 3)).permute(
        0, 2, 1, 3
    ),
}


# --- 8: other numbers --------------------------------------------------------------------------


def exercise_8(renumbered):
    for n, d, order in ((3, 2, [2, 0, 1]), (4, 3, [3, 1, 0, 2]), (5, 1, [1, 2, 3, 4, 0])):
        z, order = drawn(n, n, d, seed=n), torch.tensor(order)
        yield Case(
            f"{n} residues in the order {order.tolist()}",
            lambda z=z, order=order: renumbered(z, order),
            z[order][:, order],
            "new pair (i, j) is the old pair (order[i], order[j]): both axes change",
        )


wrong_8 = {
    "rows alone": lambda z, order: z[order],
    "columns alone": lambda z, order: z[:, order],
    "backwards": lambda z, order: z[order.argsort()][:, order.argsort()],
    "the diagonal": lambda z, order: z[order, order],
    "one axis back": lambda z, order: z[order][:, order.argsort()],
}
right_8 = {
    "one index": lambda z, order: z[order[:, None], order],
    "index_select": lambda z, order: z.index_select(0, order).index_select(1, order),
}
