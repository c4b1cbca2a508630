"""Modules lent to a script that `zoo-runner hera run` starts; this folder is on the path of that process only.

They need nothing but the Python standard library, Hera (5.6 or 7), and `kubernetes` where a script uses it.
"""
