"""Finding, loading, proving and running models: the only room that imports torch and transformers."""

import os

# Before torch is imported: threads that wait for work sleep instead of spinning. With a busy neighbour on one of two
# cores, spinning made passes many times slower; with a quiet machine it gains nothing that can be measured.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
