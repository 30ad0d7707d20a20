"""Distances of patches to their nearest neighbours in a bank: by brute force, and the same with fewer products."""

import numpy as np
import torch

CHUNK = 512  # patches compared at a time: 512 × 5,000 products take 10 MB
LARGE = 1000  # rows from which on a projection pays
VARIANCE_KEPT = 0.98  # by the projection, of the bank's rows: 64 of 160 numbers in a fine bank
COMPARED = 8  # rows with the smallest bounds that are compared exactly
GROUPED = 8  # rows of which first only the smallest bound is looked at


def nearest_distances(patches, bank):
    """Computes the Euclidean distance of each patch [N, P, D] to its nearest neighbour in the bank [K, D]: [N, P].

    For a patch a the row b with the largest a·b − |b|²/2 is nearest. The distance itself is that of the difference,
    because |a|² − 2 a·b + |b|² loses its digits where both are nearly equal.
    """
    half_squares, distances = torch.linalg.vector_norm(bank, dim=1) ** 2 / 2, []  # [K]
    for start in range(0, patches.shape[1], CHUNK):
        chunk = patches[:, start : start + CHUNK]  # [N, CHUNK, D]
        products = torch.addmm(-half_squares, chunk.flatten(0, 1), bank.T)  # [N·CHUNK, K]
        nearest = products.max(dim=1).indices.unflatten(0, (-1, chunk.shape[1]))  # [N, CHUNK]; faster than argmax
        distances.append((chunk - bank[nearest]).square().sum(dim=2).sqrt())  # [N, CHUNK]
    return torch.cat(distances, dim=1)


def nearest_by_projection(patches, bank):
    """Computes the same as `nearest_distances` with fewer products, when the bank is large.

    Patches and rows are rotated to the directions in which the bank varies most; only these numbers are kept, and the
    length of the rest as one more. Their distances are lower bounds. The 8 rows with the smallest bounds are compared
    exactly, and all rows for the few patches where the ninth bound is below the distance found.
    """
    if len(bank) < LARGE:
        return nearest_distances(patches, bank)
    variances, directions = np.linalg.eigh(np.cov(bank.double().numpy(), rowvar=False))  # ascending
    kept = np.searchsorted(np.cumsum(variances[::-1]), VARIANCE_KEPT * variances.sum()) + 1
    directions = torch.from_numpy(directions[:, ::-1][:, :kept].copy()).float()  # [D, d]
    centre = bank.mean(dim=0)  # [D]

    def project(vectors):
        short = (vectors - centre) @ directions  # [M, d]
        rest = (vectors - centre).square().sum(dim=1) - short.square().sum(dim=1)  # [M]
        return torch.cat([short, rest.clamp_min(0).sqrt()[:, None]], dim=1)  # [M, d + 1]

    rows = project(bank)  # [K, d + 1]
    rows = torch.cat([rows, rows[: -len(bank) % GROUPED]])  # [K', d + 1], the first ones again until 8 divides K'
    half_squares, groups, distances = rows.square().sum(dim=1) / 2, -(-len(bank) // GROUPED), []
    for start in range(0, patches.shape[1], CHUNK):
        part = patches[:, start : start + CHUNK]  # [N, CHUNK, D]
        chunk, short = part.flatten(0, 1), project(part.flatten(0, 1))  # [M, D], [M, d + 1]
        products = torch.addmm(-half_squares, short, rows.T)  # [M, K'], the larger the smaller the bound
        best = products.unflatten(1, (GROUPED, groups)).amax(dim=1).topk(COMPARED + 1).indices  # [M, 9] of the groups
        members = (best[:, :, None] + groups * torch.arange(GROUPED)).flatten(1)  # [M, 72], all rows of these groups
        best = products.gather(1, members).topk(COMPARED + 1)  # [M, 9]
        members = members.gather(1, best.indices[:, :COMPARED]) % len(bank)  # [M, 8]
        squares = (chunk[:, None] - bank[members]).square().sum(dim=2).amin(dim=1)  # [M]
        length = short.square().sum(dim=1)  # [M]
        bound = length - 2 * best.values[:, -1] - 1e-5 * length  # less what rounding may add
        unsure = (bound < squares).nonzero()[:, 0]  # [U]
        exact = nearest_distances(chunk[unsure][:, None], bank)[:, 0]  # [U]
        distances.append(squares.sqrt().scatter(0, unsure, exact).unflatten(0, (-1, part.shape[1])))  # [N, CHUNK]
    return torch.cat(distances, dim=1)
