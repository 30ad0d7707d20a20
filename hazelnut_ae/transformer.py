"""DINOv2 small (Oquab et al., TMLR 2024), a vision transformer that learned without labels.

It cuts an image into patches of 14×14 pixels. Each becomes a token of 384 numbers, and each block mixes the tokens.
"""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, PATCH = 384, 6, 14
LEARNED = 37  # patches per side of its training images, for which the positions were learned
ENDS = (4, 6, 8, 10, 12)  # the blocks after which a stage ends


class Block(nn.Module):
    """Attention between the tokens [N, T, 384], then a small network for each; both are added to their input."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=1e-6) for _ in range(2))
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": nn.Parameter(torch.ones(WIDTH))}) for _ in range(2))

    def forward(self, x):
        heads = self.attn["qkv"](self.norm1(x)).unflatten(2, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads.unbind())  # queries, keys and values [N, 6, T, 64] each
        x = x + self.ls1["gamma"] * self.attn["proj"](mixed.transpose(1, 2).flatten(2))  # [N, T, 384]
        return x + self.ls2["gamma"] * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class VisionTransformer(nn.Module):
    """Images float32 [N, 3, S, S] -> tokens for the blocks [N, 1 + h·h, 384], h = S/14 rounded up; names as DINOv2's"""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + LEARNED**2, WIDTH))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)})
        self.blocks = nn.ModuleList(Block() for _ in range(ENDS[-1]))

    def forward(self, x):
        missing = -int(x.shape[3]) % PATCH  # pixels to the next multiple of 14
        x = self.patch_embed["proj"](F.pad(x, (0, missing, 0, missing), mode="replicate"))  # [N, 384, h, h]
        x = x + F.interpolate(as_map(self.pos_embed), size=x.shape[2:], mode="bicubic")
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)  # [N, 1, 384], of the whole image
        return torch.cat([first, x.flatten(2).transpose(1, 2)], dim=1)

    def stages(self):
        blocks, self.blocks = self.blocks, nn.ModuleList()  # so that the first stage holds only its own
        return [nn.Sequential(self, *blocks[: ENDS[0]]), *(nn.Sequential(*blocks[a:b]) for a, b in pairwise(ENDS))]


def as_map(tokens):
    """Tokens [N, 1 + h·h, C] -> those of the patches as a map [N, C, h, h]."""
    side = math.isqrt(int(tokens.shape[1]) - 1)
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))
