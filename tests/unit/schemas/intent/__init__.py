"""Tests of the intent: what is an intent, the exact form, and properties that hold for every one."""
