"""Settings as frozen dataclasses that validate themselves, so that an invalid one cannot exist.

Names and defaults live here and nowhere else: the command line reads its defaults and its choices from these classes.
"""
