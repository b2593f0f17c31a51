"""The rules for what is wrong now, each a pure function of what was seen. The closed list of findings is `finding.py`."""
