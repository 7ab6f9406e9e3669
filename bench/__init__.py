"""The benchmark: what Dragoman costs, as ratios against nginx in the same run. See docs/benchmark.md."""
