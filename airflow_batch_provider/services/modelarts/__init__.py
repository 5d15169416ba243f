"""Huawei Cloud ModelArts workflows: what to ask, and what answers mean."""
