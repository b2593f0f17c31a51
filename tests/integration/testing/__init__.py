"""The test kit, used as an app's own tests use it."""
