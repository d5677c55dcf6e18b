"""What changed between two bundles: verdicts are data, made without torch, drawn and told elsewhere."""
