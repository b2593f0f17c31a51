"""Tests of one module or room in this process, without a Redis or a worker of their own unless the module is about them."""
