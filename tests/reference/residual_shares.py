"""What a block's output is made of, by hand: every block called part by part, one token at a time."""

import torch

STREAM = {"llama": "model.layers", "gemma2": "model.layers", "gemma3": "model.layers", "gpt_neox": "gpt_neox.layers"}


@torch.no_grad()
def parts(network, family, ids):
    """(block) (entered, attention's addition, MLP's addition, output), each (position x width)."""
    blocks, found = network.get_submodule(STREAM[family]), []
    inside = {"llama": ("self_attn", "mlp"), "gpt_neox": ("attention", "mlp")}.get(
        family, ("post_attention_layernorm", "post_feedforward_layernorm")
    )
    for block in blocks:
        seen = {}

        def keep(name, seen=seen):
            def hook(module, args, output):
                seen[name] = (output[0] if isinstance(output, tuple) else output).clone().reshape(len(ids), -1)

            return hook

        handles = [getattr(block, name).register_forward_hook(keep(at)) for at, name in enumerate(inside)]
        handles.append(block.register_forward_hook(keep("out")))
        handles.append(
            block.register_forward_pre_hook(
                lambda module, args, kwargs, seen=seen: seen.update(
                    x=(args[0] if args else kwargs["hidden_states"])[0].clone()
                ),
                with_kwargs=True,
            )
        )
        network(torch.tensor([ids]), use_cache=False)
        for handle in handles:
            handle.remove()
        found.append((seen["x"], seen[0], seen[1], seen["out"]))
    return found


def share(part, whole):
    """One number after another."""
    return sum(float(a) * float(b) for a, b in zip(part, whole, strict=True)) / sum(float(b) ** 2 for b in whole)
