"""Order statistics of many short rows, and how much of a batch to work on at once: where HaH blocks spend time."""

import numpy as np
import torch
from torch import Tensor

# NumPy's vectorised partition takes a quarter of the time of torch.topk, but one thread; torch uses all it may.
FEW_THREADS = 4
# Values of a piece: what is needed beside the maps is a few times that, however large the batch.
PIECE = 2**20


def order_statistic(rows: Tensor, rank: int) -> Tensor:
    """Return the `rank`-th smallest value (from 1) of each row of the last axis, without gradient.

    Example:
        >>> order_statistic(torch.tensor([[3.0, 1.0, 2.0], [5.0, 5.0, 4.0]]), 2).tolist()
        [2.0, 5.0]
    """
    rows = rows.detach()
    if rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64):
        if torch.get_num_threads() <= FEW_THREADS:
            return torch.from_numpy(np.partition(rows.numpy(), rank - 1, axis=-1)[..., rank - 1].copy())
        return rows.kthvalue(rank, dim=-1).values
    # On CUDA torch.kthvalue is slower than a full sort of long rows.
    return rows.topk(rows.shape[-1] - rank + 1, dim=-1, sorted=False).values.amin(-1)


def piece_length(batch: Tensor) -> int:
    """Return how many images of a batch to work on at once; all of them on a GPU and where threads share the work."""
    if batch.device.type != "cpu" or torch.get_num_threads() > FEW_THREADS:
        return len(batch)
    return max(1, PIECE // max(1, batch[:1].numel()))
