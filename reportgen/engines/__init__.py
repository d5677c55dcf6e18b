"""Where the parts of a run are measured: in processes here, on a Ray cluster, or as an array job of Slurm.

An engine is given tasks and says which of them failed, and why; the numbers of all others then lie in their folders. It
knows nothing of batteries: a task is a module of ours, run as a process of its own, and what that is told.
"""

ENGINES = ("local", "ray", "slurm")
