"""The guided story: a replica halts, another drifts, both are put right and proved right, on real servers."""
