"""Tests of one module or folder in this process, without a Redis or a worker of their own unless the module is about them."""
