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


def by_pixels(W, side, channels):
    """(d_model, rows, columns, channels)"""
    return W.view(len(W), side, side, channels)


wrong_1 = {
    "only reshaped": lambda W, side, channels: W.view(len(W), channels, side, side),
    "rows and columns exchanged": lambda W, side, channels: by_pixels(W, side, channels).permute(
        0, 3, 2, 1
    ),
    "channels last": by_pixels,
    "flipped, as a convolution in mathematics": lambda W, side, channels: (
        by_pixels(W, side, channels).movedim(-1, 1).flip(-1, -2)
    ),
    "always three channels": lambda W, side, channels: by_pixels(W, side, 3).movedim(-1, 1),
    "one filter for all channels": lambda W, side, channels: (
        by_pixels(W, side, channels).mean(dim=-1)[:, None].expand(-1, channels, -1, -1)
    ),
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


def resized(P, new, skip=1, **how):
    side = math.isqrt(len(P) - skip)
    grid = P[skip:].T.reshape(1, -1, side, side)
    grid = F.interpolate(grid, size=(new, new), **{"mode": "bilinear"} | how)
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
    "bicubic": lambda P, new: resized(P, new, mode="bicubic"),
    "corner on corner": lambda P, new: resized(P, new, align_corners=True),
    "smoothed where it shrinks": lambda P, new: resized(P, new, antialias=True),
    "always twice as large": lambda P, new: resized(P, 2 * math.isqrt(len(P) - 1)),
    "[cls] at the end": lambda P, new: resized(P, new).roll(-1, dims=0),
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


def places(side):
    place = torch.arange(side * side)
    return torch.stack([place // side, place % side], dim=1).float()


def along_the_row(weights, side):
    place = torch.arange(side * side)
    return (weights * (place[:, None] - place).abs()).sum(dim=-1).mean(dim=-1)


def to_the_others(weights, side):
    others = weights.masked_fill(torch.eye(side * side).bool(), 0)
    return distances(others / others.sum(dim=-1, keepdim=True), side)


wrong_3 = {
    "numbers of patches": along_the_row,
    "city blocks": lambda weights, side: distances(weights, side, 1.0),
    "squares of distances": lambda weights, side: (
        (weights * torch.cdist(places(side), places(side)).square()).sum(dim=-1).mean(dim=-1)
    ),
    "a mean over keys too": lambda weights, side: distances(weights, side) / side**2,
    "no mean over queries": lambda weights, side: distances(weights, side) * side**2,
    "a mean over heads": lambda weights, side: distances(weights, side).mean(),
    "of the heaviest key": lambda weights, side: distances(
        F.one_hot(weights.argmax(dim=-1), side * side).float(), side
    ),
    "to the mean place": lambda weights, side: (
        (weights @ places(side) - places(side)).norm(dim=-1).mean(dim=-1)
    ),
    "without the patch itself": to_the_others,
    "without the weights": lambda weights, side: distances(
        torch.full_like(weights, 1 / side**2), side
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


def numbered_too_close(side, window):
    place = torch.arange(side * side)
    of = place // side // window * window + place % side // window
    return of[:, None] == of


def spread_out(side, window):
    place = torch.arange(side * side)
    of = place // side % window * side + place % side % window
    return of[:, None] == of


wrong_4 = {
    "near enough": near,
    "blocks of the row of patches": stripes,
    "rows alone": only_rows,
    "sums of both numbers": ambiguous,
    "window numbers that meet": numbered_too_close,
    "every window-th patch": spread_out,
    "as many windows as a side is long": lambda side, window: windows(side, side // window),
    "the opposite": lambda side, window: ~windows(side, window),
    "not itself": lambda side, window: windows(side, window) & ~torch.eye(side**2).bool(),
    "scores": lambda side, window: torch.where(windows(side, window), 0.0, -torch.inf),
}


def windows_with_loops(side, window):
    mask = torch.zeros(side * side, side * side, dtype=torch.bool)
    for i in range(side * side):
        for j in range(side * side):
            rows = i // side // window == j // side // window
            mask[i, j] = rows and i % side // window == j % side // window
    return mask


right_4 = {"loops": windows_with_loops}


# --- 5: from the alignment to the pairs --------------------------------------------------------


def exercise_5(outer_mean):
    all_known = torch.ones(4, 3, dtype=torch.bool)
    gaps = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 0, 0]]).bool()
    never = torch.tensor([[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1]]).bool()
    a, b = drawn(4, 3, 2, seed=5), drawn(4, 3, 2, seed=6)
    for given, known, hint in (
        (
            "4 sequences of 3 residues, no gaps",
            all_known,
            "the mean of products; the number of a comes before that of b",
        ),
        (
            "the same with gaps",
            gaps,
            "for each pair (i, j) the sequences count that have a letter at i and at j",
        ),
        ("two residues that no sequence has both of", never, "0 / 0 is no number: no sequence, 0"),
    ):
        yield Case(
            given,
            lambda a=a, b=b, known=known: outer_mean(a, b, known),
            mean_of_products(a, b, known),
            hint,
        )
    a, b = drawn(2, 5, 3, seed=7), drawn(2, 5, 3, seed=8)
    known = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 1, 0, 1]]).bool()
    yield Case(
        "2 sequences of 5 residues, c = 3",
        lambda: outer_mean(a, b, known),
        mean_of_products(a, b, known),
        "(residues, residues, c * c)",
    )


