"""Benchmarks: each file measures one thing, side by side with what a reader would otherwise write by hand.

Numbers from one machine mean little; ratios of two things measured in turns on the same machine, at the same time, mean
something. So every round runs ours and the other one after another, in changing order, and medians are compared.
"""
