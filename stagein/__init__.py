"""Stage-in: a job order that refers to remote data goes in, one with local paths comes out."""