def blank(x, known):
    """x with zeros in its gaps"""
    return x * known[..., None]


def products(a, b, form="sip,sjq->ijpq"):
    return torch.einsum(form, a, b).flatten(2)


def known_products(a, b, known, form="sip,sjq->ijpq"):
    return products(blank(a, known), blank(b, known), form)


def counts(known):
    w = known.float()
    return (w.mT @ w)[..., None]


def at_least_one(known):
    return counts(known).clamp(min=1)


def mean_of_products(a, b, known):
    return known_products(a, b, known) / at_least_one(known)


def product_of_means(a, b, known):
    x, y = (blank(x, known).sum(0) / known.sum(0).clamp(min=1)[:, None] for x in (a, b))
    return products(x[None], y[None])


def gaps_zeroed_in_place(a, b, known):
    a[~known] = 0
    b[~known] = 0
    return products(a, b) / at_least_one(known)


def whole_sequences(a, b, known):
    full = known.all(1)
    return products(a[full], b[full]) / max(int(full.sum()), 1)


def counted_at_either(a, b, known):
    either = (known[:, :, None] | known[:, None, :]).sum(0).clamp(min=1)
    return known_products(a, b, known) / either[..., None]


wrong_5 = {
    "divided by the number of all sequences": lambda a, b, k: known_products(a, b, k) / len(a),
    "gaps left in the sum, not in the count": lambda a, b, k: (
        products(a, b) / at_least_one(k) * (counts(k) > 0)
    ),
    "division by zero": lambda a, b, k: known_products(a, b, k) / counts(k),
    "one added to every count": lambda a, b, k: known_products(a, b, k) / (counts(k) + 1),
    "counted at i alone": lambda a, b, k: (
        known_products(a, b, k) / k.sum(0).clamp(min=1)[:, None, None]
    ),
    "counted where i or j has a letter": counted_at_either,
    "only the gaps of a masked": lambda a, b, k: products(blank(a, k), b) / at_least_one(k),
    "product of the means": product_of_means,
    "second number first": lambda a, b, k: (
        known_products(a, b, k, "sip,sjq->ijqp") / at_least_one(k)
    ),
    "i and j exchanged": lambda a, b, k: known_products(a, b, k, "sip,sjq->jipq") / at_least_one(k),
    "flattened without moving the axes": lambda a, b, k: (
        known_products(a, b, k, "sip,sjq->ipjq").reshape(a.shape[1], a.shape[1], -1)
        / at_least_one(k)
    ),
    "inputs changed in place": gaps_zeroed_in_place,
    "only sequences without any gap": whole_sequences,
    "only as many sequences as residues": lambda a, b, k: (
        known_products(a, b, k).reshape(len(a), len(a), -1) / at_least_one(k)
    ),
}


def by_loops(a, b, known):
    seqs, size, c = a.shape
    out = torch.zeros(size, size, c * c, dtype=a.dtype)
    for i in range(size):
        for j in range(size):
            rows = [
                torch.outer(a[s, i], b[s, j]).reshape(-1)
                for s in range(seqs)
                if known[s, i] and known[s, j]
            ]
            if rows:
                out[i, j] = torch.stack(rows).mean(0)
    return out


def in_numpy(a, b, known):
    x, y, t = (v.detach().numpy() for v in (a, b, known))
    seqs, size, c = x.shape
    x = np.where(t[..., None], x, 0).reshape(seqs, size * c)
    y = np.where(t[..., None], y, 0).reshape(seqs, size * c)
    z = (x.T @ y).reshape(size, c, size, c).transpose(0, 2, 1, 3).reshape(size, size, c * c)
    n = t.astype(x.dtype).T @ t.astype(x.dtype)
    return torch.from_numpy(z / np.maximum(n, 1)[..., None])


