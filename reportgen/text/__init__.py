"""Text and tokens: prompts, chats, tokenizers, scripts, words; no model, no torch."""
