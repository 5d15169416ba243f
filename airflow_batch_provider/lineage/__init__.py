"""What OpenLineage is told of a task: which data its job read and wrote, and which job that was.

Nothing here is imported before OpenLineage's listener asks, but for `listening`, which needs no OpenLineage.
"""