def by_nanmean(a, b, known):
    pair = known[:, :, None] & known[:, None, :]
    x = a[:, :, None, :, None] * b[:, None, :, None, :]
    x = torch.where(pair[..., None, None], x, torch.nan)
    return x.nanmean(0).nan_to_num(0.0).flatten(2)


right_5 = {
    "loops over i and j": by_loops,
    "numpy and one matrix product": in_numpy,
    "all products, mean without the missing": by_nanmean,
}


# --- 6: triangles that cannot be ---------------------------------------------------------------


def exercise_6(violations):
    line = torch.tensor([0.0, 1.0, 3.0, 7.0])
    exact = (line[:, None] - line).abs()
    yield Case("four points on a line", lambda: violations(exact), 0.0, "equality is allowed")
    sevenths = torch.tensor([0, 1, 3, 4, 6]) / 7
    sevenths = (sevenths[:, None] - sevenths).abs()
    yield Case(
        "five points on a line, at sevenths",
        lambda: violations(sevenths),
        0.0,
        "equal up to rounding: only what is more than 1e-6 too long counts",
    )
    apart = exact.clone()
    apart[0, 1] = apart[1, 0] = 5.0
    yield Case(
        "the same, but the first two are 5 apart",
        lambda: violations(apart),
        sum(
            bool(apart[i, j] > apart[i, k] + apart[k, j] + 1e-6)
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


def broken(D, slack=1e-6):
    """(i, k, j), bool"""
    return D[:, None, :] > D[:, :, None] + D[None, :, :] + slack


def share_broken(D, slack=1e-6):
    n = len(D)
    return broken(D, slack).sum().item() / (n * (n - 1) * (n - 2))


def share_in_order(D, where):
    n = len(D)
    kept = [(i, k, j) for i in range(n) for k in range(n) for j in range(n) if where(i, k, j)]
    return sum(broken(D)[place].item() for place in kept) / len(kept)


def equality_counts(D):
    at_least = D[:, None, :] >= D[:, :, None] + D[None, :, :]
    return at_least.sum().item() / (len(D) * (len(D) - 1) * (len(D) - 2))


def pairs_with_any(D):
    return broken(D).any(dim=1).sum().item() / (len(D) * (len(D) - 1))


wrong_6 = {
    "every k": lambda D: broken(D).double().mean().item(),
    "k between i and j": lambda D: share_in_order(D, lambda i, k, j: i < k < j),
    "k after both": lambda D: share_in_order(D, lambda i, k, j: i < j < k),
    "equality counts": equality_counts,
    "no tolerance": lambda D: share_broken(D, slack=0.0),
    "pairs with any": pairs_with_any,
    "triangles, of which one side is too long": lambda D: 3 * share_broken(D),
    "each pair twice over half": lambda D: 2 * share_broken(D),
    "the sum ik + ij": lambda D: (
        (D[:, :, None] > D[:, :, None] + D[:, None, :] + 1e-6).double().mean().item()
    ),
    "a count": lambda D: broken(D).sum().item() / 2,
    "D changed": lambda D: share_broken(D.fill_diagonal_(torch.inf)),
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


def turn(z):
    return z.transpose(1, 2)


wrong_7 = {
    "the starting node": lambda attend, z: attend(z, z),
    "not turned back": lambda attend, z: attend(turn(z), turn(z)),
    "the bias of the start": lambda attend, z: turn(attend(turn(z), z)),
    "only the bias turned": lambda attend, z: attend(z, turn(z)),
    "turned at the end": lambda attend, z: turn(attend(z, z)),
    "both kinds": lambda attend, z: attend(z, z) + turn(attend(turn(z), turn(z))),
    "residues and width exchanged": lambda attend, z: attend(z.mT, z.mT).mT,
    "batch and residues exchanged": lambda attend, z: attend(
        z.transpose(0, 1), z.transpose(0, 1)
    ).transpose(0, 1),
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


def scattered(z, order):
    new = torch.empty_like(z)
    new[order[:, None], order] = z
    return new


def changed(z, order):
    z.copy_(z[order][:, order])
    return z


wrong_8 = {
    "rows alone": lambda z, order: z[order],
    "columns alone": lambda z, order: z[:, order],
    "rows twice": lambda z, order: z[order][order],
    "backwards": scattered,
    "the diagonal": lambda z, order: z[order, order],
    "one axis back": lambda z, order: z[order][:, order.argsort()],
    "i and j exchanged": lambda z, order: z[order][:, order].transpose(0, 1),
    "in place": changed,
}
right_8 = {
    "one index": lambda z, order: z[order[:, None], order],
    "index_select": lambda z, order: z.index_select(0, order).index_select(1, order),
}
