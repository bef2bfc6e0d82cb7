"""Several real nodes in one thread, in virtual time, from one seed.

Everything above the wire and the clock is the product's own code: workers, client,
doors, storage. `spalier serve` imports nothing of this package (docs/simulation.md).
"""
