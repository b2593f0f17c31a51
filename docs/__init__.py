"""Pages for people who run or change wooshq, and the program that writes their generated parts."""
