"""A runbook with all of its blocks: contexts, the flow from block to block, plans, and the runtime that documents
share.
"""
