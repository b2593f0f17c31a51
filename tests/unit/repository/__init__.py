"""Tests of the repository itself: its README, images, Makefile, imports, and the shape of its folders and files."""
