"""What an operator must know now: what is wrong, since when and what to do; how lanes, workers and jobs are; at a cost that has a bound."""
