"""How long things take, printed by ``python -m benchmarks.page`` and ``python -m benchmarks.evaluate``."""
