"""What lm-evaluation-harness itself makes of texts: run by the Python of .venv-lmeval, never imported by a test.

    .venv-lmeval/bin/python tests/reference/lm_eval_rolling.py FOLDER

FOLDER holds cases.json: {model: a folder, text, prefix: the token that stands before it, length: tokens of a window}.
Written into it is found.json: for each case the sum of ln p over all tokens of the text, from `loglikelihood_rolling`.
"""

import json
import sys
from pathlib import Path

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM


def loglikelihood(case):
    model = HFLM(
        pretrained=case["model"],
        dtype="float32",
        device="cpu",
        batch_size=1,
        max_length=case["length"],
        prefix_token_id=case["prefix"],
        add_bos_token=False,
        attn_implementation="eager",
    )
    (found,) = model.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (case["text"],), 0)])
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    cases = json.loads((folder / "cases.json").read_text())
    (folder / "found.json").write_text(json.dumps([loglikelihood(case) for case in cases]))
