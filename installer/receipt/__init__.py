"""The receipt: what stands on it (`form`), as lines (`paper`), and as a square that a phone reads (`square`)."""
