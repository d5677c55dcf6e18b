"""How well a model's next tokens agree with given ones.

Whether the likeliest token is the given one, and its surprisal −ln p in nats, which still tells near misses from far
ones. Cost: one unembedding a row.
"""

from collections.abc import Sequence

import torch

from reportgen.model.network.loaded import LoadedModel, select_likeliest
from reportgen.numerics.distributions import log_softmax


@torch.inference_mode()
def next_tokens(model: LoadedModel, normed: torch.Tensor) -> list[int]:
    """(row) the likeliest token after each of (row x width) rows that left the final norm."""
    found = [select_likeliest(logits, 1)[1][: rows.stop - rows.start, 0] for rows, logits in model.final_logits(normed)]
    return [int(token) for token in torch.cat(found).tolist()]


@torch.inference_mode()
def surprisals(model: LoadedModel, normed: torch.Tensor, answers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether each row's likeliest token is the answer, and -ln p(answer) in nats, after (row x width) rows that left
    the final norm; `answers` has a token a row.
    """
    agree, surprise = [], []
    for rows, logits in model.final_logits(normed):
        count = rows.stop - rows.start
        log_p = log_softmax(logits[:count])
        wanted = torch.tensor(list(answers[rows]), device=logits.device)
        agree.append(select_likeliest(log_p, 1)[1][:, 0] == wanted)
        surprise.append(-log_p.gather(1, wanted[:, None])[:, 0])
    return torch.cat(agree).cpu(), torch.cat(surprise).cpu()
