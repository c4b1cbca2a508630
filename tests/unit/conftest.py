"""Property tests of this tier are short; tests/contract/test_fuzz.py looks longer."""

from hypothesis import settings

settings.register_profile("unit", max_examples=30)
settings.load_profile("unit")
