-- come_due.lua: which members of a sorted set have come due.
-- uses clock
-- KEYS[1]   leases | due | expiry | cancels | chunk_leases | chunk_due | job_expiry  zset
-- ARGV      how many at most
-- returns   {<member> *}, the longest due first
-- cost      O(log set + members)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
